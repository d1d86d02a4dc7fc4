#include "byte_pipe.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vectorizer::rpc {

Error BytePipe::broken() const {
  if (closed_) return {ErrorType::kNodeUnreachable, "the stream was closed"};
  return error_.value_or(Error{ErrorType::kNodeUnreachable, "the stream has ended"});
}

Result<std::size_t> BytePipe::read(std::span<char> buffer) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::size_t left = reading_ ? 0 : incoming_.data().size() - taken_;
    if (left > 0) {
      const std::size_t count = std::min(left, buffer.size());
      std::memcpy(buffer.data(), incoming_.data().data() + taken_, count);
      taken_ += count;
      return count;
    }
    if (closed_) return broken();
    if (no_more_) {
      changed_.wait(lock, [this] { return ended_ || closed_; });  // why it ended comes last
      if (closed_ || error_) return broken();
      return std::size_t{0};
    }
    if (!reading_) {
      reading_ = true;
      lock.unlock();  // gRPC may call back at once
      carrier_.begin_read(&incoming_);
      lock.lock();
    }
    changed_.wait(lock, [this] { return !reading_ || closed_; });
  }
}

Result<void> BytePipe::write(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  while (!bytes.empty()) {
    if (closed_ || ended_ || write_failed_) return broken();
    const std::size_t count = std::min(bytes.size(), kMaxMessage);
    send(lock, bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
  if (closed_ || write_failed_) return broken();
  return {};
}

void BytePipe::write_empty() {
  std::unique_lock lock(mutex_);
  if (!closed_ && !ended_) send(lock, {});
}

void BytePipe::send(std::unique_lock<std::mutex>& lock, std::string_view bytes) {
  outgoing_.set_data(bytes.data(), bytes.size());
  writing_ = true;
  lock.unlock();
  carrier_.begin_write(&outgoing_);
  lock.lock();
  changed_.wait(lock, [this] { return !writing_; });  // gRPC uses outgoing_ until then; closing makes it soon
}

void BytePipe::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    changed_.notify_all();
    if (ended_) return;
  }
  carrier_.cancel();
}

void BytePipe::read_done(bool ok) {
  const std::lock_guard lock(mutex_);
  reading_ = false;
  taken_ = 0;
  if (!ok) {
    incoming_.Clear();
    no_more_ = true;
  }
  changed_.notify_all();
}

void BytePipe::write_done(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  write_failed_ = write_failed_ || !ok;
  changed_.notify_all();
}

void BytePipe::ended(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  error_ = std::move(error);
  changed_.notify_all();
}

}  // namespace vectorizer::rpc
