#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "json_reading.hpp"
#include "metadata_json.hpp"
#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

// By position in MetadataCommand.
constexpr std::array<std::string_view, std::variant_size_v<MetadataCommand>> kNames{
    "upsert_node",     "create_collection", "alter_collection", "drop_collection", "open_copy",      "init_cluster",
    "set_node_status", "remove_node",       "formed",           "promote",         "shrink_isr",     "grow_isr",
    "allocate_copy",   "drop_copy",         "bump_isr",         "allocate_stale",  "allocate_empty", "start_moves",
    "cancel_move",     "end_move",          "raise_protocol"};

std::string text_at(const json& object, const char* key) {
  return object.at(key).get<std::string>();
}
std::uint64_t number_at(const json& object, const char* key) {
  return integer_of<std::uint64_t>(object.at(key));
}

template <typename Command>
concept OnNode = std::same_as<decltype(Command::node), NodeId>;
template <typename Command>
concept OnShard = std::same_as<decltype(Command::shard), ShardId>;
template <typename Command>
concept OnCopy = std::same_as<decltype(Command::copy), std::uint64_t>;

json members(const UpsertNode& command) {
  return {{"node", to_json(command.node)}, {"replaces", command.replaces}};
}
json members(const CreateCollection& command) {
  return {{"config", collection_config_to_json(command.config)}, {"created_at_ms", command.created_at_ms}};
}
json members(const AlterCollection& command) {
  return {{"expected", collection_config_to_json(command.expected)},
          {"wanted", collection_config_to_json(command.wanted)}};
}
json members(const DropCollection& command) {
  return {{"name", command.name}};
}
json members(const InitCluster& command) {
  return {{"cluster_id", command.cluster_id}, {"expected_nodes", command.expected_nodes}};
}
json members(const SetNodeStatus& command) {
  return {{"node", command.node.value()},
          {"raft_id", command.raft_id},
          {"from", node_status_name(command.from)},
          {"to", node_status_name(command.to)}};
}
json members(const RemoveNode& command) {
  return {{"node", command.node.value()}, {"raft_id", command.raft_id}, {"force", command.force}};
}
json members(const Formed&) {
  return json::object();
}
json members(const RaiseProtocol& command) {
  return {{"to", command.to}};
}
json members(const StartMoves& command) {
  json moves = json::array();
  for (const auto& move : command.moves) moves.push_back(to_json(move));
  return {{"moves", std::move(moves)}, {"cause", move_cause_name(command.cause)}, {"at_ms", command.at_ms}};
}
json members(const CancelMove& command) {
  return {{"id", command.id}};
}
json members(const EndMove& command) {
  return {{"id", command.id},
          {"outcome", move_state_name(command.outcome)},
          {"note", command.note},
          {"at_ms", command.at_ms}};
}
template <OnShard Command>
json members(const Command& command) {
  json object{{"shard", command.shard.value()}, {"term", command.term}, {"isr_version", command.isr_version}};
  if constexpr (OnNode<Command>) object["node"] = command.node.value();
  if constexpr (OnCopy<Command>) object["copy"] = command.copy;
  if constexpr (std::same_as<Command, Promote>) object["new_primary"] = command.new_primary.value();
  return object;
}

