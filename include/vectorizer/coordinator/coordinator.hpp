#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/coordinator/collection_admin.hpp"
#include "vectorizer/coordinator/data_plane.hpp"
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

/// @param max_collections beyond it, create is refused.
std::unique_ptr<CollectionAdmin> make_collection_admin(cluster::MetadataLog& metadata, peer::PeerDirectory& peers,
                                                       std::uint32_t max_collections);

struct ClusterViewOptions {
  NodeId self;
  std::string version;
  bool cluster_enabled = false;
  /// What this process knows not to be ready: recovering shards, draining.
  std::function<std::vector<std::string>()> problems;
};
std::unique_ptr<ClusterView> make_cluster_view(ClusterViewOptions options, const cluster::MetadataLog& metadata,
                                               peer::PeerDirectory& peers);

}  // namespace vectorizer::coordinator
