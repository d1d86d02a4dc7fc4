#include "snapshot_codec.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vectorizer::rpc {
namespace {

using Kind = peer::SnapshotOrder::Kind;
using State = peer::SnapshotState;

constexpr std::array<std::pair<Kind, wire::SnapshotRequest::Kind>, 4> kKinds{{
    {Kind::kList, wire::SnapshotRequest::KIND_LIST},
    {Kind::kCreate, wire::SnapshotRequest::KIND_CREATE},
    {Kind::kVerify, wire::SnapshotRequest::KIND_VERIFY},
    {Kind::kRemove, wire::SnapshotRequest::KIND_REMOVE},
}};

constexpr std::array<std::pair<State, wire::SnapshotInfo::State>, 5> kStates{{
    {State::kCreating, wire::SnapshotInfo::STATE_CREATING},
    {State::kComplete, wire::SnapshotInfo::STATE_COMPLETE},
    {State::kFailed, wire::SnapshotInfo::STATE_FAILED},
    {State::kVerifying, wire::SnapshotInfo::STATE_VERIFYING},
    {State::kDamaged, wire::SnapshotInfo::STATE_DAMAGED},
}};

}  // namespace

void encode_snapshot_order(const peer::SnapshotOrder& order, wire::SnapshotRequest& out) {
  for (const auto& [kind, code] : kKinds) {
    if (kind == order.kind) out.set_kind(code);
  }
  out.set_name(order.name);
  for (const auto& node : order.nodes) out.add_nodes(node.value());
}

Result<peer::SnapshotOrder> decode_snapshot_order(const wire::SnapshotRequest& in) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& row) { return row.second == in.kind(); });
  if (found == kKinds.end()) return Error{ErrorType::kInternal, "an order for snapshots of no known kind"};
  peer::SnapshotOrder order;
  order.kind = found->first;
  order.name = in.name();
  for (const auto& node : in.nodes()) order.nodes.emplace_back(node);
  return order;
}

void encode_snapshot(const peer::SnapshotInfo& info, wire::SnapshotInfo& out) {
  for (const auto& [state, code] : kStates) {
    if (state == info.state) out.set_state(code);
  }
  out.set_name(info.name);
  out.set_path(info.path);
  out.set_created_at_ms(info.created_at_ms);
  out.set_bytes(info.bytes);
  out.set_shared_bytes(info.shared_bytes);
  out.set_files(info.files);
  out.set_checksum(info.checksum);
  out.set_metadata_epoch(info.metadata_epoch);
  for (const auto& node : info.nodes) out.add_nodes(node.value());
  for (const auto& point : info.points) {
    auto& to = *out.add_points();
    to.set_shard(point.shard.value());
    to.set_term(point.term);
    to.set_sequence(point.sequence);
  }
  out.set_verified_at_ms(info.verified_at_ms);
  for (const auto& problem : info.problems) out.add_problems(problem);
}

Result<peer::SnapshotInfo> decode_snapshot(const wire::SnapshotInfo& in) {
  const auto found =
      std::find_if(kStates.begin(), kStates.end(), [&](const auto& row) { return row.second == in.state(); });
  if (found == kStates.end()) return Error{ErrorType::kInternal, "a snapshot in a state of no known kind"};
  peer::SnapshotInfo info;
  info.state = found->first;
  info.name = in.name();
  info.path = in.path();
  info.created_at_ms = in.created_at_ms();
  info.bytes = in.bytes();
  info.shared_bytes = in.shared_bytes();
  info.files = in.files();
  info.checksum = in.checksum();
  info.metadata_epoch = in.metadata_epoch();
  for (const auto& node : in.nodes()) info.nodes.emplace_back(node);
  for (const auto& point : in.points()) {
    info.points.push_back({ShardId(point.shard()), point.term(), point.sequence()});
  }
  info.verified_at_ms = in.verified_at_ms();
  for (const auto& problem : in.problems()) info.problems.push_back(problem);
  return info;
}

}  // namespace vectorizer::rpc
