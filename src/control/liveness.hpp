#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// What the leader of the metadata has heard from whom, in its own time as leader. A node is dead when no lease of it
/// can still be valid: kLease after the last one granted to it, or after this leader's election if that is later,
/// because its predecessor may have granted one until then. Thread-safe.
class Liveness {
 public:
  explicit Liveness(BootClock clock = boot_now) : clock_(std::move(clock)) {}

  /// This node became leader: earlier knowledge is void.
  void elected();
  /// A beat whose answer grants a lease.
  void granted(const peer::Beat& beat);

  /// Whether a majority of `members` said, in beats that still count, that they cannot reach `node`. It is given no
  /// lease then: whoever takes its shards over must not begin before the last one has ended.
  bool unreachable(const NodeId& node, std::size_t members) const;

  bool dead(const NodeId& node) const;
  /// Since its last lease, or since the election.
  BootTime silence(const NodeId& node) const;
  /// The last beat in this time as leader.
  std::optional<peer::Beat> last(const NodeId& node) const;
  BootTime leading_for() const;

 private:
  struct Heard {
    peer::Beat beat;
    BootTime at{0};
  };
  BootTime since(const NodeId& node) const;  // needs mutex_

  const BootClock clock_;
  mutable std::mutex mutex_;
  BootTime elected_{0};            // guarded by mutex_
  std::map<NodeId, Heard> heard_;  // likewise
};

}  // namespace vectorizer::control
