#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/coordinator/collection_admin.hpp"
#include "vectorizer/coordinator/data_plane.hpp"
#include "vectorizer/coordinator/snapshot_admin.hpp"

namespace vectorizer::rest {

/// What the front end is built from; everything is owned by the daemon and outlives the server.
struct ServerOptions {
  const config::ServerSettings& server;
  const config::LimitSettings& limits;
  coordinator::CollectionAdmin& collections;
  coordinator::DataPlane& data;
  coordinator::ClusterView& cluster;
  coordinator::SnapshotAdmin& snapshots;
  MetricsRegistry& metrics;
  std::function<void()> refresh_metrics;
  std::function<std::uint64_t()> disk_free_bytes;
  std::string version, commit;
};

/// The HTTP/1.1 front end: one io_context per core with its own SO_REUSEPORT acceptor, and a bounded request lane for
/// handlers that may block.
class Server {
 public:
  virtual ~Server() = default;
  /// Stops accepting, lets running requests finish for at most `server.shutdown_timeout_ms`, closes. False if a handler
  /// still runs then: it uses what ServerOptions refers to, so the process must end without taking that down. May be
  /// called again.
  virtual bool stop() = 0;
  virtual std::uint16_t port() const = 0;  ///< the bound one, also when 0 was asked for
};

/// Binds and serves; an error names address and port.
Result<std::unique_ptr<Server>> start_server(ServerOptions options);

}  // namespace vectorizer::rest
