#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// How far other members said that they were, durably: the furthest that was ever heard of each disk. A disk that is
/// found behind was put back to an earlier state. Kept in a file, so that it outlives a restart of all nodes but for
/// its last seconds. Thread-safe.
class PeerMemory {
 public:
  explicit PeerMemory(std::filesystem::path path) : path_(std::move(path)) {}

  /// What was saved; a file that cannot be read is an error, and nothing is remembered.
  Result<void> load();
  void take(const peer::Positions& told);
  /// Zeros for a disk that nothing was heard of.
  peer::Positions of(std::uint64_t raft_id) const;
  /// Writes what has changed; first forgets the disks and copies that are not among those of the metadata.
  Result<void> save(const std::set<std::uint64_t>& raft_ids, const std::set<std::uint64_t>& copies);

 private:
  struct Furthest {
    std::uint64_t term = 0, at = 0;
  };
  struct Disk {
    Furthest raft;
    std::map<std::uint64_t, Furthest> copies;
  };
  std::string encode() const;

  const std::filesystem::path path_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Disk> disks_;  // guarded by mutex_, by raft id
  bool changed_ = false;                 // likewise: since it was saved
};

/// Why a disk that is at `own` was put back to an earlier state, by what a peer remembers of it; nothing if it was not.
/// Terms are stored before they are told: nothing but the disk takes them back.
std::optional<std::string> put_back(const peer::Positions& own, const peer::Positions& remembered);

/// The copies that are behind what a peer remembers of them. Whatever is applied is stored before it is told: their end
/// is gone.
std::vector<std::uint64_t> copies_behind(const peer::Positions& own, const peer::Positions& remembered);

}  // namespace vectorizer::control
