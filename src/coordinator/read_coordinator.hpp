#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "shard_reads.hpp"
#include "vectorizer/coordinator/data_plane.hpp"

namespace vectorizer::coordinator {

/// One read of a client by id, page or count: split by shard, asked of the copies that may answer, and merged. A reply
/// is whole or an error.
class ReadCoordinator {
 public:
  explicit ReadCoordinator(ShardReads reads) : reads_(std::move(reads)) {}

  Result<std::vector<std::optional<Point>>> get(std::span<const PointId> ids, const Projection& what,
                                                const ReadFrom& from) const;
  Result<ScrollReply> scroll(const ScrollQuery& query, const ReadFrom& from) const;
  Result<std::uint64_t> count(const std::optional<Filter>& filter, const ReadFrom& from) const;

 private:
  /// The answers of `shards`, in their order; the first error is the one of the whole read.
  template <typename Answer, typename Question>
  Result<std::vector<Answer>> ask(std::span<const ShardId> shards, const ReadFrom& from,
                                  const Question& question) const;

  const ShardReads reads_;
};

}  // namespace vectorizer::coordinator
