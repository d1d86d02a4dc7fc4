#include "write_queue.hpp"

#include <exception>

namespace vectorizer::shard {
namespace {

std::size_t bytes_of(std::span<const WriteOp> ops) {
  std::size_t bytes = 0;
  for (const WriteOp& op : ops) bytes += op.vector.size() * sizeof(float) + op.payload.size();
  return bytes;
}

}  // namespace

WriteResult WriteQueue::submit(std::span<const WriteOp> ops, const std::optional<RequestStamp>& stamp) {
  Waiting self;
  self.write.ops = ops;
  self.write.stamp = stamp;
  self.bytes = bytes_of(ops);

  std::unique_lock lock(mutex_);
  queue_.push_back(&self);
  self.turn.wait(lock, [&] { return self.done || queue_.front() == &self; });
  if (self.done) return std::move(self.write.result);

  const std::vector<PendingWrite*> group = front_group();
  lock.unlock();
  try {
    commit_(group);
  } catch (const std::exception& failure) {
    // Those behind must neither wait for ever nor find this frame in the queue when it is gone.
    for (PendingWrite* write : group) write->result = Error{ErrorType::kInternal, failure.what()};
  }
  lock.lock();
  for (std::size_t i = 0; i < group.size(); ++i) {
    Waiting* const member = queue_.front();
    queue_.pop_front();
    if (member == &self) continue;
    member->done = true;
    member->turn.notify_one();  // under the lock: the member's stack frame lives until it has seen `done`
  }
  if (!queue_.empty()) queue_.front()->turn.notify_one();
  return std::move(self.write.result);
}

std::size_t WriteQueue::depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::vector<PendingWrite*> WriteQueue::front_group() const {
  std::vector<PendingWrite*> group;
  std::size_t ops = 0;
  std::size_t bytes = 0;
  for (Waiting* waiting : queue_) {
    ops += waiting->write.ops.size();
    bytes += waiting->bytes;
    if (!group.empty() && (ops > kMaxGroupOps || bytes > kMaxGroupBytes)) break;
    group.push_back(&waiting->write);
  }
  return group;
}

}  // namespace vectorizer::shard