Result<void> read(const json& object, UpsertNode& command) {
  command.node = node_from_json(object.at("node"));
  command.replaces = number_at(object, "replaces");
  return {};
}
Result<void> read(const json& object, CreateCollection& command) {
  ASSIGN_OR_RETURN(command.config, parse_collection_config(object.at("config")));
  command.created_at_ms = integer_of<std::int64_t>(object.at("created_at_ms"));
  return {};
}
Result<void> read(const json& object, AlterCollection& command) {
  ASSIGN_OR_RETURN(command.expected, parse_collection_config(object.at("expected")));
  ASSIGN_OR_RETURN(command.wanted, parse_collection_config(object.at("wanted")));
  return {};
}
Result<void> read(const json& object, DropCollection& command) {
  command.name = text_at(object, "name");
  return {};
}
Result<void> read(const json& object, InitCluster& command) {
  command.cluster_id = text_at(object, "cluster_id");
  command.expected_nodes = integer_of<std::uint32_t>(object.at("expected_nodes"));
  return {};
}
Result<void> read(const json& object, SetNodeStatus& command) {
  command.node = NodeId(text_at(object, "node"));
  command.raft_id = number_at(object, "raft_id");
  command.from = choice_of(object.at("from"), node_status_from_name);
  command.to = choice_of(object.at("to"), node_status_from_name);
  return {};
}
Result<void> read(const json& object, RemoveNode& command) {
  command.node = NodeId(text_at(object, "node"));
  command.raft_id = number_at(object, "raft_id");
  command.force = object.at("force").get<bool>();
  return {};
}
Result<void> read(const json&, Formed&) {
  return {};
}
Result<void> read(const json& object, RaiseProtocol& command) {
  command.to = integer_of<std::uint32_t>(object.at("to"));
  return check_protocol(command.to);
}
Result<void> read(const json& object, StartMoves& command) {
  for (const auto& item : array_at(object, "moves")) command.moves.push_back(move_from_json(item));
  command.cause = choice_of(object.at("cause"), move_cause_from_name);
  command.at_ms = integer_of<std::int64_t>(object.at("at_ms"));
  return {};
}
Result<void> read(const json& object, CancelMove& command) {
  command.id = number_at(object, "id");
  return {};
}
Result<void> read(const json& object, EndMove& command) {
  command.id = number_at(object, "id");
  command.outcome = choice_of(object.at("outcome"), move_state_from_name);
  command.note = text_at(object, "note");
  command.at_ms = integer_of<std::int64_t>(object.at("at_ms"));
  return {};
}
template <OnShard Command>
Result<void> read(const json& object, Command& command) {
  command.shard = ShardId(number_at(object, "shard"));
  command.term = number_at(object, "term");
  command.isr_version = number_at(object, "isr_version");
  if constexpr (OnNode<Command>) command.node = NodeId(text_at(object, "node"));
  if constexpr (OnCopy<Command>) command.copy = number_at(object, "copy");
  if constexpr (std::same_as<Command, Promote>) command.new_primary = NodeId(text_at(object, "new_primary"));
  return {};
}

template <std::size_t kIndex>
Result<MetadataCommand> read_kind(const json& object) {
  std::variant_alternative_t<kIndex, MetadataCommand> command;
  RETURN_IF_ERROR(read(object, command));
  return MetadataCommand(std::move(command));
}

template <std::size_t... kIndex>
Result<MetadataCommand> read_named(std::string_view kind, const json& object, std::index_sequence<kIndex...>) {
  Result<MetadataCommand> found =
      Error{ErrorType::kInternal, fmt::format("metadata command '{}' is not known to this build", kind)};
  static_cast<void>(((kNames[kIndex] == kind && (found = read_kind<kIndex>(object), true)) || ...));
  return found;
}

Result<MetadataCommand> command_from_json(const json& object) {
  if (const auto version = integer_of<int>(object.at("version")); version != kVersion) {
    return Error{ErrorType::kInternal,
                 fmt::format("metadata command has version {}, this build knows {}", version, kVersion)};
  }
  return read_named(object.at("kind").get_ref<const std::string&>(), object,
                    std::make_index_sequence<std::variant_size_v<MetadataCommand>>{});
}

}  // namespace

std::string_view command_name(const MetadataCommand& command) {
  return kNames.at(command.index());
}

std::string encode_command(const MetadataCommand& command) {
  json object = std::visit([](const auto& concrete) { return members(concrete); }, command);
  object["version"] = kVersion;
  object["kind"] = command_name(command);
  return object.dump();
}

Result<MetadataCommand> decode_command(std::string_view bytes) {
  return reading("metadata command", [&] { return command_from_json(json::parse(bytes)); });
}

}  // namespace vectorizer::cluster
