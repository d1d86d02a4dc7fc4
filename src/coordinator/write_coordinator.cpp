#include "write_coordinator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <latch>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "vectorizer/base/json_text.hpp"

namespace vectorizer::coordinator {
namespace {

/// Ids of one chunk of a write by filter.
constexpr std::size_t kChunk = 1000;

/// Between two attempts: a promotion takes a few seconds.
constexpr std::chrono::milliseconds kRetryInterval{100};

struct FailedPart {
  const WriteCoordinator::Part* part;
  Error error;
};

bool outcome_unknown(const Error& error) {
  return error.type == ErrorType::kInternal || error.type == ErrorType::kTimeout ||
         error.details.find(R"("outcome":"unknown")") != std::string::npos;
}

/// It may be done, or found to be done, by whoever leads the shard in a moment. What failed within a node does so
/// again.
bool worth_another_try(const Error& error, bool doubtful) {
  switch (error.type) {
    case ErrorType::kShardUnavailable:
    case ErrorType::kNodeUnreachable:
    case ErrorType::kTimeout:
      return true;
    case ErrorType::kNotEnoughReplicas:
    case ErrorType::kOverloaded:
    case ErrorType::kShuttingDown:
      return doubtful;
    default:
      return false;
  }
}

std::size_t place_of(std::size_t index, std::span<const std::size_t> places) {
  return places.empty() ? index : places[index];
}

Result<void> check_dimensions(const ShardRouting& routing, const std::vector<WriteOp>& ops,
                              std::span<const std::size_t> places) {
  const std::size_t dimension = routing.collection().config.dimension;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto& op = ops[i];
    const bool has_vector =
        op.kind == WriteOp::Kind::kUpsert || (op.kind == WriteOp::Kind::kPatch && !op.vector.empty());
    if (!has_vector || op.vector.size() == dimension) continue;
    return Error{
        ErrorType::kDimensionMismatch,
        fmt::format("collection '{}' has dimension {}, got {} (vector {}, id {})", routing.collection().config.name,
                    dimension, op.vector.size(), place_of(i, places), op.id.to_json())}
        .with("expected", dimension)
        .with("actual", op.vector.size())
        .with("index", place_of(i, places))
        .with("id", op.id.to_json());
  }
  return {};
}

/// partial_write, or the error itself when nothing was applied anywhere.
Error failure_of(const WriteReport& report, std::size_t parts, std::vector<FailedPart> failed) {
  const auto conflict = std::find_if(failed.begin(), failed.end(),
                                     [](const FailedPart& part) { return part.error.type == ErrorType::kConflict; });
  // The client's mistake, which no retry heals.
  if (conflict != failed.end()) return std::move(conflict->error).with("applied", report.applied);
  const auto unknown = [](const Error& error) { return outcome_unknown(error) ? "unknown" : "not_applied"; };
  if (failed.size() == parts) {
    // An unknown outcome of one shard is one of the whole request.
    const auto doubtful =
        std::find_if(failed.begin(), failed.end(), [](const FailedPart& part) { return outcome_unknown(part.error); });
    auto error = std::move(doubtful != failed.end() ? doubtful->error : failed.front().error);
    const bool said = error.details.find("\"outcome\"") != std::string::npos;
    if (outcome_unknown(error) && !said) error.with("outcome", "unknown");
    return error;
  }
  std::string entries;
  for (const auto& [part, error] : failed) {
    for (std::size_t i = 0; i < part->places.size(); ++i) {
      entries += entries.empty() ? "[" : ",";
      entries += fmt::format(R"({{"index":{},"id":{},"error_type":"{}","outcome":"{}"}})", part->places[i],
                             part->ids[i].to_json(), error_type_name(error.type), unknown(error));
    }
  }
  Error error{ErrorType::kPartialWrite,
              fmt::format("{} of {} shards did not take the write: {}; retry it with the same Idempotency-Key",
                          failed.size(), parts, failed.front().error.message)};
  error.details = fmt::format(R"({{"applied":{},"failed":{}]}})", report.applied, entries);
  return error;
}

std::map<ShardId, WriteCoordinator::Part> split(const ShardRouting& routing, std::vector<WriteOp> ops,
                                                std::span<const std::size_t> places) {
  std::map<ShardId, WriteCoordinator::Part> parts;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    auto& part = parts[routing.shard_of(ops[i].id)];
    part.ids.push_back(ops[i].id);
    part.ops.push_back(std::move(ops[i]));
    part.places.push_back(place_of(i, places));
  }
  return parts;
}

/// The parts that one node leads.
struct NodeParts {
  Candidate node;
  std::vector<peer::ShardWrite> writes;
};

}  // namespace

