#include "json/admin_json.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::rest {
namespace {

using nlohmann::json;

json ids_json(const std::vector<NodeId>& ids) {
  auto out = json::array();
  for (const auto& id : ids) out.push_back(id.value());
  return out;
}

json id_or_null(const NodeId& id) {
  return id.value().empty() ? json(nullptr) : json(id.value());
}

/// Every node that holds a copy; the primary holds one whether or not the list of replicas repeats it.
std::set<NodeId> copies_of(const coordinator::ShardView& shard) {
  std::set<NodeId> copies(shard.replicas.begin(), shard.replicas.end());
  if (!shard.primary.value().empty()) copies.insert(shard.primary);
  return copies;
}

json migration_json(const coordinator::Migration& migration) {
  json out = {{"shard_id", migration.shard.value()},
              {"from_node", migration.from.value()},
              {"to_node", id_or_null(migration.to)},
              {"kind", migration.lead ? "primary" : "copy"},
              {"cause", migration.cause},
              {"state", migration.state}};
  if (migration.id) out["id"] = *migration.id;
  return out;
}

/// The object in a body, of which every member is in `known`.
Result<json> parse_admin_object(std::string_view body, std::initializer_list<std::string_view> known,
                                const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(auto parsed, parse_json(body, limits.max_json_depth));
  if (!parsed.is_object()) return invalid_field("body", "must be a JSON object");
  for (const auto& member : parsed.items()) {
    if (std::find(known.begin(), known.end(), member.key()) == known.end()) {
      return invalid_field(member.key().empty() ? "\"\"" : member.key(), "is not a known field");
    }
  }
  return parsed;
}

Result<bool> flag_member(const json& object, const char* name, bool fallback) {
  const auto found = object.find(name);
  if (found == object.end()) return fallback;
  if (!found->is_boolean()) return invalid_field(name, "must be true or false");
  return found->get<bool>();
}

Result<std::string> text_member(const json& object, const char* name, std::size_t max_bytes) {
  const auto found = object.find(name);
  if (found == object.end()) return invalid_field(name, "is required");
  if (!found->is_string()) return invalid_field(name, "must be a string");
  auto text = found->get<std::string>();
  if (text.empty() || text.size() > max_bytes) {
    return invalid_field(name, fmt::format("must have 1 to {} bytes", max_bytes));
  }
  return text;
}

}  // namespace

json collection_json(const coordinator::CollectionInfo& info) {
  json out = collection_config_to_json(info.config);
  out["created_at"] = rfc3339_from_ms(info.created_at_ms);
  out["status"] = info.status;
  out["vector_count"] = info.vector_count;
  out["indexed_vector_count"] = info.indexed_vector_count;
  out["shards"] = {
      {"total", info.shards_total}, {"active", info.shards_active}, {"under_replicated", info.shards_under_replicated}};
  return out;
}

json node_json(const coordinator::NodeView& node, bool detailed) {
  json out = {{"id", node.id.value()},
              {"address", node.address},
              {"grpc_port", node.grpc_port},
              {"status", node.status},
              {"role", node.role},
              {"shard_count", node.shard_count},
              {"vector_count", node.vector_count},
              {"rest_port", node.rest_port},
              {"last_seen", node.last_seen_ms ? json(rfc3339_from_ms(*node.last_seen_ms)) : json(nullptr)},
              {"version", node.version}};
  if (!node.problem.empty()) out["problem"] = node.problem;
  if (node.servers_hash) out["servers_hash"] = fmt::format("{:016x}", *node.servers_hash);
  if (detailed) {
    auto shards = json::array();
    for (const auto& shard : node.shards) shards.push_back(shard.value());
    out["shards"] = std::move(shards);
    out["uptime_seconds"] = node.uptime_seconds ? json(*node.uptime_seconds) : json(nullptr);
  }
  return out;
}

json planned_json(const std::vector<coordinator::Migration>& migrations) {
  auto out = json::array();
  for (const auto& migration : migrations) out.push_back(migration_json(migration));
  return out;
}

