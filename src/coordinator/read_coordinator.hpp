#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "shard_routing.hpp"
#include "vectorizer/base/lane.hpp"
#include "vectorizer/coordinator/data_plane.hpp"

namespace vectorizer::coordinator {

/// One read of a client by id, page or count: split by shard, asked of the copies that may answer (one call per node,
/// all at once; a shard that one cannot answer is asked of the next), and merged. A reply is whole or an error.
class ReadCoordinator {
 public:
  ReadCoordinator(ShardRouting routing, Lane& lane, std::chrono::milliseconds hedge_after)
      : routing_(std::move(routing)), lane_(lane), hedge_after_(hedge_after) {}

  Result<std::vector<std::optional<Point>>> get(std::span<const PointId> ids, const Projection& what,
                                                const ReadFrom& from) const;
  Result<ScrollReply> scroll(const ScrollQuery& query, const ReadFrom& from) const;
  Result<std::uint64_t> count(const std::optional<Filter>& filter, const ReadFrom& from) const;

 private:
  /// The answers of `shards`, in their order; the first error is the one of the whole read.
  template <typename Answer, typename Question>
  Result<std::vector<Answer>> ask(std::span<const ShardId> shards, const ReadFrom& from,
                                  const Question& question) const;

  const ShardRouting routing_;
  Lane& lane_;
  const std::chrono::milliseconds hedge_after_;
};

}  // namespace vectorizer::coordinator
