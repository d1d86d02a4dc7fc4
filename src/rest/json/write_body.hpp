#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::rest {

/// The operations of a request, one for each id, and where each stood in it.
struct WriteOps {
  std::vector<WriteOp> ops;
  std::vector<std::size_t> places;

  explicit WriteOps(std::vector<WriteOp> all);  ///< keeps of those with one id the last, in its place
};

/// The body of POST …/vectors, checked whole: the last mention of an id wins.
Result<WriteOps> parse_upsert(std::string_view body, std::uint32_t dimension, const config::LimitSettings& limits);
/// The body of PUT …/vectors/{id}.
Result<WriteOp> parse_put(std::string_view body, const PointId& id, std::uint32_t dimension,
                          const config::LimitSettings& limits);
/// The body of PATCH …/vectors/{id}: a vector, a merge patch of the payload, or both.
Result<WriteOp> parse_patch(std::string_view body, const PointId& id, std::uint32_t dimension,
                            const config::LimitSettings& limits);

/// A change to many points: named by id, or by a filter. Exactly one of the two is there.
struct BulkChange {
  std::optional<std::vector<PointId>> ids;
  std::vector<std::size_t> places;  ///< of the ids in the request
  std::optional<Filter> filter;
  WriteOp op;  ///< its id is to be filled in
};
/// The body of POST …/vectors/delete.
Result<BulkChange> parse_delete(std::string_view body, const config::LimitSettings& limits);
/// The body of POST …/vectors/payload.
Result<BulkChange> parse_payload_change(std::string_view body, const config::LimitSettings& limits);

/// Whether a filter holds for every point because it has no condition, at any depth of groups.
bool holds_for_all(const Filter& filter);

}  // namespace vectorizer::rest
