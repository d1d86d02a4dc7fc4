#pragma once

#include <memory>

#include "group_core.hpp"

namespace vectorizer::replication {

/// The store of a replicated shard: what the shard resolves is committed by the group before it is stored; what the
/// group has committed goes straight to the points.
class ReplicatedStore final : public storage::ShardStore {
 public:
  explicit ReplicatedStore(std::shared_ptr<GroupCore> core) : core_(std::move(core)) {}

  Result<void> write(std::span<const storage::StoredWrite> writes) override { return core_->write(writes); }
  Result<std::optional<storage::StoredPoint>> get(const PointId& id) const override { return core_->points().get(id); }
  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    return core_->points().get_many(ids);
  }
  Result<void> scan(const std::optional<PointId>& after,
                    const std::function<bool(storage::StoredPoint&&)>& visit) const override {
    return core_->points().scan(after, visit);
  }
  Result<std::optional<RequestResult>> find_result(const RequestId& id) const override {
    return core_->points().find_result(id);
  }
  storage::SequenceNumber applied_sequence() const override { return core_->points().applied_sequence(); }
  Result<std::vector<storage::StoredWrite>> settle() override { return core_->settle(); }
  storage::SequenceNumber last_sequence() const override { return core_->last_sequence(); }
  bool has_room_for(std::uint64_t bytes) const override { return core_->points().has_room_for(bytes); }

 private:
  const std::shared_ptr<GroupCore> core_;
};

}  // namespace vectorizer::replication
