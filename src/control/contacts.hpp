#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// When anybody last heard of each node, as far as this node knows: what the leader of the metadata tells in its answer
/// to every beat, and whom this node has spoken to itself. Thread-safe.
class Contacts {
 public:
  struct Contact {
    BootTime at{0};
    std::optional<std::uint64_t> servers_hash;  ///< nothing before the leader has told
  };

  /// It answered, or asked, just now.
  void met(const NodeId& node, BootTime now);
  /// The leader's answer to a beat that arrived at `now`.
  void learn(const peer::BeatReply& reply, BootTime now);

  std::map<NodeId, Contact> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<NodeId, Contact> contacts_;  // guarded by mutex_
};

}  // namespace vectorizer::control
