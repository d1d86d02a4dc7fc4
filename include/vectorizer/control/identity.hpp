#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// Who this data directory is. It is made with the directory and dies with it: a node whose disk was wiped is another
/// one, with another raft id, and can never vote as its old self.
struct Identity {
  std::string uuid;           ///< 32 hex digits
  std::uint64_t raft_id = 0;  ///< 63 random bits, never 0
  NodeId node;                ///< the node_id that it last ran as
  std::string cluster_id;     ///< empty until claimed or joining
  peer::IdentityState state = peer::IdentityState::kVirgin;
  std::string claimed_by;  ///< with kClaimed: uuid of the node that forms the cluster
  std::string claimed_by_endpoint;
  std::uint64_t boot_epoch = 0;  ///< +1 on each start
  std::uint64_t boot_nonce = 0;  ///< random, of this start
  /// Of the starts before, the newest first, at most kKeptNonces: others may remember any of them, because a start may
  /// have ended before anybody heard of it.
  std::vector<std::uint64_t> earlier_nonces;
  static constexpr std::size_t kKeptNonces = 64;
  /// Whether this disk knows of a start. A nonce that others remember and it does not know is of a start after its
  /// contents: the disk was put back to an earlier state.
  bool knows(std::uint64_t nonce) const;
  friend bool operator==(const Identity&, const Identity&) = default;
};

/// The file `identity` of a data directory (docs/formats/identity.md): replaced as a whole, synced before `update`
/// returns. The directory is locked by whoever opened the database. Thread-safe.
class IdentityFile {
 public:
  /// Reads the file, or makes a new identity where there is none, and records this start in it.
  /// @param raft_store_exists whether the directory holds a Raft log. One without the other is an error that says how
  /// to
  ///        wipe the node and let it join again; so is a damaged file.
  static Result<std::unique_ptr<IdentityFile>> open(const std::filesystem::path& data_dir, const NodeId& node,
                                                    bool raft_store_exists);

  Identity current() const;
  /// Changes the identity on disk, then here. After an error nothing has changed.
  Result<void> update(const std::function<void(Identity&)>& change);
  const std::filesystem::path& path() const { return path_; }

 private:
  IdentityFile(std::filesystem::path path, Identity identity)
      : path_(std::move(path)), identity_(std::move(identity)) {}

  const std::filesystem::path path_;
  mutable std::mutex mutex_;
  Identity identity_;  // guarded by mutex_
};

/// What the file says; nothing when there is none.
Result<std::optional<Identity>> read_identity(const std::filesystem::path& data_dir);
/// A data directory that was restored: its disk keeps its uuid, under which its copies are known, and is a newcomer
/// otherwise, with another raft id. Whoever remembers it remembers somebody else.
Result<void> renew_identity(const std::filesystem::path& data_dir, const Identity& before);

std::string_view identity_state_name(peer::IdentityState state);

}  // namespace vectorizer::control
