#pragma once

#include <condition_variable>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "vectorizer/consensus/raft_metadata_log.hpp"
#include "vectorizer/peer/byte_stream.hpp"

namespace vectorizer::testing {

/// Both directions of a connection in memory, each with a bounded buffer.
struct MemoryChannel {
  static constexpr std::size_t kCapacity = std::size_t{256} << 10;
  std::mutex mutex;
  std::condition_variable changed;
  std::string bytes[2];  // by the side that reads them
  bool closed = false;

  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
    changed.notify_all();
  }
};

class MemoryStream final : public peer::ByteStream {
 public:
  MemoryStream(std::shared_ptr<MemoryChannel> channel, int side) : channel_(std::move(channel)), side_(side) {}
  ~MemoryStream() override { channel_->close(); }

  Result<std::size_t> read(std::span<char> buffer) override {
    std::unique_lock lock(channel_->mutex);
    auto& bytes = channel_->bytes[side_];
    channel_->changed.wait(lock, [&] { return channel_->closed || !bytes.empty(); });
    if (channel_->closed) return std::size_t{0};  // what was under way is lost, as on a network
    const auto count = std::min(buffer.size(), bytes.size());
    std::memcpy(buffer.data(), bytes.data(), count);
    bytes.erase(0, count);
    channel_->changed.notify_all();
    return count;
  }
  Result<void> write(std::string_view bytes) override {
    std::unique_lock lock(channel_->mutex);
    auto& buffer = channel_->bytes[1 - side_];
    channel_->changed.wait(lock, [&] { return channel_->closed || buffer.size() < MemoryChannel::kCapacity; });
    if (channel_->closed) return Error{ErrorType::kNodeUnreachable, "the stream is closed"};
    buffer += bytes;
    channel_->changed.notify_all();
    return {};
  }
  void close() noexcept override { channel_->close(); }

 private:
  const std::shared_ptr<MemoryChannel> channel_;
  const int side_;
};

/// Members of one process, connected in memory; links can be cut.
class MemoryNetwork final : public peer::StreamConnector {
 public:
  ~MemoryNetwork() override {
    std::list<std::thread> threads;
    {
      const std::lock_guard lock(mutex_);
      for (auto& link : links_) link.channel->close();
    }
    for (auto& link : links_) link.thread.join();
  }

  Result<std::unique_ptr<peer::ByteStream>> connect(const peer::StreamRoute& route, const std::stop_token&) override {
    const std::lock_guard lock(mutex_);
    reap();
    const auto target = members_.find(route.to);
    if (target == members_.end() || isolated_.contains(route.from) || isolated_.contains(route.to)) {
      return Error{ErrorType::kNodeUnreachable, "nobody answers"};
    }
    auto channel = std::make_shared<MemoryChannel>();
    auto& link = links_.emplace_back();
    link.channel = channel;
    link.from = route.from;
    link.to = route.to;
    link.thread = std::thread([this, &link, log = target->second, route, channel] {
      MemoryStream stream(channel, 1);
      static_cast<void>(log->serve(route, stream));
      const std::lock_guard done(mutex_);
      link.ended = true;
      ended_.notify_all();
    });
    return std::unique_ptr<peer::ByteStream>(std::make_unique<MemoryStream>(channel, 0));
  }

  void attach(std::uint64_t id, consensus::RaftMetadataLog& log) {
    const std::lock_guard lock(mutex_);
    members_[id] = &log;
  }
  /// Returns when no stream is served there any more.
  void detach(std::uint64_t id) {
    std::unique_lock lock(mutex_);
    members_.erase(id);
    close_links(id);
    ended_.wait(lock, [&] {
      return std::all_of(links_.begin(), links_.end(), [&](const Link& link) { return link.to != id || link.ended; });
    });
  }
  /// Cuts every link of a member, open ones and new ones.
  void isolate(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    isolated_.insert(id);
    close_links(id);
  }
  void heal(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    isolated_.erase(id);
  }

 private:
  struct Link {
    std::shared_ptr<MemoryChannel> channel;
    std::uint64_t from = 0, to = 0;
    bool ended = false;
    std::thread thread;
  };
  void close_links(std::uint64_t id) {
    for (auto& link : links_) {
      if (link.from == id || link.to == id) link.channel->close();
    }
  }
  void reap() {
    for (auto link = links_.begin(); link != links_.end();) {
      if (!link->ended) {
        ++link;
        continue;
      }
      // It is past its last use of the mutex or waits for nothing else than to unlock it.
      link->thread.detach();
      link = links_.erase(link);
    }
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::uint64_t, consensus::RaftMetadataLog*> members_;
  std::set<std::uint64_t> isolated_;
  std::list<Link> links_;
};

}  // namespace vectorizer::testing
