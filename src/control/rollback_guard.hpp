#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

#include "member_state.hpp"
#include "peer_memory.hpp"

namespace vectorizer::control {

/// A disk that was put back to an earlier state has forgotten votes and writes that others count on: it must not take
/// part. The others remember the starts of this node, and how far it told them to be; this node remembers the same of
/// them. Both sides are here. Thread-safe.
class RollbackGuard {
 public:
  /// Positions are told when they are this old: then they are on the disk for certain.
  static constexpr std::chrono::milliseconds kTellAfter{500};

  using Copies = std::function<std::vector<peer::CopyStatus>()>;
  using Lose = std::function<void(std::vector<std::uint64_t>)>;
  /// @param lose a copy whose end is gone, though the disk as a whole is where it was: its part of the disk was damaged
  RollbackGuard(MemberState& state, std::filesystem::path memory, Copies copies, Lose lose)
      : state_(state), memory_(std::move(memory)), copies_(std::move(copies)), lose_(std::move(lose)) {}

  void load();
  void save();

  /// At the start, before this node votes or serves: asks those that can be reached. kConflict with what to do if the
  /// disk, which is at `own`, was put back.
  Result<void> check(peer::Positions own, const std::vector<ListedServer>& servers);
  /// Tells another member how far this disk is; before the first time it is asked, because it may not have been there
  /// at the start. Errors are those of the call, and kConflict.
  Result<void> tell(const NodeId& node, peer::MembershipPeer& peer);
  /// The other side of it.
  peer::Remembered answer(const peer::Positions& told);

 private:
  Result<void> compare(const peer::Remembered& remembered) const;
  peer::Positions old_enough();

  MemberState& state_;
  PeerMemory memory_;
  const Copies copies_;
  const Lose lose_;
  peer::Positions at_start_;  // constant once others are told
  std::mutex mutex_;
  peer::Positions told_, seen_;     // guarded by mutex_: told_ is what seen_ was kTellAfter ago
  BootTime seen_at_{0};             // likewise
  std::set<NodeId> compared_with_;  // likewise
};

}  // namespace vectorizer::control