json progress_json(const std::vector<coordinator::Migration>& migrations) {
  auto out = json::array();
  for (const auto& migration : migrations) {
    auto row = migration_json(migration);
    const auto or_null = [](const auto& value, bool known) { return known ? json(value) : json(nullptr); };
    row["collection"] = or_null(migration.collection, !migration.collection.empty());
    row["vectors_done"] = migration.vectors_done;
    row["vectors_total"] = migration.vectors_total;
    row["bytes_done"] = migration.bytes_done;
    row["bytes_total"] = migration.bytes_total;
    const bool sized = migration.bytes_total > 0;
    const auto share =
        sized ? static_cast<double>(migration.bytes_done) / static_cast<double>(migration.bytes_total) : 0;
    row["progress"] = migration.state == "done" ? 1 : share;
    row["eta_seconds"] = migration.eta_seconds ? json(*migration.eta_seconds) : json(nullptr);
    row["started_at"] = or_null(rfc3339_from_ms(migration.started_ms), migration.started_ms != 0);
    row["ended_at"] = or_null(rfc3339_from_ms(migration.ended_ms), migration.ended_ms != 0);
    if (!migration.note.empty()) row["note"] = migration.note;
    out.push_back(std::move(row));
  }
  return out;
}

json lost_json(const std::vector<coordinator::LostShard>& lost) {
  auto out = json::array();
  for (const auto& shard : lost) {
    out.push_back({{"shard_id", shard.shard.value()},
                   {"collection", shard.collection},
                   {"older_copies", ids_json(shard.older_copies)}});
  }
  return out;
}

json distribution_json(const std::vector<coordinator::NodeView>& nodes,
                       const std::vector<coordinator::ShardView>& shards) {
  json primaries = json::object();
  json copies = json::object();
  for (const auto& node : nodes) {
    primaries[node.id.value()] = json::array();
    copies[node.id.value()] = 0;
  }
  auto rows = json::array();
  for (const auto& shard : shards) {
    if (!shard.primary.value().empty()) primaries[shard.primary.value()].push_back(shard.id.value());
    for (const auto& node : copies_of(shard)) {
      auto& count = copies[node.value()];
      count = count.is_number() ? count.get<std::uint64_t>() + 1 : 1;
    }
    rows.push_back({{"shard_id", shard.id.value()},
                    {"collection", shard.collection},
                    {"primary", id_or_null(shard.primary)},
                    {"replicas", ids_json(shard.replicas)},
                    {"in_sync", ids_json(shard.in_sync)},
                    {"term", shard.term},
                    {"vector_count", shard.vectors}});
  }
  json per_node = json::object();
  for (const auto& [node, ids] : primaries.items()) per_node[node] = ids.size();
  return {
      {"distribution", std::move(primaries)},   {"total_shards", shards.size()},          {"nodes", nodes.size()},
      {"shards_per_node", std::move(per_node)}, {"replicas_per_node", std::move(copies)}, {"shards", std::move(rows)}};
}

namespace {

std::uint64_t size_of(const ShardStats& copy) {
  return copy.code_bytes + copy.graph_bytes + copy.vector_bytes + copy.payload_bytes;
}

json copy_json(const coordinator::CopyView& copy, std::uint64_t term) {
  json out = {{"node", copy.node.value()},
              {"role", copy.primary ? "primary" : "replica"},
              {"state", copy.role},
              {"in_sync", copy.role == "in_sync"},
              {"term", term}};
  const auto or_null = [&](std::uint64_t number) { return copy.answered ? json(number) : json(nullptr); };
  out["sequence"] = or_null(copy.sequence);
  out["vector_count"] = or_null(copy.vectors);
  out["size_bytes"] = or_null(size_of(copy));
  if (!copy.digest.empty()) {
    out["digest"] = copy.digest;
    out["digest_sequence"] = copy.digest_sequence;
  } else if (!copy.digest_problem.empty()) {
    out["digest"] = nullptr;
    out["digest_problem"] = copy.digest_problem;
  }
  return out;
}

}  // namespace

json shard_json(const coordinator::ShardDetail& shard) {
  auto copies = json::array();
  for (const auto& copy : shard.copies) copies.push_back(copy_json(copy, shard.term));
  json out = {{"shard_id", shard.id.value()}, {"collection", shard.collection}, {"primary", id_or_null(shard.primary)},
              {"term", shard.term},           {"sequence", shard.sequence},     {"vector_count", shard.vectors},
              {"size_bytes", size_of(shard)}, {"copies", std::move(copies)}};
  if (shard.copies_equal) out["copies_equal"] = *shard.copies_equal;
  return out;
}

