#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "unit/consensus/memory_streams.hpp"
#include "vectorizer/control/membership.hpp"

namespace vectorizer::control {

/// Members of one process that reach each other by endpoint, unless one is cut off.
class MemberNetwork {
 public:
  void add(const std::string& endpoint, std::uint64_t raft_id, Membership* member) {
    const std::lock_guard lock(mutex_);
    members_[endpoint] = {member, 0};
    endpoints_[raft_id] = endpoint;
  }
  /// Returns when no call runs there any more.
  void remove(const std::string& endpoint) {
    std::unique_lock lock(mutex_);
    const auto found = members_.find(endpoint);
    if (found == members_.end()) return;
    found->second.gone = true;
    close_streams(endpoint);
    left_.wait(lock, [&] { return members_.at(endpoint).calls == 0; });
    members_.erase(endpoint);
  }
  void cut(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    cut_.insert(endpoint);
    close_streams(endpoint);
  }
  /// Calls do not reach it any more; its own do, and streams are not touched.
  void deafen(const std::string& endpoint, bool deaf) {
    const std::lock_guard lock(mutex_);
    deaf ? static_cast<void>(deaf_.insert(endpoint)) : static_cast<void>(deaf_.erase(endpoint));
  }
  bool deaf(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    return deaf_.contains(endpoint);
  }
  void heal(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    cut_.erase(endpoint);
  }

  /// A call in progress: what is called stays for as long.
  class Call {
   public:
    Call(MemberNetwork& network, const std::string& from, std::string to) : network_(network), to_(std::move(to)) {
      const std::lock_guard lock(network_.mutex_);
      if (network_.cut_.contains(from) || network_.cut_.contains(to_)) return;
      const auto found = network_.members_.find(to_);
      if (found == network_.members_.end() || found->second.gone) return;
      member_ = found->second.member;
      ++found->second.calls;
    }
    ~Call() {
      if (member_ == nullptr) return;
      const std::lock_guard lock(network_.mutex_);
      --network_.members_.at(to_).calls;
      network_.left_.notify_all();
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    Membership* member() const { return member_; }

   private:
    MemberNetwork& network_;
    const std::string to_;
    Membership* member_ = nullptr;
  };

  Result<std::unique_ptr<peer::ByteStream>> connect(const std::string& from, const peer::StreamRoute& route) {
    std::string to;
    {
      const std::lock_guard lock(mutex_);
      to = endpoints_[route.to];
    }
    auto call = std::make_shared<Call>(*this, from, to);
    if (call->member() == nullptr) return Error{ErrorType::kNodeUnreachable, "cannot reach " + to};
    auto channel = std::make_shared<testing::MemoryChannel>();
    const std::lock_guard lock(mutex_);
    links_.push_back({from, to, channel});
    servers_.emplace_back([call = std::move(call), route, channel]() mutable {
      testing::MemoryStream stream(channel, 1);
      static_cast<void>(call->member()->serve_raft(route, stream));
      call.reset();
    });
    return std::unique_ptr<peer::ByteStream>(std::make_unique<testing::MemoryStream>(channel, 0));
  }

 private:
  struct Served {
    Membership* member = nullptr;
    int calls = 0;
    bool gone = false;
  };
  struct Link {
    std::string from, to;
    std::shared_ptr<testing::MemoryChannel> channel;
  };
  void close_streams(const std::string& endpoint) {
    for (const auto& link : links_) {
      if (link.from == endpoint || link.to == endpoint) link.channel->close();
    }
  }

  std::mutex mutex_;
  std::condition_variable left_;  // a call has ended
  std::map<std::string, Served> members_;
  std::map<std::uint64_t, std::string> endpoints_;
  std::set<std::string> cut_, deaf_;
  std::vector<Link> links_;
  std::vector<std::jthread> servers_;
};

/// How one member sees the network.
class NetworkView final : public peer::MembershipDirectory, public peer::StreamConnector {
 public:
  NetworkView(MemberNetwork& network, std::string self) : network_(network), self_(std::move(self)) {}

  std::shared_ptr<peer::MembershipPeer> membership(const std::string& endpoint) override {
    return std::make_shared<Remote>(network_, self_, endpoint);
  }
  Result<std::unique_ptr<peer::ByteStream>> connect(const peer::StreamRoute& route, const std::stop_token&) override {
    return network_.connect(self_, route);
  }

 private:
  /// Calls the member at an endpoint, if it is reached.
  class Remote final : public peer::MembershipPeer {
   public:
    Remote(MemberNetwork& network, std::string from, std::string to)
        : network_(network), from_(std::move(from)), to_(std::move(to)) {}
    Result<peer::Hello> hello(const peer::Hello& self) override {
      return call([&](auto& member) { return member.hello(self); });
    }
    Result<peer::Remembered> remembered(const peer::Positions& told) override {
      return call([&](auto& member) { return member.remembered(told); });
    }
    Result<void> claim(const peer::ClaimRequest& request) override {
      return call([&](auto& member) { return member.claim(request); });
    }
    Result<void> join(const peer::Hello& newcomer) override {
      return call([&](auto& member) { return member.join(newcomer); });
    }
    Result<void> you_are_removed(const std::string& cluster_id) override {
      return call([&](auto& member) { return member.you_are_removed(cluster_id); });
    }
    Result<peer::BeatReply> beat(const peer::Beat& beat) override {
      return call([&](auto& member) { return member.beat(beat); });
    }
    Result<std::uint64_t> propose(const std::string& command) override {
      return call([&](auto& member) { return member.propose(command); });
    }
    Result<std::uint64_t> barrier() override {
      return call([&](auto& member) { return member.barrier(); });
    }

   private:
    template <typename Call>
    auto call(const Call& request) -> decltype(request(std::declval<Membership&>())) {
      const MemberNetwork::Call here(network_, from_, to_);
      if (network_.deaf(to_)) return Error{ErrorType::kNodeUnreachable, to_ + " does not hear"};
      if (here.member() == nullptr) return Error{ErrorType::kNodeUnreachable, "cannot reach " + to_};
      return request(*here.member());
    }
    MemberNetwork& network_;
    const std::string from_, to_;
  };

  MemberNetwork& network_;
  const std::string self_;
};

}  // namespace vectorizer::control
