#include "resolver.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "payload_edit.hpp"

namespace vectorizer::shard {
namespace {

bool builds_on_stored_point(const WriteOp& op) {
  return op.kind == WriteOp::Kind::kPatch || op.kind == WriteOp::Kind::kPayload;
}

}  // namespace

Result<void> Resolver::prefetch(std::span<PendingWrite* const> group) {
  std::unordered_set<PointId, PointIdHash> wanted;
  for (const PendingWrite* write : group) {
    for (const WriteOp& op : write->ops) {
      const auto slot = table_.find(op.id);
      if (!slot) continue;
      // A long payload is needed even by a plain upsert or delete: to take it out of the payload index.
      if (builds_on_stored_point(op) || table_.live(*slot)->payload_in_store) wanted.insert(op.id);
    }
  }
  if (wanted.empty()) return {};
  const std::vector<PointId> ids(wanted.begin(), wanted.end());
  ASSIGN_OR_RETURN(auto points, store_.get_many(ids));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!points[i])
      return Error{ErrorType::kInternal, "a point is in the index and not in the store: " + ids[i].to_json()};
    stored_.emplace(ids[i], std::move(points[i]->point));
  }
  return {};
}

WriteResult Resolver::resolve(std::span<const WriteOp> ops) {
  const std::size_t before = writes_.size();
  std::vector<WriteOutcome> outcomes;
  outcomes.reserve(ops.size());
  for (const WriteOp& op : ops) {
    auto outcome = resolve_one(op);
    if (!outcome) {
      roll_back(before);
      return std::move(outcome).error();
    }
    outcomes.push_back(*outcome);
  }
  return outcomes;
}

Result<WriteOutcome> Resolver::resolve_one(const WriteOp& op) {
  const bool present = exists(op.id);
  const bool needs_present = op.kind != WriteOp::Kind::kUpsert || op.only_if != nullptr;
  if (needs_present && !present) return WriteOutcome::kNotFound;
  if (op.only_if != nullptr && !filter_matches(*op.only_if, op.id, payload_of(op.id))) return WriteOutcome::kNotFound;
  switch (op.kind) {
    case WriteOp::Kind::kUpsert:
      push(false, Point{op.id, op.vector, op.payload});
      return WriteOutcome::kApplied;
    case WriteOp::Kind::kDelete:
      push(true, Point{op.id, {}, {}});
      return WriteOutcome::kApplied;
    case WriteOp::Kind::kPatch:
    case WriteOp::Kind::kPayload:
      return change(op);
  }
  return Error{ErrorType::kInternal, "unknown kind of write"};
}

Result<WriteOutcome> Resolver::change(const WriteOp& op) {
  const Point* const current = point_of(op.id);
  if (current == nullptr) return Error{ErrorType::kInternal, "the point to change was not read: " + op.id.to_json()};
  const bool patch = op.kind == WriteOp::Kind::kPatch;
  std::optional<std::string> payload;
  if (!patch || !op.payload.empty()) {
    ASSIGN_OR_RETURN(payload,
                     edit_payload(current->payload, patch ? PayloadMode::kMerge : op.mode, op.payload, op.keys));
  }
  const bool new_vector = patch && !op.vector.empty() && op.vector != current->vector;
  if (!payload && !new_vector) return WriteOutcome::kApplied;
  Point point{op.id, new_vector ? op.vector : current->vector, payload ? *std::move(payload) : current->payload};
  push(false, std::move(point));
  return WriteOutcome::kApplied;
}

void Resolver::push(bool deleted, Point point) {
  last_write_[point.id] = writes_.size();
  storage::StoredWrite write;
  write.sequence = next_ + writes_.size();
  write.deleted = deleted;
  write.point = std::move(point);
  writes_.push_back(std::move(write));
}

void Resolver::remember(RequestResult result) {
  storage::StoredWrite write;
  write.sequence = next_ + writes_.size();
  write.deleted = true;
  write.result = std::move(result);
  writes_.push_back(std::move(write));
}

void Resolver::roll_back(std::size_t size) {
  if (writes_.size() == size) return;
  writes_.resize(size);
  last_write_.clear();
  for (std::size_t i = 0; i < writes_.size(); ++i) {
    if (!writes_[i].result) last_write_[writes_[i].point.id] = i;
  }
}

bool Resolver::exists(const PointId& id) const {
  const auto written = last_write_.find(id);
  return written != last_write_.end() ? !writes_[written->second].deleted : table_.find(id).has_value();
}

const Point* Resolver::point_of(const PointId& id) const {
  const auto written = last_write_.find(id);
  if (written != last_write_.end()) return &writes_[written->second].point;
  const auto stored = stored_.find(id);
  return stored != stored_.end() ? &stored->second : nullptr;
}

std::string_view Resolver::payload_of(const PointId& id) const {
  if (const Point* point = point_of(id)) return point->payload;
  const auto slot = table_.find(id);
  return slot ? std::string_view(table_.live(*slot)->payload) : std::string_view();
}

std::vector<const storage::StoredWrite*> Resolver::final_writes() const {
  std::vector<std::size_t> order;
  order.reserve(last_write_.size());
  for (const auto& [id, at] : last_write_) order.push_back(at);
  std::sort(order.begin(), order.end());
  std::vector<const storage::StoredWrite*> result;
  result.reserve(order.size());
  for (const std::size_t at : order) result.push_back(&writes_[at]);
  return result;
}

}  // namespace vectorizer::shard
