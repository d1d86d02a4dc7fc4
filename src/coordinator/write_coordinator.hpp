#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "shard_routing.hpp"
#include "vectorizer/coordinator/data_plane.hpp"

namespace vectorizer::coordinator {

/// Splits `ops` by shard, asks the primaries (one call per node), and tells the truth per vector: all applied or not
/// found, or an error. Some shards applied and some not is partial_write with the failed ids and their `places` in the
/// request (empty: as they are in `ops`).
Result<WriteReport> write_by_shard(const ShardRouting& routing, std::vector<WriteOp> ops,
                                   std::span<const std::size_t> places = {});

/// See DataPlane::write_matching.
Result<WriteReport> write_matching_by_shard(const ShardRouting& routing, const Filter& filter, WriteOp op);

}  // namespace vectorizer::coordinator
