#include "incoming_checkpoints.hpp"

#include <algorithm>
#include <utility>

namespace vectorizer::node {

/// Passes a checkpoint on, slice by slice.
class IncomingCheckpoints::Sink final : public peer::CheckpointSink {
 public:
  Sink(IncomingCheckpoints& incoming, const ShardId& shard, peer::CheckpointSink& to)
      : incoming_(incoming), shard_(shard), to_(to) {
    incoming_.begin(shard_);
  }
  ~Sink() { incoming_.end(shard_); }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  Result<void> header(const peer::CheckpointHeader& header) override { return to_.header(header); }
  Result<void> points(std::string bytes) override {
    RETURN_IF_ERROR(incoming_.take(shard_, bytes.size()));
    return to_.points(std::move(bytes));
  }
  Result<void> index(std::string bytes) override {
    RETURN_IF_ERROR(incoming_.take(shard_, bytes.size()));
    return to_.index(std::move(bytes));
  }

 private:
  IncomingCheckpoints& incoming_;
  const ShardId shard_;
  peer::CheckpointSink& to_;
};

class IncomingCheckpoints::Source final : public peer::ReplicationPeer {
 public:
  Source(IncomingCheckpoints& incoming, peer::ReplicationPeer& from) : incoming_(incoming), from_(from) {}
  void replicate(peer::ReplicateRequest request, OnReply on_reply) override {
    from_.replicate(std::move(request), std::move(on_reply));
  }
  Result<void> fetch_checkpoint(const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) override {
    Sink measured(incoming_, shard, sink);
    return from_.fetch_checkpoint(shard, term, measured);
  }

 private:
  IncomingCheckpoints& incoming_;
  peer::ReplicationPeer& from_;
};

IncomingCheckpoints::IncomingCheckpoints(std::uint64_t bytes_per_second, MetricsRegistry& metrics)
    : bytes_per_second_(bytes_per_second),
      received_(bytes_per_second == 0
                    ? nullptr
                    : &metrics.counter("vectorizer_cluster_received_checkpoint_bytes_total",
                                       "Bytes of checkpoints that came from other nodes, for moves and for repairs.")) {}

std::unique_ptr<peer::ReplicationPeer> IncomingCheckpoints::measured(peer::ReplicationPeer& source) {
  return std::make_unique<Source>(*this, source);
}

IncomingCheckpoints::Progress IncomingCheckpoints::of(const ShardId& shard) const {
  const std::lock_guard lock(mutex_);
  const auto found = transfers_.find(shard);
  if (found == transfers_.end()) return {};
  return {found->second.bytes, std::chrono::duration<double>(Clock::now() - found->second.begun).count()};
}

void IncomingCheckpoints::begin(const ShardId& shard) {
  const std::lock_guard lock(mutex_);
  transfers_[shard] = {};
}

void IncomingCheckpoints::end(const ShardId& shard) {
  const std::lock_guard lock(mutex_);
  transfers_.erase(shard);
}

Result<void> IncomingCheckpoints::take(const ShardId& shard, std::size_t bytes) {
  if (received_ == nullptr) return {};
  std::unique_lock lock(mutex_);
  transfers_[shard].bytes += bytes;
  received_->Increment(static_cast<double>(bytes));
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
  const auto turn = std::max(free_at_, Clock::now());
  free_at_ = turn + std::chrono::duration_cast<Clock::duration>(cost);
  stopped_.wait_until(lock, turn, [this] { return stopping_; });
  if (stopping_) return Error{ErrorType::kShuttingDown, "the node is stopping"};
  return {};
}

void IncomingCheckpoints::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
}

}  // namespace vectorizer::node
