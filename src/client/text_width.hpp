#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vectorizer::client {

/// Columns that UTF-8 takes on a terminal: 2 for wide characters, 0 for combining ones.
std::size_t text_width(std::string_view text);

/// Fit for a cell: control characters and bytes that are no UTF-8 become U+FFFD, so that a name cannot move the cursor
/// or add a line.
std::string printable(std::string_view text);

/// The whole text if it fits, else as much as fits with "…" at its end.
std::string shortened(std::string_view text, std::size_t width);

}  // namespace vectorizer::client
