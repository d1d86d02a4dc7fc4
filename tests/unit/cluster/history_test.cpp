#include "history.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace vectorizer::cluster {
namespace {

const std::filesystem::path kHistories = std::filesystem::path(VECTORIZER_SOURCE_DIR) / "tests/unit/cluster/histories";

std::string describe(const NodeRecord& node) {
  return fmt::format("{} {} raft={} uuid={} address={}", node.id.value(), node_status_name(node.status), node.raft_id,
                     node.uuid, node.address);
}

template <typename Command>
Command on_shard(const HistoryLine& line, const ClusterMetadata& metadata) {
  Command command;
  command.shard = ShardId(line.number("shard"));
  // Left out, term and version are those that the shard has.
  const auto found = metadata.placements.find(command.shard);
  command.term = line.number("term", found == metadata.placements.end() ? 0 : found->second.term);
  command.isr_version = line.number("version", found == metadata.placements.end() ? 0 : found->second.isr_version);
  if constexpr (requires { command.node; }) command.node = NodeId(line.text("node"));
  if constexpr (requires { command.copy; }) command.copy = line.number("copy");
  if constexpr (requires { command.new_primary; }) {
    command.new_primary = NodeId(line.text("to") == "none" ? "" : line.text("to"));
  }
  return command;
}

UpsertNode upsert_of(const HistoryLine& line) {
  UpsertNode command;
  command.node.id = NodeId(line.name);
  command.node.address = line.text("address", "10.0.0.1");
  command.node.grpc_port = 15003;
  command.node.raft_id = line.number("raft");
  command.node.uuid = line.text("uuid");
  command.node.status = *node_status_from_name(line.text("status", "active"));
  command.node.protocol = static_cast<std::uint32_t>(line.number("protocol", 1));
  command.replaces = line.number("replaces");
  return command;
}

CreateCollection create_of(const HistoryLine& line) {
  CreateCollection command;
  command.config.name = line.name;
  command.config.dimension = 4;
  command.config.sharding.shard_count = static_cast<std::uint32_t>(line.number("shards", 1));
  command.config.sharding.replication_factor = static_cast<std::uint32_t>(line.number("factor", 0));
  command.config.sharding.min_in_sync = static_cast<std::uint32_t>(line.number("min", 0));
  return command;
}

AlterCollection alter_of(const HistoryLine& line, const ClusterMetadata& metadata) {
  AlterCollection command;
  if (const auto* record = metadata.find(line.name)) {
    command.expected = record->config;
  } else {
    command.expected = create_of(line).config;
  }
  command.wanted = command.expected;
  auto& sharding = command.wanted.sharding;
  sharding.replication_factor = static_cast<std::uint32_t>(line.number("factor", sharding.replication_factor));
  sharding.min_in_sync = static_cast<std::uint32_t>(line.number("min", sharding.min_in_sync));
  return command;
}

std::string describe(const MigrationRecord& migration) {
  const auto& move = migration.move;
  return fmt::format("move {} shard={} {} -> {}{} {} {}{}", migration.id, move.shard.value(), move.from.value(),
                     move.to.value(), move.lead ? " lead" : "", move_cause_name(migration.cause),
                     move_state_name(migration.state), migration.note.empty() ? "" : ": " + migration.note);
}

StartMoves moves_of(const HistoryLine& line) {
  StartMoves command;
  command.cause = line.text("cause") == "drain" ? MoveCause::kDrain : MoveCause::kRebalance;
  command.at_ms = 1;
  // One move of each shard of the list.
  std::istringstream shards(line.text("shards"));
  for (std::string shard; std::getline(shards, shard, ',');) {
    command.moves.push_back(
        {ShardId(std::stoull(shard)), NodeId(line.text("from")), NodeId(line.text("to")), line.text("lead") == "yes"});
  }
  return command;
}

}  // namespace

