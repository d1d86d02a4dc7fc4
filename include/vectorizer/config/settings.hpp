#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vectorizer::config {

/// The REST front end and its limits. Durations carry their unit; 0 never means "unlimited".
struct ServerSettings {
  std::string host = "127.0.0.1";
  std::uint16_t port = 15002;
  std::uint32_t io_threads = 0;        ///< 0: one per core
  std::uint32_t request_threads = 32;  ///< handlers that may block (writes, scroll, administration)
  std::uint32_t queue_limit = 1024;    ///< requests waiting for one of those; beyond it 429
  std::uint32_t max_connections = 4096;
  std::uint64_t max_body_bytes = 64ULL << 20;
  std::uint64_t body_memory_bytes = 1ULL << 30;  ///< of all requests together, or max_body_bytes if that is more
  std::uint64_t max_reply_bytes = 256ULL << 20;
  std::uint32_t max_header_bytes = 16 << 10;
  std::uint32_t header_timeout_ms = 10000;  ///< from the first byte of a request to the end of its headers
  std::uint32_t body_timeout_ms = 60000;
  std::uint32_t idle_timeout_ms = 120000;     ///< keep-alive without a request
  std::uint32_t write_timeout_ms = 30000;     ///< one write, whatever is retried inside; also sending a reply
  std::uint32_t read_timeout_ms = 10000;      ///< a read, and a search that does not say
  std::uint32_t shutdown_timeout_ms = 20000;  ///< draining after SIGTERM
};

struct LimitSettings {
  std::uint32_t max_batch_vectors = 10000;
  std::uint32_t max_batch_searches = 256;
  std::uint32_t max_results = 10000;  ///< limit and offset + limit
  std::uint32_t max_ids = 10000;
  std::uint64_t max_payload_bytes = 1ULL << 20;
  std::uint32_t max_json_depth = 32;
  std::uint32_t max_filter_depth = 16;
  std::uint32_t max_filter_conditions = 1024;
  std::uint32_t max_collections = 10000;
};

struct StorageSettings {
  std::string data_dir = "./data";
  std::string sync = "always";            ///< always | interval
  std::uint32_t sync_interval_ms = 1000;  ///< with interval: the writes that a power cut may take
  std::uint64_t block_cache_bytes = 64ULL << 20;
  std::uint64_t min_free_bytes = 512ULL << 20;
};

/// Snapshots of the data directory. The schedule is that of the whole cluster: its leader orders them.
struct SnapshotSettings {
  std::string directory;         ///< on the file system of data_dir; empty: <data_dir>/snapshots
  std::uint32_t interval_s = 0;  ///< between two that are made by schedule; 0: none is
  std::uint32_t keep = 7;        ///< of those that the schedule made
};

struct IndexSettings {
  std::uint32_t threads = 0;             ///< background indexing; 0: one per core
  std::uint32_t graph_threshold = 2000;  ///< vectors of a shard below which there is no graph
  std::uint32_t tail_limit = 200000;     ///< vectors waiting for the graph beyond which writes get 429
  double compaction_threshold = 0.2;     ///< share of tombstones that starts a compaction
};

struct LogSettings {
  std::string level = "info";   ///< trace | debug | info | warn | error
  std::string format = "text";  ///< text | json
};

struct ClusterServer {
  std::string id;
  std::string address;
  std::uint16_t grpc_port = 15003;
};

/// The cluster section of the deployment guide. A single node uses only node_id.
struct ClusterSettings {
  bool enabled = false;
  std::string node_id = "node-1";
  std::string discovery = "static";         ///< static | dns
  std::string bind_host;                    ///< for inter-node gRPC; empty: server.host
  std::string dns_name;                     ///< with dns: its A and AAAA records are the nodes
  std::uint32_t dns_resolve_interval = 30;  ///< seconds
  std::uint16_t dns_grpc_port = 15003;      ///< of every node found by DNS, this one included
  std::uint32_t expected_nodes = 0;         ///< with dns: how many form the cluster, because an answer may be partial
  std::string secret;                       ///< shared by all nodes; empty: who reaches the port may speak
  std::string secret_file;                  ///< a file that holds it
  bool insecure = false;                    ///< no warning about a missing secret
  std::uint32_t timeout_ms = 5000;
  std::uint32_t retry_count = 3;
  std::uint32_t replace_after = 600;   ///< seconds; 0: never
  std::uint32_t rebalance_after = 60;  ///< seconds; 0: never by itself
  std::uint32_t max_moves = 4;         ///< copies that are made at the same time for moves
  std::uint32_t max_moves_per_node = 2;
  std::uint64_t recovery_bytes_per_second = 128ULL << 20;
  std::uint32_t scrub_interval = 86'400;  ///< seconds; 0: copies are not compared
  std::uint64_t scrub_bytes_per_second = 8ULL << 20;
  std::vector<ClusterServer> servers;
};

struct Settings {
  ServerSettings server;
  LimitSettings limits;
  StorageSettings storage;
  SnapshotSettings snapshots;
  IndexSettings index;
  LogSettings log;
  ClusterSettings cluster;
};

}  // namespace vectorizer::config
