#include "write_coordinator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "vectorizer/base/json_text.hpp"

namespace vectorizer::coordinator {
namespace {

/// Ids of one chunk of a write by filter.
constexpr std::size_t kChunk = 1000;

struct Part {
  peer::ShardWrite write;           // moved to the peer
  std::vector<PointId> ids;         // of write.ops
  std::vector<std::size_t> places;  // of write.ops in the request
};

struct FailedPart {
  const Part* part;
  Error error;
};

bool outcome_unknown(ErrorType type) {
  return type == ErrorType::kInternal || type == ErrorType::kTimeout;
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
  const auto unknown = [](const Error& error) { return outcome_unknown(error.type) ? "unknown" : "not_applied"; };
  if (failed.size() == parts) {
    // An unknown outcome of one shard is one of the whole request.
    const auto doubtful = std::find_if(failed.begin(), failed.end(),
                                       [](const FailedPart& part) { return outcome_unknown(part.error.type); });
    auto error = std::move(doubtful != failed.end() ? doubtful->error : failed.front().error);
    if (outcome_unknown(error.type)) error.with("outcome", "unknown");
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

std::map<ShardId, Part> split(const ShardRouting& routing, std::vector<WriteOp> ops,
                              std::span<const std::size_t> places) {
  std::map<ShardId, Part> parts;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto& shard = routing.shard_of(ops[i].id);
    auto& part = parts[shard];
    if (part.ids.empty()) {
      part.write.shard = shard;
      part.write.term = routing.term_of(shard);
    }
    part.ids.push_back(ops[i].id);
    part.write.ops.push_back(std::move(ops[i]));
    part.places.push_back(place_of(i, places));
  }
  return parts;
}

}  // namespace

Result<WriteReport> write_by_shard(const ShardRouting& routing, std::vector<WriteOp> ops,
                                   std::span<const std::size_t> places) {
  RETURN_IF_ERROR(check_dimensions(routing, ops, places));
  auto parts = split(routing, std::move(ops), places);
  std::map<peer::Peer*, std::vector<peer::ShardWrite>> by_peer;
  std::vector<FailedPart> failed;
  for (auto& [shard, part] : parts) {
    auto peer = routing.primary(shard);
    if (peer) {
      by_peer[*peer].push_back(std::move(part.write));
    } else {
      failed.push_back({&part, std::move(peer.error())});
    }
  }
  WriteReport report;
  for (auto& [peer, writes] : by_peer) {
    for (auto& reply : peer->write(std::move(writes))) {
      const auto& part = parts.at(reply.shard);
      if (!reply.outcomes) {
        failed.push_back({&part, std::move(reply.outcomes.error())});
        continue;
      }
      report.positions[reply.shard] = {.sequence = reply.sequence, .term = routing.term_of(reply.shard)};
      for (std::size_t i = 0; i < reply.outcomes->size(); ++i) {
        if ((*reply.outcomes)[i] == WriteOutcome::kApplied) {
          ++report.applied;
        } else {
          ++report.not_found;
          report.missing.push_back(part.ids[i]);
        }
      }
    }
  }
  if (!failed.empty()) return failure_of(report, parts.size(), std::move(failed));
  return report;
}

Result<WriteReport> write_matching_by_shard(const ShardRouting& routing, const Filter& filter, WriteOp op) {
  WriteReport report;
  op.only_if = &filter;
  for (const auto& shard : routing.collection().shards) {
    ASSIGN_OR_RETURN(auto* peer, routing.primary(shard));
    std::optional<PointId> after;
    for (;;) {
      ASSIGN_OR_RETURN(auto ids, peer->matching(shard, filter, after, kChunk));
      if (ids.empty()) break;
      after = ids.back();
      const bool last = ids.size() < kChunk;
      std::vector<WriteOp> ops(ids.size(), op);
      for (std::size_t i = 0; i < ids.size(); ++i) ops[i].id = std::move(ids[i]);
      ASSIGN_OR_RETURN(const auto chunk, write_by_shard(routing, std::move(ops)));
      report.applied += chunk.applied;
      merge_positions(report.positions, chunk.positions);
      if (last) break;
    }
  }
  return report;
}

}  // namespace vectorizer::coordinator
