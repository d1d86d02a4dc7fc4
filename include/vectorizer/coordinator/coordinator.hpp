#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/coordinator/collection_admin.hpp"
#include "vectorizer/coordinator/data_plane.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::coordinator {

/// Collaborators are owned by the daemon and outlive what is made here.
struct DataPlaneOptions {
  NodeId self;
  std::chrono::milliseconds write_timeout{30000};  ///< with everything that is tried again inside
  std::chrono::milliseconds hedge_after{50};       ///< before a shard is asked of a second copy as well
  std::size_t fanout_threads = 32;                 ///< calls to other nodes at the same time; none on a single node
};
std::unique_ptr<DataPlane> make_data_plane(DataPlaneOptions options, cluster::MetadataLog& metadata,
                                           peer::PeerDirectory& peers, MetricsRegistry& registry);

struct CollectionAdminOptions {
  NodeId self;
  std::uint32_t max_collections = 1000;  ///< beyond it, create is refused
  std::size_t call_threads = 8;          ///< calls to other nodes at the same time; none on a single node
};
std::unique_ptr<CollectionAdmin> make_collection_admin(CollectionAdminOptions options, cluster::MetadataLog& metadata,
                                                       peer::PeerDirectory& peers);

/// What a node of a cluster knows of the others beside the metadata.
struct MemberPorts {
  struct Contact {
    std::int64_t seen_ms = 0;                   ///< since the epoch
    std::optional<std::uint64_t> servers_hash;  ///< of its configured list
  };
  struct Missing {
    std::string name;
    std::string endpoint;  ///< host:port
  };
  std::function<std::map<NodeId, Contact>()> contacts;
  /// Configured servers that have not joined.
  std::function<std::vector<Missing>()> missing;
  /// Asks a node now; may block for as long as a call may.
  std::function<Result<peer::Hello>(const NodeId&)> ask;
  /// Asks whoever is at that address; may block for as long as a call may.
  std::function<Result<peer::Hello>(const std::string& address, std::uint16_t port)> greet;
  std::function<std::string()> cluster_id;
  std::function<std::uint64_t()> term;
  std::function<std::uint64_t()> servers_hash;
};

struct ClusterViewOptions {
  NodeId self;
  std::string version;
  /// What this process knows not to be ready: recovering shards, draining.
  std::function<std::vector<std::string>()> problems;
  /// What is unsafe in how this node is set up, and what it fails at without harm.
  std::function<std::vector<std::string>()> warnings;
  std::optional<MemberPorts> members;  ///< nothing on a single node
  std::size_t call_threads = 8;        ///< calls to other nodes at the same time; none on a single node
};
std::unique_ptr<ClusterView> make_cluster_view(ClusterViewOptions options, cluster::MetadataLog& metadata,
                                               peer::PeerDirectory& peers);

}  // namespace vectorizer::coordinator