void WriteCoordinator::attempt(const ShardRouting& routing, std::map<ShardId, Part>& parts) const {
  std::map<NodeId, NodeParts> by_node;
  for (auto& [shard, part] : parts) {
    if (part.result && !worth_another_try_of(part)) continue;
    auto primary = routing.primary_candidate(shard);
    if (!primary) {
      part.result = std::move(primary.error());
      continue;
    }
    auto& group = by_node[primary->node];
    group.node = *primary;
    part.term = routing.term_of(shard);
    // On a single node nobody else will be asked: the operations may go.
    group.writes.push_back({shard, part.term, routing.single() ? std::move(part.ops) : part.ops, part.stamp});
  }
  std::vector<NodeParts*> groups;
  for (auto& [node, group] : by_node) groups.push_back(&group);
  std::vector<std::vector<peer::ShardWriteReply>> replies(groups.size());
  std::latch done(static_cast<std::ptrdiff_t>(groups.size()));
  const auto run = [&](std::size_t i) {
    replies[i] = groups[i]->node.peer->write(std::move(groups[i]->writes));
    done.count_down();
  };
  std::vector<std::size_t> here;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i]->node.local || groups.size() == 1 || !lane_.try_post([&run, i] { run(i); })) here.push_back(i);
  }
  for (const auto i : here) run(i);
  done.wait();
  for (auto& list : replies) {
    for (auto& reply : list) {
      auto& part = parts.at(reply.shard);
      part.result = std::move(reply.outcomes);
      if (!*part.result && outcome_unknown(part.result->error())) part.doubtful = true;
      part.sequence = reply.sequence;
    }
  }
}

bool WriteCoordinator::worth_another_try_of(const Part& part) {
  if (part.doubtful && !part.stamp) return false;  // it would be done twice
  return part.result && !*part.result && worth_another_try(part.result->error(), part.doubtful);
}

bool WriteCoordinator::worth_waiting_for(const std::map<ShardId, Part>& parts) const {
  const auto now = Outages::Clock::now();
  const std::chrono::milliseconds patience(deadline_.timeout_ms());
  bool worth = false;
  for (const auto& [shard, part] : parts) {
    if (worth_another_try_of(part)) worth = outages_.failed(shard, now) < patience || part.doubtful || worth;
  }
  return worth;
}

Result<WriteReport> WriteCoordinator::write(std::vector<WriteOp> ops, std::span<const std::size_t> places,
                                            const RequestKey& key) const {
  ASSIGN_OR_RETURN(auto routing, route_());
  RETURN_IF_ERROR(check_dimensions(routing, ops, places));
  auto parts = split(routing, std::move(ops), places);
  return complete(std::move(routing), std::move(parts), key);
}

Result<WriteReport> WriteCoordinator::complete(ShardRouting routing, std::map<ShardId, Part> parts,
                                               const RequestKey& key) const {
  // On a single node a write without a client's key is never sent again.
  const bool stamped = routing.knows_again() && !(routing.single() && key.own());
  for (auto& [shard, part] : parts) {
    if (stamped) part.stamp = key.stamp(shard);
  }
  for (;;) {
    attempt(routing, parts);
    if (routing.single() || !worth_waiting_for(parts) || Deadline::Clock::now() + kRetryInterval >= deadline_.at())
      break;
    std::this_thread::sleep_for(kRetryInterval);
    // The shards of a collection never change; one that was dropped meanwhile ends the write.
    ASSIGN_OR_RETURN(routing, route_());
    if (!std::all_of(parts.begin(), parts.end(), [&](const auto& item) { return routing.has(item.first); })) {
      return Error{ErrorType::kCollectionNotFound, "the collection was dropped while it was written"};
    }
  }
  WriteReport report;
  std::vector<FailedPart> failed;
  for (auto& [shard, part] : parts) {
    if (!*part.result) {
      auto& error = part.result->error();
      if (part.doubtful && error.details.find("\"outcome\"") == std::string::npos) error.with("outcome", "unknown");
      failed.push_back({&part, std::move(part.result->error())});
      continue;
    }
    report.positions[shard] = {.sequence = part.sequence, .term = part.term};
    const auto& outcomes = **part.result;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i] == WriteOutcome::kApplied) {
        ++report.applied;
      } else {
        ++report.not_found;
        report.missing.push_back(part.ids[i]);
      }
    }
  }
  if (!failed.empty()) return failure_of(report, parts.size(), std::move(failed));
  return report;
}

Result<WriteReport> WriteCoordinator::write_matching(const Filter& filter, WriteOp op, const RequestKey& key) const {
  WriteReport report;
  op.only_if = &filter;
  ASSIGN_OR_RETURN(const auto routing, route_());
  if (!key.own()) {
    // Which points it changes is not known yet, only that the key is taken.
    std::map<ShardId, Part> claims;
    for (const auto& shard : routing.collection().shards) claims[shard];
    RETURN_IF_ERROR(complete(routing, std::move(claims), key));
  }
  for (const auto& shard : routing.collection().shards) {
    std::optional<PointId> after;
    for (;;) {
      ASSIGN_OR_RETURN(const auto now, route_());
      ASSIGN_OR_RETURN(auto* peer, now.primary(shard));
      ASSIGN_OR_RETURN(auto ids, peer->matching(shard, filter, after, kChunk));
      if (ids.empty()) break;
      after = ids.back();
      const bool last = ids.size() < kChunk;
      std::vector<WriteOp> ops(ids.size(), op);
      const RequestKey part = key.chunk(ids);
      for (std::size_t i = 0; i < ids.size(); ++i) ops[i].id = std::move(ids[i]);
      ASSIGN_OR_RETURN(const auto chunk, write(std::move(ops), {}, part));
      report.applied += chunk.applied;
      merge_positions(report.positions, chunk.positions);
      if (last) break;
    }
  }
  return report;
}

}  // namespace vectorizer::coordinator
