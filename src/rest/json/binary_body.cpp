#include "json/binary_body.hpp"

#include <fmt/format.h>

#include <cstring>

#include "json/point_values.hpp"
#include "json/write_body.hpp"

namespace vectorizer::rest {
namespace {

constexpr std::string_view kUpsertMagic = "VZU1";
constexpr std::string_view kSearchMagic = "VZS1";
constexpr std::size_t kHeaderBytes = 16;

struct Header {
  std::uint32_t count = 0;  ///< vectors of an upsert, limit of a search
  std::uint32_t dimension = 0;
};

std::uint32_t read_u32(std::string_view body, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, body.data() + offset, sizeof value);
  return value;
}

Result<Header> read_header(std::string_view body, std::string_view magic) {
  if (body.size() < kHeaderBytes) {
    return invalid_field("body", fmt::format("is {} bytes, less than the header's {}", body.size(), kHeaderBytes));
  }
  if (body.substr(0, magic.size()) != magic) return invalid_field("body", fmt::format("does not begin with {}", magic));
  if (read_u32(body, 12) != 0) return invalid_field("body", "the reserved bytes 12..15 must be zero");
  return Header{read_u32(body, 4), read_u32(body, 8)};
}

Result<void> check_size(std::string_view body, std::uint64_t expected) {
  if (body.size() == expected) return {};
  return invalid_field("body", fmt::format("is {} bytes, its header says {}", body.size(), expected));
}

}  // namespace

Result<WriteOps> parse_binary_upsert(std::string_view body, std::uint32_t dimension,
                                     const config::LimitSettings& limits) {
  const FieldPath path("vectors");
  ASSIGN_OR_RETURN(const Header header, read_header(body, kUpsertMagic));
  if (header.count == 0) return invalid_field("vectors", "must not be empty");
  if (header.count > limits.max_batch_vectors) return too_many(path, limits.max_batch_vectors);
  if (header.dimension != dimension) return dimension_mismatch(dimension, header.dimension);
  const std::size_t row_bytes = std::size_t{dimension} * sizeof(float);
  RETURN_IF_ERROR(check_size(body, kHeaderBytes + header.count * (sizeof(std::uint64_t) + row_bytes)));

  const std::string_view ids = body.substr(kHeaderBytes, header.count * sizeof(std::uint64_t));
  const std::string_view rows = body.substr(kHeaderBytes + ids.size());
  std::vector<WriteOp> ops(header.count);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    std::uint64_t id = 0;
    std::memcpy(&id, ids.data() + i * sizeof id, sizeof id);
    ops[i].id = PointId(id);
    const FieldPath entry = path.at(i);
    RETURN_IF_ERROR(copy_floats(rows.substr(i * row_bytes, row_bytes), entry.member("vector"), ops[i].vector));
  }
  return WriteOps(std::move(ops));
}

Result<SearchQuery> parse_binary_search(std::string_view body, std::uint32_t dimension,
                                        const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(const Header header, read_header(body, kSearchMagic));
  if (header.count == 0 || header.count > limits.max_results) {
    return invalid_field("limit", fmt::format("must be a whole number from 1 to {}", limits.max_results));
  }
  if (header.dimension != dimension) return dimension_mismatch(dimension, header.dimension);
  RETURN_IF_ERROR(check_size(body, kHeaderBytes + std::uint64_t{dimension} * sizeof(float)));
  SearchQuery query;
  query.limit = header.count;
  RETURN_IF_ERROR(copy_floats(body.substr(kHeaderBytes), FieldPath("vector"), query.vector));
  return query;
}

}  // namespace vectorizer::rest
