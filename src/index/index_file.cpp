#include "index_file.hpp"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <cstring>

namespace vectorizer::index {
namespace {

static_assert(std::endian::native == std::endian::little,
              "index files are little-endian, and written as they are in memory");

constexpr std::array<char, 8> kMagic{'V', 'E', 'C', 'T', 'I', 'D', 'X', '\n'};
constexpr std::uint32_t kVersion = 1;

/// The start of the file. What must agree with the options comes first.
struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t dimension;
  std::uint32_t metric;
  std::uint32_t m;
  std::uint32_t ef_construction;
  std::uint32_t reserved;
  std::uint64_t slots;
  std::uint64_t indexed;
  std::uint64_t extra_bytes;
};
static_assert(sizeof(Header) == 56);

Header header_for(const IndexOptions& options) {
  return {kMagic,
          kVersion,
          options.dimension,
          static_cast<std::uint32_t>(options.metric),
          options.m,
          options.ef_construction,
          0,
          0,
          0,
          0};
}

Result<void> check(const Header& header, const IndexOptions& options, const FileReader& in) {
  if (header.magic != kMagic) return in.damaged("it does not start with the magic bytes");
  if (header.version != kVersion) return in.damaged(fmt::format("version {} is unknown", header.version));
  const Header wanted = header_for(options);
  if (header.dimension != wanted.dimension || header.metric != wanted.metric || header.m != wanted.m ||
      header.ef_construction != wanted.ef_construction) {
    return Error{ErrorType::kConflict,
                 fmt::format("the index file was built with other options: dimension {}, metric {}, m {}, "
                             "ef_construction {} instead of {}, {}, {}, {}",
                             header.dimension, header.metric, header.m, header.ef_construction, wanted.dimension,
                             wanted.metric, wanted.m, wanted.ef_construction)};
  }
  if (header.slots > kMaxSlots || header.indexed > header.slots) return in.damaged("impossible slot counts");
  return {};
}

}  // namespace

Result<std::size_t> write_index_file(const std::filesystem::path& file, const IndexOptions& options,
                                     const VectorTable& table, const Graph& graph, std::string_view extra) {
  const auto no_inserts = graph.pause_inserts();
  Header header = header_for(options);
  header.indexed = graph.indexed();
  header.slots = table.slots();
  header.extra_bytes = extra.size();
  FileWriter out(file);
  out.write_value(header);
  out.write(extra.data(), extra.size());
  for (Slot slot = 0; slot < header.indexed; ++slot) {
    const auto row = table.code_row(slot);
    out.write(row.data(), row.size());
  }
  graph.write(out);
  RETURN_IF_ERROR(out.commit());
  return static_cast<std::size_t>(header.slots);
}

Result<std::string> read_index_file(const std::filesystem::path& file, const IndexOptions& options, VectorTable& table,
                                    Graph& graph) {
  ASSIGN_OR_RETURN(const auto in, FileReader::open(file));
  ASSIGN_OR_RETURN(const Header header, in->read_value<Header>());
  RETURN_IF_ERROR(check(header, options, *in));
  if (header.extra_bytes > in->remaining()) return in->damaged("it is too short");
  std::string extra(header.extra_bytes, '\0');
  RETURN_IF_ERROR(in->read(extra.data(), extra.size()));

  if (header.indexed > in->remaining() / options.dimension) return in->damaged("it is too short");
  table.extend_removed(header.indexed);
  for (Slot slot = 0; slot < header.indexed; ++slot) {
    const auto row = table.code_row(slot);
    RETURN_IF_ERROR(in->read(row.data(), row.size()));
  }
  RETURN_IF_ERROR(graph.read(*in, header.indexed));
  RETURN_IF_ERROR(in->verify());
  table.extend_removed(header.slots);  // only now: nothing but the checksum vouches for a number this large
  return extra;
}

}  // namespace vectorizer::index
