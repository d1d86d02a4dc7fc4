#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// Where the processes of the cluster are reached now. What a process itself said last counts; the metadata fills in
/// those that have not been met, because an address may change while nobody can change the metadata. Thread-safe.
class AddressBook {
 public:
  /// Called, outside of the lock, whenever a node is found at a new endpoint, or as another process (its disk was
  /// wiped).
  using OnChange = std::function<void(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint)>;
  explicit AddressBook(OnChange on_change) : on_change_(std::move(on_change)) {}

  /// It answered at `endpoint`.
  void met(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint);
  void update(const cluster::ClusterMetadata& metadata);

  std::optional<std::string> endpoint_of(std::uint64_t raft_id) const;

 private:
  void put(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint);

  const OnChange on_change_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::string> endpoints_;    // guarded by mutex_
  std::map<NodeId, std::uint64_t> processes_;         // likewise: the raft id that a node has now
  std::map<std::uint64_t, std::string> in_metadata_;  // likewise: a record that did not change says nothing new
};

}  // namespace vectorizer::control
