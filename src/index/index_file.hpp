#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "graph.hpp"
#include "vector_table.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::index {

/// Writes graph, codes and `extra`; docs/formats/index-file.md is the layout. Returns the number of slots covered.
Result<std::size_t> write_index_file(const std::filesystem::path& file, const IndexOptions& options,
                                     const VectorTable& table, const Graph& graph, std::string_view extra);

/// Fills an empty table and graph, with all slots removed; returns `extra`. After an error both are to be discarded.
Result<std::string> read_index_file(const std::filesystem::path& file, const IndexOptions& options, VectorTable& table,
                                    Graph& graph);

}  // namespace vectorizer::index