HistoryLine HistoryLine::parse(std::string_view text) {
  HistoryLine line;
  std::istringstream words{std::string(text)};
  words >> line.verb;
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      line.name = word;
    } else {
      line.values[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  return line;
}

std::string HistoryLine::text(const std::string& key, const std::string& otherwise) const {
  const auto found = values.find(key);
  return found == values.end() ? otherwise : found->second;
}

std::uint64_t HistoryLine::number(const std::string& key, std::uint64_t otherwise) const {
  const auto found = values.find(key);
  return found == values.end() ? otherwise : std::stoull(found->second);
}

std::string describe(const ShardPlacement& placement) {
  const auto& primary = placement.primary.value();
  auto line = fmt::format("shard {} term={} version={} primary={} copies=[", placement.shard.value(), placement.term,
                          placement.isr_version, primary.empty() ? "none" : primary);
  const char* separator = "";
  for (const auto& copy : placement.copies) {
    line += fmt::format("{}{}:{}:{}", separator, copy.id, copy.node.value(), copy_role_name(copy.role));
    separator = " ";
  }
  return line + "]";
}

MetadataCommand History::command_of(const HistoryLine& line) const {
  if (line.verb == "init") {
    return InitCluster{line.name, static_cast<std::uint32_t>(line.number("expected"))};
  }
  if (line.verb == "node") return upsert_of(line);
  if (line.verb == "status") {
    return SetNodeStatus{NodeId(line.name), line.number("raft"), *node_status_from_name(line.text("from")),
                         *node_status_from_name(line.text("to"))};
  }
  if (line.verb == "remove") return RemoveNode{NodeId(line.name), line.number("raft"), line.text("force") == "yes"};
  if (line.verb == "formed") return Formed{};
  if (line.verb == "protocol") return RaiseProtocol{static_cast<std::uint32_t>(line.number("to"))};
  if (line.verb == "create") return create_of(line);
  if (line.verb == "alter") return alter_of(line, metadata_);
  if (line.verb == "drop") return DropCollection{line.name};
  if (line.verb == "open") return on_shard<OpenCopy>(line, metadata_);
  if (line.verb == "promote") return on_shard<Promote>(line, metadata_);
  if (line.verb == "shrink") return on_shard<ShrinkIsr>(line, metadata_);
  if (line.verb == "grow") return on_shard<GrowIsr>(line, metadata_);
  if (line.verb == "allocate") return on_shard<AllocateCopy>(line, metadata_);
  if (line.verb == "drop-copy") return on_shard<DropCopy>(line, metadata_);
  if (line.verb == "bump") return on_shard<BumpIsr>(line, metadata_);
  if (line.verb == "allocate-stale") return on_shard<AllocateStale>(line, metadata_);
  if (line.verb == "allocate-empty") return on_shard<AllocateEmpty>(line, metadata_);
  if (line.verb == "move") return moves_of(line);
  if (line.verb == "cancel-move") return CancelMove{line.number("id")};
  if (line.verb == "end-move") {
    return EndMove{line.number("id"), *move_state_from_name(line.text("outcome")), line.text("note"), 2};
  }
  ADD_FAILURE() << "no such verb: " << line.verb;
  return Formed{};
}

std::string History::show(const HistoryLine& line) const {
  std::string text;
  if (line.verb == "move" || line.verb.ends_with("-move") || line.name == "moves") {
    for (const auto& [id, migration] : metadata_.migrations) text += describe(migration) + "\n";
    return text;
  }
  if (line.values.count("shard") != 0) {
    const auto found = metadata_.placements.find(ShardId(line.number("shard")));
    return found == metadata_.placements.end() ? "" : describe(found->second) + "\n";
  }
  if (const auto* record = metadata_.find(line.name)) {
    text += fmt::format("{} factor={} min_in_sync={}\n", line.name, record->config.sharding.replication_factor,
                        record->config.sharding.min_in_sync);
    for (const auto& shard : record->shards) text += describe(metadata_.placements.at(shard)) + "\n";
    return text;
  }
  const auto node = metadata_.nodes.find(NodeId(line.name));
  if (node != metadata_.nodes.end()) return describe(node->second) + "\n";
  if (line.name.empty() || line.verb == "init") {
    text += fmt::format("cluster={} expected={} {}{}\n", metadata_.cluster_id, metadata_.expected_nodes,
                        metadata_.formed ? "formed" : "forming",
                        metadata_.protocol == 1 ? "" : fmt::format(" protocol={}", metadata_.protocol));
  }
  return text;
}

std::string History::run(const HistoryLine& line) {
  if (line.verb == "show") return show(line);
  const auto command = command_of(line);
  const auto decoded = decode_command(encode_command(command));
  if (!decoded) return "the command does not survive its encoding: " + decoded.error().message + "\n";
  EXPECT_EQ(encode_command(*decoded), encode_command(command));
  const auto before = encode_metadata(metadata_);
  auto next = cluster::apply(metadata_, *decoded);
  if (!next) {
    EXPECT_EQ(encode_metadata(metadata_), before);
    return fmt::format("{}: {}\n", error_type_name(next.error().type), next.error().message);
  }
  const auto stored = decode_metadata(encode_metadata(*next));
  if (!stored) return "the state does not survive its encoding: " + stored.error().message + "\n";
  EXPECT_EQ(stored->placements, next->placements);
  EXPECT_EQ(stored->nodes, next->nodes);
  EXPECT_EQ(stored->migrations, next->migrations);
  EXPECT_EQ(metadata_digest(*stored), metadata_digest(*next));
  metadata_ = std::move(*next);
  return "ok\n" + show(line);
}

namespace {

/// Runs the lines of a history, each followed by "----", what is expected, and an empty line; gives the file with what
/// was seen.
std::string replay(const std::filesystem::path& file) {
  std::ifstream in(file);
  History history;
  std::string seen;
  bool expectation = false;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) {
      expectation = false;
    } else if (line.front() == '#') {
      seen += line + "\n";
    } else if (line == "----") {
      expectation = true;
    } else if (!expectation) {
      seen += line + "\n----\n" + history.run(HistoryLine::parse(line)) + "\n";
    }
  }
  return seen;
}

/// Set VECTORIZER_REWRITE_HISTORIES to write what is seen into the files; then read the diff.
TEST(MetadataHistories, EndAsTheirFilesSay) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kHistories)) files.insert(entry.path());
  ASSERT_FALSE(files.empty());
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename().string());
    std::stringstream expected;
    expected << std::ifstream(file).rdbuf();
    const auto seen = replay(file);
    if (std::getenv("VECTORIZER_REWRITE_HISTORIES") != nullptr) {
      std::ofstream(file) << seen;
    } else {
      EXPECT_EQ(seen, expected.str());
    }
  }
}

}  // namespace
}  // namespace vectorizer::cluster
