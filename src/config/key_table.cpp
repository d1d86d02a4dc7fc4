#include "key_table.hpp"

#include <algorithm>
#include <array>

namespace vectorizer::config {
namespace {

constexpr double kDay = 86'400'000;  // milliseconds
constexpr double kTerabyte = 1ULL << 40;

/// The path and the place of a setting from its members.
#define SETTING(section, member) #section "." #member, [](Settings & s) -> Target { return &s.section.member; }

constexpr SettingKey number(std::string_view path, Target (*target)(Settings&), std::string_view unit, double min,
                            double max, std::string_view help) {
  return {path, target, unit, min, max, "", TextRule::kAny, help};
}
constexpr SettingKey text(std::string_view path, Target (*target)(Settings&), TextRule rule, std::string_view help) {
  return {path, target, "", 0, 0, "", rule, help};
}
constexpr SettingKey choice(std::string_view path, Target (*target)(Settings&), std::string_view choices,
                            std::string_view help) {
  return {path, target, "", 0, 0, choices, TextRule::kAny, help};
}

const std::array kSettings{
    text(SETTING(server, host), TextRule::kListenHost,
         "Address to listen on: an IP address or localhost; 0.0.0.0 for every interface"),
    number(SETTING(server, port), "", 0, 65535, "Port of the REST API; 0 lets the system choose"),
    number(SETTING(server, io_threads), "threads", 0, 1024, "Threads that serve connections; 0: one per core"),
    number(SETTING(server, request_threads), "threads", 1, 4096,
           "Threads for requests that may block: writes, scrolling, administration"),
    number(SETTING(server, queue_limit), "requests", 1, 1e6,
           "Requests that may wait for such a thread; the next one gets 429"),
    number(SETTING(server, max_connections), "connections", 1, 1e6, "Open connections"),
    number(SETTING(server, max_body_bytes), "bytes", 1024, kTerabyte, "Body of a request"),
    number(SETTING(server, body_memory_bytes), "bytes", 1024, kTerabyte,
           "Bodies of all requests together until they are answered, at least max_body_bytes; beyond it 429"),
    number(SETTING(server, max_reply_bytes), "bytes", 1 << 20, kTerabyte,
           "Points in one reply, and what is gathered for it; beyond it 413, a page of a scroll ends early"),
    number(SETTING(server, max_header_bytes), "bytes", 1024, 1 << 20, "Headers of a request"),
    number(SETTING(server, header_timeout_ms), "ms", 1, kDay,
           "From the first byte of a request to the end of its headers"),
    number(SETTING(server, body_timeout_ms), "ms", 1, kDay, "To receive the body of a request"),
    number(SETTING(server, idle_timeout_ms), "ms", 1, kDay, "A connection without a request"),
    number(SETTING(server, write_timeout_ms), "ms", 1, kDay,
           "A write with everything that is retried inside; also to send a reply"),
    number(SETTING(server, read_timeout_ms), "ms", 1, kDay,
           "A read, and a search that does not say; also the wait for a shard that is taken over"),
    number(SETTING(server, shutdown_timeout_ms), "ms", 1, kDay, "To finish running requests after SIGTERM"),

    number(SETTING(limits, max_batch_vectors), "vectors", 1, 1e6, "Vectors in one write"),
    number(SETTING(limits, max_batch_searches), "searches", 1, 1e5, "Searches in one batch"),
    number(SETTING(limits, max_results), "results", 1, 1e6, "limit, and offset + limit, of a search"),
    number(SETTING(limits, max_ids), "ids", 1, 1e6, "Ids in one request"),
    number(SETTING(limits, max_payload_bytes), "bytes", 2, 1 << 30, "Payload of one vector"),
    number(SETTING(limits, max_json_depth), "levels", 2, 256, "Nesting of JSON in a request"),
    number(SETTING(limits, max_filter_depth), "levels", 1, 64, "Nesting of a filter"),
    number(SETTING(limits, max_filter_conditions), "conditions", 1, 1e6, "Conditions in a filter"),
    number(SETTING(limits, max_collections), "collections", 1, 1e6, "Collections"),

    text(SETTING(storage, data_dir), TextRule::kNotEmpty,
         "Directory of the data, created if missing; relative to where the server is started"),
    choice(SETTING(storage, sync), "always interval",
           "When a write is on disk: before it is acknowledged, or within sync_interval_ms"),
    number(SETTING(storage, sync_interval_ms), "ms", 1, 3'600'000,
           "With sync interval: the last writes that a power cut may take"),
    number(SETTING(storage, block_cache_bytes), "bytes", 1 << 20, kTerabyte, "Memory for data read from disk"),
    number(SETTING(storage, min_free_bytes), "bytes", 0, 1024 * kTerabyte,
           "Free disk space below which writes are refused, or 5 % of the disk where that is less"),

    text(SETTING(snapshots, directory), TextRule::kOptional,
         "Directory of the snapshots, on the file system of the data; empty: snapshots in the data directory"),
    number(SETTING(snapshots, interval_s), "s", 0, 31'536'000,
           "Between two snapshots of the whole cluster that are made by themselves; 0: none is"),
    number(SETTING(snapshots, keep), "snapshots", 1, 1000,
           "Snapshots made by themselves that are kept; the oldest goes when another is complete"),

    number(SETTING(index, threads), "threads", 0, 1024, "Threads that build indexes; 0: one per core"),
    number(SETTING(index, graph_threshold), "vectors", 1, 1e9,
           "Vectors of a shard below which it is searched exactly, without a graph"),
    number(SETTING(index, tail_limit), "vectors", 1, 1e9,
           "Vectors of a shard that may wait for the graph; further writes get 429"),
    number(SETTING(index, compaction_threshold), "share", 0.01, 1, "Share of deleted vectors that starts a compaction"),

    choice(SETTING(log, level), "trace debug info warn error", "Least severe line that is logged"),
    choice(SETTING(log, format), "text json", "Form of a line"),

    number(SETTING(cluster, enabled), "", 0, 0, "Whether this node is part of a cluster"),
    text(SETTING(cluster, node_id), TextRule::kNodeId, "Name of this node, unique in the cluster"),
    choice(SETTING(cluster, discovery), "static dns", "How nodes find each other: from cluster.servers, or by DNS"),
    text(SETTING(cluster, bind_host), TextRule::kOptionalListenHost,
         "Address on which this node listens for other nodes; empty: server.host"),
    text(SETTING(cluster, dns_name), TextRule::kOptionalHost,
         "With discovery dns: the name whose A and AAAA records are the nodes"),
    number(SETTING(cluster, dns_resolve_interval), "s", 1, 86'400, "Between two resolutions of DNS names"),
    number(SETTING(cluster, dns_grpc_port), "", 1, 65535,
           "With discovery dns: port for other nodes, the same on every node"),
    number(SETTING(cluster, expected_nodes), "nodes", 0, 1024,
           "With discovery dns: how many nodes form the cluster; needed, because an answer of DNS may be partial"),
    text(SETTING(cluster, secret), TextRule::kSecret,
         "Secret that all nodes share; without one, whoever reaches the port of a node may speak to it"),
    text(SETTING(cluster, secret_file), TextRule::kOptional, "File that holds the secret"),
    number(SETTING(cluster, insecure), "", 0, 0, "No warning that there is no secret"),
    number(SETTING(cluster, timeout_ms), "ms", 1, 600'000, "A call to another node"),
    number(SETTING(cluster, retry_count), "", 0, 100, "Further attempts of such a call"),
    number(SETTING(cluster, replace_after), "s", 0, 31'536'000,
           "A node that is away for so long: its copies are made again on others; 0: never"),
    number(SETTING(cluster, rebalance_after), "s", 0, 31'536'000,
           "After nodes came or went, before shards are made even by themselves; 0: never"),
    number(SETTING(cluster, max_moves), "copies", 1, 1024,
           "Copies that are made at the same time for moves, in the cluster"),
    number(SETTING(cluster, max_moves_per_node), "copies", 1, 1024,
           "Moves that one node takes part in at the same time"),
    number(SETTING(cluster, recovery_bytes_per_second), "bytes", 1 << 20, kTerabyte,
           "Bytes of checkpoints that this node receives in a second, for moves and for repairs"),
    number(
        SETTING(cluster, scrub_interval), "s", 0, 31'536'000,
        "Between two rounds in which a node reads the shards that it leads and compares all copies of them; 0: none"),
    number(SETTING(cluster, scrub_bytes_per_second), "bytes", 1 << 16, kTerabyte,
           "Bytes that a round reads in a second; as much is read of each other copy"),
};

#undef SETTING

const std::array<ServerKey, 3> kServers{{
    {"id", [](ClusterServer& s) -> Target { return &s.id; }, "", 0, 0, "", TextRule::kNodeId, "Name of a node"},
    {"address", [](ClusterServer& s) -> Target { return &s.address; }, "", 0, 0, "", TextRule::kHost,
     "Its host name or IP address"},
    {"grpc_port", [](ClusterServer& s) -> Target { return &s.grpc_port; }, "", 1, 65535, "", TextRule::kAny,
     "Its port for other nodes"},
}};

}  // namespace

std::span<const SettingKey> setting_keys() {
  return kSettings;
}

std::span<const ServerKey> server_keys() {
  return kServers;
}

std::string environment_name(std::string_view path) {
  std::string name = "VECTORIZER_";
  for (const char c : path) {
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

std::string_view section_of(std::string_view path) {
  return path.substr(0, path.find('.'));
}

bool is_section(std::string_view name) {
  return std::any_of(kSettings.begin(), kSettings.end(), [&](const auto& key) { return section_of(key.path) == name; });
}

}  // namespace vectorizer::config
