#include "checkpoint_stream.hpp"

#include <utility>

#include "replication_codec.hpp"

namespace vectorizer::rpc {

CheckpointStream::CheckpointStream(ServerCore& core, grpc::CallbackServerContext& context)
    : core_(core), context_(context) {
  core_.metrics.in_flight(Method::kFetchCheckpoint).Increment();
}

void CheckpointStream::OnDone() {
  core_.metrics.in_flight(Method::kFetchCheckpoint).Decrement();
  delete this;
}

void CheckpointStream::run(peer::ReplicationPeer& source, const ShardId& shard, std::uint64_t term) {
  if (context_.IsCancelled()) return Finish(grpc::Status::CANCELLED);
  const auto start = std::chrono::steady_clock::now();
  const Result<void> sent = source.fetch_checkpoint(shard, term, *this);
  auto last = wait_until_taken();
  if (last) {
    auto& chunk = next_chunk();
    if (sent) {
      auto& end = *chunk.mutable_end();
      end.set_points_bytes(points_total_.bytes());
      end.set_index_bytes(index_total_.bytes());
      end.set_points_crc(points_total_.crc());
      end.set_index_crc(index_total_.crc());
    } else {
      encode_error(sent.error(), *chunk.mutable_error());
    }
    send();
    last = wait_until_taken();
  }
  core_.metrics.seconds(Method::kFetchCheckpoint)
      .Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  Finish(last ? grpc::Status::OK : grpc::Status::CANCELLED);
}

Result<void> CheckpointStream::header(const peer::CheckpointHeader& header) {
  RETURN_IF_ERROR(wait_until_taken());
  encode_header(header, *next_chunk().mutable_header());
  send();
  return {};
}

Result<void> CheckpointStream::points(std::string bytes) {
  return send_slice(std::move(bytes), points_total_, *next_chunk().mutable_points());
}

Result<void> CheckpointStream::index(std::string bytes) {
  return send_slice(std::move(bytes), index_total_, *next_chunk().mutable_index());
}

Result<void> CheckpointStream::send_slice(std::string bytes, SliceTotal& total, wire::CheckpointSlice& slice) {
  slice.set_crc(total.add(bytes));
  slice.set_data(std::move(bytes));
  RETURN_IF_ERROR(wait_until_taken());
  send();
  return {};
}

Result<void> CheckpointStream::wait_until_taken() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, core_.options.timeout, [this] { return !sending_; })) {
    lock.unlock();
    context_.TryCancel();
    lock.lock();
    changed_.wait(lock, [this] { return !sending_; });
    broken_ = true;
  }
  if (broken_) return Error{ErrorType::kNodeUnreachable, "whoever fetched the checkpoint takes no more of it"};
  return {};
}

wire::CheckpointChunk& CheckpointStream::next_chunk() {
  return chunks_[filling_];
}

void CheckpointStream::send() {
  const auto& chunk = chunks_[filling_];
  filling_ = 1 - filling_;
  {
    const std::lock_guard lock(mutex_);
    sending_ = true;
  }
  StartWrite(&chunk);
}

void CheckpointStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  sending_ = false;
  broken_ = broken_ || !ok;
  changed_.notify_all();
}

void CheckpointStream::OnCancel() {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  changed_.notify_all();
}

}  // namespace vectorizer::rpc
