#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "outages.hpp"
#include "request_key.hpp"
#include "shard_routing.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/coordinator/data_plane.hpp"
#include "vectorizer/model/deadline.hpp"

namespace vectorizer::coordinator {

/// One write of a client: split by shard, sent to the primaries (one call per node, all at once), and answered with the
/// truth per vector: all applied or not found, or an error. Some shards applied and some not is partial_write with the
/// failed ids and their places in the request.
///
/// What a node has not done, because it does not lead the shard any more or cannot be reached, is sent again to whoever
/// leads it then, until the deadline, unless the shard has been out for longer than that (Outages). So is what it may
/// have done: the shard knows the write by its stamp, and answers with what became of it. What is still unknown at the
/// deadline the client is told.
class WriteCoordinator {
 public:
  using Route = std::function<Result<ShardRouting>()>;

  /// @param route the collection as the metadata has it now
  WriteCoordinator(Route route, Lane& lane, Outages& outages, Deadline deadline)
      : route_(std::move(route)), lane_(lane), outages_(outages), deadline_(deadline) {}

  /// @param places where each operation stands in the request; empty: as they are in `ops`
  Result<WriteReport> write(std::vector<WriteOp> ops, std::span<const std::size_t> places, const RequestKey& key) const;
  /// See DataPlane::write_matching.
  Result<WriteReport> write_matching(const Filter& filter, WriteOp op, const RequestKey& key) const;

  /// The operations of one shard, and what became of them.
  struct Part {
    std::vector<WriteOp> ops;
    std::vector<PointId> ids;         // of ops
    std::vector<std::size_t> places;  // of ops in the request
    std::optional<RequestStamp> stamp;
    bool doubtful = false;   // an earlier attempt may have been done
    std::uint64_t term = 0;  // in which they were sent last
    std::uint64_t sequence = 0;
    std::optional<Result<std::vector<WriteOutcome>>> result;
  };

 private:
  /// Sends the parts until all have an answer that is final, or the deadline comes.
  Result<WriteReport> complete(ShardRouting routing, std::map<ShardId, Part> parts, const RequestKey& key) const;
  void attempt(const ShardRouting& routing, std::map<ShardId, Part>& parts) const;
  static bool worth_another_try_of(const Part& part);
  bool worth_waiting_for(const std::map<ShardId, Part>& parts) const;

  const Route route_;
  Lane& lane_;
  Outages& outages_;
  const Deadline deadline_;
};

}  // namespace vectorizer::coordinator
