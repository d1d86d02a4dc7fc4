#pragma once

#include <vector>

#include "http.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/coordinator/collection_admin.hpp"
#include "vectorizer/coordinator/data_plane.hpp"
#include "vectorizer/coordinator/snapshot_admin.hpp"

namespace vectorizer::rest {

/// What handlers may use; owned by the daemon, alive as long as the server.
struct Services {
  coordinator::CollectionAdmin& collections;
  coordinator::DataPlane& data;
  coordinator::ClusterView& cluster;
  coordinator::SnapshotAdmin& snapshots;
  MetricsRegistry& metrics;
  const config::LimitSettings& limits;
  const config::ServerSettings& server;
  std::function<void()> refresh_metrics;  ///< called before the metrics are exposed
  std::function<std::uint64_t()> disk_free_bytes;
  std::string version, commit;
};

// One function per topic, one file each (src/rest/handlers/): the rows that the topic adds to the router.
std::vector<Route> service_routes(const Services& services);     // /, /health*, /metrics, /stats, /openapi.json
std::vector<Route> collection_routes(const Services& services);  // /collections, /collections/{name}
std::vector<Route> vector_routes(const Services& services);      // /collections/{name}/vectors…
std::vector<Route> search_routes(const Services& services);      // /collections/{name}/search…
std::vector<Route> cluster_routes(const Services& services);     // /api/v1/cluster/…
std::vector<Route> snapshot_routes(const Services& services);    // /api/v1/snapshots…

}  // namespace vectorizer::rest
