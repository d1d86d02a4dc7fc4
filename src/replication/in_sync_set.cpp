#include "in_sync_set.hpp"

#include <algorithm>

namespace vectorizer::replication {

using cluster::CopyRole;

void InSyncSet::clear() {
  followers_.clear();
  change_.reset();
}

Follower* InSyncSet::find(std::uint64_t copy) {
  const auto found = followers_.find(copy);
  return found == followers_.end() ? nullptr : &found->second;
}

void InSyncSet::update(const cluster::ShardPlacement& placement, std::uint64_t own_copy, const LogPosition& end,
                       Timepiece::Point now) {
  std::erase_if(followers_, [&](const auto& entry) { return placement.copy(entry.first) == nullptr; });
  for (const cluster::CopyRecord& copy : placement.copies) {
    if (copy.id == own_copy || copy.role == CopyRole::kInit) continue;
    auto [found, added] = followers_.try_emplace(copy.id);
    Follower& follower = found->second;
    if (added) {
      follower.copy = copy.id;
      follower.node = copy.node;
      follower.next = end;
      follower.accepted_at = follower.complete_at = now;
    }
    const bool in_sync = copy.role == CopyRole::kInSync;
    if (in_sync && !follower.in_sync && !follower.joining) follower.accepted_at = now;  // it has the time to answer
    follower.in_sync = in_sync;
  }
  if (!change_ || placement.isr_version <= change_->version) return;
  // Whatever took that version, the command cannot succeed any more if it has not.
  give_up_joining();
  change_.reset();
}

void InSyncSet::give_up_joining() {
  if (Follower* const follower = change_ && change_->grow ? find(change_->copy) : nullptr) follower->joining = false;
}

std::optional<std::uint64_t> InSyncSet::committed(std::uint64_t own) const {
  std::uint64_t commit = own;
  for (const auto& [copy, follower] : followers_) {
    if (!follower.required()) continue;
    if (!follower.matched) return std::nullopt;
    commit = std::min(commit, follower.match);
  }
  return commit;
}

std::size_t InSyncSet::surely_in_sync() const {
  std::size_t count = 1;
  for (const auto& [copy, follower] : followers_) {
    const bool leaving = change_ && !change_->grow && change_->copy == copy;
    if (follower.in_sync && !leaving) ++count;
  }
  return count;
}

std::uint64_t InSyncSet::on_every_copy(std::uint64_t own) const {
  std::uint64_t everywhere = own;
  for (const auto& [copy, follower] : followers_)
    everywhere = std::min(everywhere, follower.matched ? follower.match : 0);
  return everywhere;
}

std::optional<cluster::MetadataCommand> InSyncSet::next_change(const cluster::ShardPlacement& placement,
                                                               std::uint64_t commit, std::uint64_t last,
                                                               Timepiece::Point now,
                                                               const ReplicationOptions& options) {
  if (change_) {
    if (change_->in_flight || !change_->unknown) return std::nullopt;
    change_->in_flight = true;
    return cluster::BumpIsr{placement.shard, placement.term, change_->version};
  }
  if (const Follower* const lost = silent(now, options)) {
    change_ = Change{false, lost->copy, placement.isr_version};
    return cluster::ShrinkIsr{placement.shard, placement.term, placement.isr_version, lost->copy};
  }
  if (Follower* const ready = caught_up(commit, last, now, options)) {
    ready->joining = true;
    change_ = Change{true, ready->copy, placement.isr_version};
    return cluster::GrowIsr{placement.shard, placement.term, placement.isr_version, ready->copy};
  }
  return std::nullopt;
}

Follower* InSyncSet::silent(Timepiece::Point now, const ReplicationOptions& options) {
  for (auto& [copy, follower] : followers_) {
    if (!follower.in_sync) continue;
    const bool gone = follower.unreachable_since && now - *follower.unreachable_since > options.unreachable;
    const auto silence = follower.dead ? options.dead : options.silence;
    if (gone || now - follower.accepted_at > silence) return &follower;
  }
  return nullptr;
}

Follower* InSyncSet::caught_up(std::uint64_t commit, std::uint64_t last, Timepiece::Point now,
                               const ReplicationOptions& options) {
  for (auto& [copy, follower] : followers_) {
    const bool healthy =
        follower.matched && !follower.unreachable_since && now - follower.accepted_at <= options.silence;
    if (follower.required() || !healthy || follower.match < commit) continue;
    if (last - follower.match <= options.joining_lag) return &follower;
  }
  return nullptr;
}

void InSyncSet::answered(const cluster::MetadataCommand& command, ProposalResult::Outcome outcome) {
  const auto is_change = [&](const auto& each, bool grow) {
    return each.isr_version == change_->version && each.copy == change_->copy && change_->grow == grow;
  };
  if (!change_) return;
  const auto* const shrink = std::get_if<cluster::ShrinkIsr>(&command);
  const auto* const grow = std::get_if<cluster::GrowIsr>(&command);
  const auto* const bump = std::get_if<cluster::BumpIsr>(&command);
  const bool original = (shrink != nullptr && is_change(*shrink, false)) || (grow != nullptr && is_change(*grow, true));
  if (!original && (bump == nullptr || bump->isr_version != change_->version)) return;
  change_->in_flight = false;
  if (outcome == ProposalResult::Outcome::kUnknown) change_->unknown = true;
  if (!original || outcome != ProposalResult::Outcome::kRefused) return;
  // It has been decided, and will not be decided again.
  give_up_joining();
  change_.reset();
}

}  // namespace vectorizer::replication
