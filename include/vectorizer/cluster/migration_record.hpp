#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::cluster {

/// A copy of a shard that is to be on another node; or, with `lead`, another of its copies that is to lead.
struct PlannedMove {
  ShardId shard;
  NodeId from, to;
  bool lead = false;
  friend bool operator==(const PlannedMove&, const PlannedMove&) = default;
};

enum class MoveCause : std::uint8_t { kRebalance, kDrain };

///   kRunning ──> kDone
///      └─CancelMove─> kCancelling ──> kCancelled;  either ──> kFailed
///
/// How far a running move is follows from the placement of its shard: a copy on `to`, in sync, leading; none on `from`.
enum class MoveState : std::uint8_t { kRunning, kCancelling, kDone, kFailed, kCancelled };

std::string_view move_cause_name(MoveCause cause);
std::optional<MoveCause> move_cause_from_name(std::string_view name);
std::string_view move_state_name(MoveState state);
std::optional<MoveState> move_state_from_name(std::string_view name);

/// A move as the metadata knows it: whoever leads goes on with it, and every node can show it. Moves of one shard are
/// made one after another, in the order of their ids.
struct MigrationRecord {
  std::uint64_t id = 0;
  PlannedMove move;
  MoveCause cause = MoveCause::kRebalance;
  MoveState state = MoveState::kRunning;
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;  ///< 0 while it runs
  std::string note;              ///< why it ended as it did; empty for done

  bool ended() const { return state != MoveState::kRunning && state != MoveState::kCancelling; }
  friend bool operator==(const MigrationRecord&, const MigrationRecord&) = default;
};

}  // namespace vectorizer::cluster
