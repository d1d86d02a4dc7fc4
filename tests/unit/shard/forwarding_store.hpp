#pragma once

#include <memory>
#include <utility>

#include "testing/memory_shard_store.hpp"

namespace vectorizer::shard {

/// A store in memory, of which a test overrides what it wants to go wrong.
class ForwardingStore : public storage::ShardStore {
 public:
  explicit ForwardingStore(std::shared_ptr<testing::MemoryDisk> disk = std::make_shared<testing::MemoryDisk>())
      : store_(std::move(disk)) {}

  Result<void> write(std::span<const storage::StoredWrite> writes) override { return store_.write(writes); }
  Result<std::optional<storage::StoredPoint>> get(const PointId& id) const override { return store_.get(id); }
  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    return store_.get_many(ids);
  }
  Result<void> scan(const std::optional<PointId>& after,
                    const std::function<bool(storage::StoredPoint&&)>& visit) const override {
    return store_.scan(after, visit);
  }
  Result<std::optional<RequestResult>> find_result(const RequestId& id) const override {
    return store_.find_result(id);
  }
  storage::SequenceNumber applied_sequence() const override { return store_.applied_sequence(); }

 private:
  testing::MemoryShardStore store_;
};

}  // namespace vectorizer::shard