json sync_json(const std::vector<coordinator::NodeSync>& nodes) {
  json out = json::object();
  bool in_sync = !nodes.empty();
  for (const auto& node : nodes) {
    if (!node.version) {
      out[node.node.value()] = {{"version", nullptr}, {"digest", nullptr}, {"error", node.problem}};
      in_sync = false;
      continue;
    }
    out[node.node.value()] = {{"version", *node.version}, {"digest", node.digest}};
    in_sync = in_sync && node.version == nodes.front().version && node.digest == nodes.front().digest;
  }
  return {{"status", "success"}, {"nodes", std::move(out)}, {"in_sync", in_sync}};
}

json status_json(const coordinator::ClusterStatus& status) {
  auto quarantined = json::array();
  for (const auto& copy : status.quarantined) {
    quarantined.push_back({{"shard_id", copy.shard.value()}, {"node", copy.node.value()}, {"reason", copy.reason}});
  }
  return {{"status", status.light},
          {"total_shards", status.shards.total},
          {"under_replicated_shards", status.shards.under_replicated},
          {"unassigned_shards", status.shards.without_primary},
          {"nodes", status.nodes},
          {"active_nodes", status.active_nodes},
          {"leader", id_or_null(status.leader)},
          {"term", status.term},
          {"formed", status.formed},
          {"metadata_version", status.epoch},
          {"quarantined", std::move(quarantined)},
          {"other_servers", ids_json(status.other_lists)},
          {"notes", status.notes}};
}

std::string rfc3339_from_ms(std::int64_t milliseconds) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(milliseconds)};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto parts = fmt::gmtime(std::chrono::system_clock::to_time_t(seconds));
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, (time - seconds).count());
}

Result<RebalanceBody> parse_rebalance(std::string_view body, const config::LimitSettings& limits) {
  RebalanceBody out;
  if (body.empty()) return out;
  ASSIGN_OR_RETURN(const json object, parse_admin_object(body, {"force", "dry_run"}, limits));
  ASSIGN_OR_RETURN(out.force, flag_member(object, "force", false));
  ASSIGN_OR_RETURN(out.dry_run, flag_member(object, "dry_run", false));
  return out;
}

Result<void> check_no_members(std::string_view body, const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(const json object, parse_admin_object(body, {}, limits));
  (void)object;
  return {};
}

Result<coordinator::NodeView> parse_new_node(std::string_view body, const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(const json object, parse_admin_object(body, {"id", "address", "grpc_port"}, limits));
  coordinator::NodeView node;
  ASSIGN_OR_RETURN(auto id, text_member(object, "id", 255));
  if (!valid_collection_name(id)) {  // the same alphabet: ids stand in paths and file names too
    return invalid_field("id", "must be 1 to 255 of [A-Za-z0-9_.-], not starting with '.'");
  }
  node.id = NodeId(std::move(id));
  ASSIGN_OR_RETURN(node.address, text_member(object, "address", 253));
  const auto port = object.find("grpc_port");
  if (port == object.end()) return invalid_field("grpc_port", "is required");
  if (!port->is_number_unsigned() || port->get<std::uint64_t>() < 1 || port->get<std::uint64_t>() > 65535) {
    return invalid_field("grpc_port", "must be a whole number from 1 to 65535");
  }
  node.grpc_port = port->get<std::uint16_t>();
  return node;
}

Result<AllocateBody> parse_allocate(std::string_view body, const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(const json object, parse_admin_object(body, {"node", "mode", "accept_data_loss"}, limits));
  AllocateBody out;
  ASSIGN_OR_RETURN(auto node, text_member(object, "node", 255));
  out.node = NodeId(std::move(node));
  ASSIGN_OR_RETURN(out.mode, text_member(object, "mode", 16));
  if (out.mode != "stale" && out.mode != "empty") return invalid_field("mode", "must be stale or empty");
  ASSIGN_OR_RETURN(const bool accepted, flag_member(object, "accept_data_loss", false));
  if (!accepted) return invalid_field("accept_data_loss", "must be true: writes that no live copy holds are lost");
  return out;
}

Result<std::uint64_t> number_from_path(std::string_view text, std::string_view field) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid_field(field, "must be an unsigned 64-bit integer");
  }
  return number;
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace vectorizer::rest
