#include "cluster/replication_cluster.hpp"

#include <spdlog/spdlog.h>

namespace vectorizer::testing {

using cluster::CopyRole;
using peer::ReplicateReply;
using peer::ReplicateRequest;

/// From one node to another: loses, delays, repeats and reorders.
class ReplicationCluster::Link final : public peer::ReplicationPeer, public std::enable_shared_from_this<Link> {
 public:
  Link(ReplicationCluster& cluster, std::size_t from, std::size_t to) : cluster_(cluster), from_(from), to_(to) {}

  void replicate(ReplicateRequest request, OnReply on_reply) override {
    auto once = std::make_shared<OnReply>(std::move(on_reply));
    const auto answer = [once](Result<ReplicateReply> reply) {
      if (const auto function = std::exchange(*once, nullptr)) function(std::move(reply));
    };
    cluster_.on_node(from_, kCallTimeout, [answer] { answer(Error{ErrorType::kTimeout, "no answer"}); });
    const int times = cluster_.loop_.happens(cluster_.faults_.duplicate) ? 2 : 1;
    for (int i = 0; i < times; ++i) {
      if (lost(from_, to_)) continue;
      cluster_.on_node(to_, delay(), [this, self = shared_from_this(), request, answer] {
        if (cluster_.nodes_[to_]->group == nullptr) return;
        const ReplicateReply reply = cluster_.nodes_[to_]->group->handle(request);
        if (!lost(to_, from_)) cluster_.on_node(from_, delay(), [answer, reply] { answer(reply); });
      });
    }
  }

  Result<void> fetch_checkpoint(const ShardId&, std::uint64_t term, peer::CheckpointSink& sink) override {
    if (lost(from_, to_) || lost(to_, from_) || cluster_.nodes_[to_]->group == nullptr) {
      return Error{ErrorType::kNodeUnreachable, "no way"};
    }
    return cluster_.nodes_[to_]->group->send_checkpoint(term, sink);
  }

 private:
  bool lost(std::size_t from, std::size_t to) const {
    return cluster_.cut_.contains({from, to}) || cluster_.loop_.happens(cluster_.faults_.drop);
  }
  milliseconds delay() const {
    return cluster_.loop_.happens(cluster_.faults_.slow) ? cluster_.loop_.between(0, 1000)
                                                         : cluster_.loop_.between(0, 5);
  }

  ReplicationCluster& cluster_;
  const std::size_t from_, to_;
};

class ReplicationCluster::Directory final : public peer::ReplicationDirectory {
 public:
  Directory(ReplicationCluster& cluster, std::size_t from) : cluster_(cluster), from_(from) {}
  std::shared_ptr<peer::ReplicationPeer> replication(const NodeId& node) override {
    return std::make_shared<Link>(cluster_, from_, cluster_.index_of(node));
  }

 private:
  ReplicationCluster& cluster_;
  const std::size_t from_;
};

ReplicationCluster::ReplicationCluster(std::uint64_t seed, std::size_t nodes, std::uint32_t copies,
                                       std::uint32_t min_in_sync)
    : loop_(seed) {
  options_.settle_timeout = milliseconds(0);
  options_.commit_timeout = milliseconds(0);
  const auto must = [&](const cluster::MetadataCommand& each) {
    auto next = cluster::apply(metadata_, each);
    if (!next) throw std::runtime_error(next.error().message);
    metadata_ = std::move(*next);
  };
  for (std::size_t i = 0; i < nodes; ++i) {
    cluster::NodeRecord record;
    record.id = name(i);
    record.uuid = std::string(32, static_cast<char>('a' + i));
    record.raft_id = i + 1;
    must(cluster::UpsertNode{record, 0});
    nodes_.push_back(std::make_unique<Node>());
    directories_.push_back(std::make_unique<Directory>(*this, i));
  }
  CollectionConfig config;
  config.name = "tests";
  config.dimension = 1;
  config.sharding.shard_count = 1;
  config.sharding.replication_factor = copies;
  config.sharding.min_in_sync = min_in_sync;
  must(cluster::CreateCollection{config, 1});
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto* copy = placement().copy_on(name(i));
    if (copy == nullptr) continue;
    nodes_[i]->copy = copy->id;
    open(i);
    loop_.after(loop_.between(1, 300), [this, i] {
      const auto* mine = placement().copy_on(name(i));
      if (mine != nullptr && mine->role == CopyRole::kInit) {
        (void)command(cluster::OpenCopy{placement().shard, placement().term, placement().isr_version, name(i)});
      }
    });
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    nodes_[i]->granted_at = loop_.now();
    loop_.after(milliseconds(1), [this, i] { tick(i); });
    loop_.after(milliseconds(1), [this, i] { beat(i); });
  }
  loop_.after(milliseconds(100), [this] { lead_metadata(); });
}

ReplicationCluster::~ReplicationCluster() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) close(i);
}

Result<void> ReplicationCluster::command(const cluster::MetadataCommand& command) {
  ASSIGN_OR_RETURN(metadata_, cluster::apply(metadata_, command));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    on_node(i, loop_.between(1, 200), [this, i] { tell(i); });
  }
  return {};
}

std::size_t ReplicationCluster::index_of(const NodeId& node) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (name(i) == node) return i;
  }
  return nodes_.size();
}

std::optional<std::size_t> ReplicationCluster::primary() const {
  const std::size_t index = index_of(placement().primary);
  return index < nodes_.size() ? std::optional(index) : std::nullopt;
}

void ReplicationCluster::on_node(std::size_t node, milliseconds delay, std::function<void()> task) {
  loop_.after(delay, [this, node, task = std::move(task), incarnation = nodes_[node]->incarnation] {
    if (nodes_[node]->incarnation != incarnation) return;
    if (nodes_[node]->paused) return on_node(node, milliseconds(50), task);
    task();
  });
}

replication::GroupPorts ReplicationCluster::ports(std::size_t node) {
  replication::GroupPorts ports;
  ports.directory = directories_[node].get();
  ports.clock = &loop_;
  ports.disk_lane = ports.apply_lane = [this, node](replication::GroupPorts::Task task) {
    if (loop_.happens(0.02)) return false;
    on_node(node, loop_.between(0, 3), std::move(task));
    return true;
  };
  ports.propose = [this, node](const cluster::MetadataCommand& command,
                               std::function<void(const ProposalResult&)> answer) {
    propose(node, command, std::move(answer));
  };
  ports.lease_valid = [this, node] { return lease_valid(node); };
  ports.storage_full = [] { return false; };
  ports.fetch_checkpoint = [this, node](const NodeId& primary, std::uint64_t term) {
    if (std::exchange(nodes_[node]->fetching, true)) return;
    on_node(node, loop_.between(5, 400), [this, node, primary, term] { fetch(node, primary, term); });
  };
  ports.read_points = [this, node](const auto& begin, const auto& visit, const auto& visit_result) {
    return nodes_[node]->disk->read_checkpoint(nodes_[node]->number, begin, visit, visit_result);
  };
  return ports;
}

void ReplicationCluster::open(std::size_t node) {
  Node& self = *nodes_[node];
  auto points = self.disk->open_logged_store(self.number);
  auto log = std::move(*self.disk->open_log(self.number));
  const auto& now = placement();
  auto group = replication::ReplicaGroup::open({now.shard, self.copy, name(node)}, std::move(log), std::move(points),
                                               now, options_, ports(node));
  ASSERT_TRUE(group) << group.error().message;
  self.group = std::static_pointer_cast<GroupCore>(*group);
  self.store = self.group->store();
  self.fetching = false;
  self.term_at_start = placement().term;
  self.group->attach([this, node](std::span<const storage::StoredWrite> writes) { return apply(node, writes); }, {});
  self.group->reconcile(now);
}

void ReplicationCluster::close(std::size_t node) {
  Node& self = *nodes_[node];
  ++self.incarnation;
  self.writing = false;
  if (self.group) self.group->stop();
  self.store.reset();
  self.group.reset();
}

void ReplicationCluster::crash(std::size_t node) {
  close(node);
  nodes_[node]->down = true;
  nodes_[node]->lease_until = {};
  nodes_[node]->disk->lose_unsynced();
}

void ReplicationCluster::restart(std::size_t node) {
  if (!nodes_[node]->down) return;
  nodes_[node]->down = false;
  const auto* copy = placement().copy_on(name(node));
  if (nodes_[node]->copy != 0 && copy != nullptr && copy->id == nodes_[node]->copy) open(node);
  on_node(node, milliseconds(1), [this, node] { tick(node); });
  on_node(node, milliseconds(1), [this, node] { beat(node); });
}

void ReplicationCluster::wipe(std::size_t node) {
  close(node);
  Node& self = *nodes_[node];
  self.disk = std::make_shared<MemoryDatabase>();
  self.copy = 0;
  if (self.down) return;
  on_node(node, milliseconds(1), [this, node] { tick(node); });
  on_node(node, milliseconds(1), [this, node] { beat(node); });
}

void ReplicationCluster::cut(std::size_t from, std::size_t to, bool is_cut) {
  if (is_cut) {
    cut_.insert({from, to});
  } else {
    cut_.erase({from, to});
  }
}

void ReplicationCluster::isolate(std::size_t node, bool from_metadata) {
  for (std::size_t other = 0; other < nodes_.size(); ++other) {
    if (other == node) continue;
    cut(node, other, true);
    cut(other, node, true);
  }
  if (from_metadata) without_metadata_.insert(node);
}

void ReplicationCluster::heal() {
  cut_.clear();
  without_metadata_.clear();
  faults_ = {};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->paused = false;
    restart(i);
  }
}

bool ReplicationCluster::lease_valid(std::size_t node) const {
  return loop_.now() < nodes_[node]->lease_until;
}

void ReplicationCluster::tick(std::size_t node) {
  Node& self = *nodes_[node];
  if (self.group) {
    if (loop_.happens(faults_.failed_append)) self.disk->log_disk(self.number)->fail_next_append(loop_.happens(0.5));
    self.group->tick();
    if (!self.group->problem().empty() && self.group->problem().find("diverged") == std::string::npos) {
      // The process notices and opens the copy anew.
      close(node);
      open(node);
      on_node(node, milliseconds(1), [this, node] { beat(node); });
    }
  }
  on_node(node, milliseconds(50), [this, node] { tick(node); });
}

/// Sends a beat; the answer renews the lease from the time when it was sent.
void ReplicationCluster::beat(std::size_t node) {
  on_node(node, milliseconds(300), [this, node] { beat(node); });
  if (without_metadata_.contains(node) || loop_.happens(faults_.drop)) return;
  const auto sent = loop_.now();
  loop_.after(loop_.between(1, 5), [this, node, sent, incarnation = nodes_[node]->incarnation] {
    if (without_metadata_.contains(node) || nodes_[node]->incarnation != incarnation) return;
    nodes_[node]->granted_at = loop_.now();
    on_node(node, loop_.between(1, 5), [this, node, sent] {
      nodes_[node]->lease_until = std::max(nodes_[node]->lease_until, sent + kLease);
      if (nodes_[node]->seen_version < placement().isr_version) tell(node);
    });
  });
}

/// The node sees the newest metadata: it opens what it must, drops what it may, and tells its group.
void ReplicationCluster::tell(std::size_t node) {
  Node& self = *nodes_[node];
  if (without_metadata_.contains(node) || self.down) return;
  self.seen_version = placement().isr_version;
  const auto* copy = placement().copy_on(name(node));
  if (self.group && (copy == nullptr || copy->id != self.copy)) {
    close(node);
    self.copy = 0;
    on_node(node, milliseconds(1), [this, node] { tick(node); });
    on_node(node, milliseconds(1), [this, node] { beat(node); });
  }
  if (!self.group && copy != nullptr && self.copy != copy->id && copy->role == CopyRole::kRecovering) {
    self.copy = copy->id;
    self.number = self.next_number++;
    open(node);
  }
  if (self.group) self.group->reconcile(placement());
}

void ReplicationCluster::lead_metadata() {
  loop_.after(milliseconds(100), [this] { lead_metadata(); });
  if (!automatic_) return;
  const auto now = placement();
  const auto leader = primary();
  if (now.in_sync_count() == 0) return;
  if (!leader) return promote_another(false);
  const Node& node = *nodes_[*leader];
  if (loop_.now() - node.granted_at >= kLeaseGrant) return promote_another(false);
  if (without_metadata_.contains(*leader)) return;
  if (!node.group) {
    if (!node.down) promote_another(false);
    return;
  }
  const auto status = node.group->status();
  if (status.failed) return promote_another(false);
  // A process that restarted does not resume its term.
  if (!node.paused && !status.leading && node.term_at_start >= now.term && node.incarnation > 0)
    return promote_another(true);
  for (const auto& copy : now.copies) {
    const std::size_t at = index_of(copy.node);
    const bool lost = !nodes_[at]->down && nodes_[at]->copy != copy.id && copy.role != CopyRole::kInit;
    if (lost && copy.role != CopyRole::kInSync && copy.role != CopyRole::kRecovering) {
      (void)command(cluster::DropCopy{now.shard, now.term, now.isr_version, copy.id});
      return;
    }
  }
  const std::uint32_t wanted = metadata_.collections.begin()->second.config.sharding.replication_factor;
  if (now.copies.size() >= wanted) return;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->down || now.copy_on(name(i)) != nullptr) continue;
    (void)command(cluster::AllocateCopy{now.shard, now.term, now.isr_version, name(i)});
    return;
  }
}

void ReplicationCluster::promote_another(bool primary_lives) {
  const auto now = placement();
  std::optional<std::size_t> best;
  LogPosition best_last;
  for (const auto& copy : now.copies) {
    const std::size_t at = index_of(copy.node);
    const Node& node = *nodes_[at];
    if (copy.role != CopyRole::kInSync || !node.group || node.copy != copy.id || node.paused) continue;
    if (without_metadata_.contains(at) || loop_.now() - node.granted_at > milliseconds(1000)) continue;
    if (copy.node == now.primary && !primary_lives) continue;
    const LogPosition last = node.group->status().last;
    const bool larger = std::pair(last.term, last.sequence) > std::pair(best_last.term, best_last.sequence);
    if (!best || larger || (last == best_last && loop_.happens(0.5))) {
      best = at;
      best_last = last;
    }
  }
  // Its old lease may still run while it is cut off from here; a process that is gone has none.
  if (best) (void)command(cluster::Promote{now.shard, now.term, now.isr_version, name(*best)});
}

void ReplicationCluster::propose(std::size_t node, const cluster::MetadataCommand& proposed,
                                 std::function<void(const ProposalResult&)> answer) {
  const auto lost = [this, node] { return without_metadata_.contains(node) || loop_.happens(faults_.lost_proposal); };
  const auto timeout = [this, node, answer] {
    on_node(node, kCallTimeout, [answer] { answer({ProposalResult::Outcome::kUnknown, std::nullopt}); });
  };
  if (lost()) return timeout();
  loop_.after(loop_.between(1, 100), [this, node, proposed, answer, lost, timeout] {
    const bool committed = static_cast<bool>(command(proposed));
    if (lost()) return timeout();
    ProposalResult result;
    result.outcome = committed ? ProposalResult::Outcome::kCommitted : ProposalResult::Outcome::kRefused;
    if (loop_.happens(0.7)) result.placement = placement();
    on_node(node, loop_.between(1, 20), [answer, result] { answer(result); });
  });
}

Result<void> ReplicationCluster::apply(std::size_t node, std::span<const storage::StoredWrite> writes) {
  Node& self = *nodes_[node];
  // A writer holds the shard.
  if (self.writing) return Error{ErrorType::kInternal, "the shard is busy"};
  std::vector<storage::StoredWrite> fresh;
  for (const auto& write : writes) {
    if (write.sequence > self.store->applied_sequence()) fresh.push_back(write);
  }
  history_.applied(name(node).value(), fresh);
  return fresh.empty() ? Result<void>() : self.store->write(fresh);
}

void ReplicationCluster::fetch(std::size_t node, const NodeId& primary, std::uint64_t term) {
  Node& self = *nodes_[node];
  self.fetching = false;
  if (!self.group) return;
  Link link(*this, node, index_of(primary));
  const storage::CopyNumber number = self.next_number++;
  const replication::CheckpointTarget target{self.disk.get(), number, "/nowhere"};
  const auto received = replication::receive_checkpoint(link, placement().shard, term, target);
  if (!received) {
    spdlog::info("node {}: no checkpoint: {}", node, received.error().message);
    ASSERT_TRUE(self.disk->drop_store(number));
    self.group->checkpoint_failed();
    return;
  }
  ASSERT_TRUE(replication::hand_on(*self.group, target));
  ++self.checkpoints;
  const storage::CopyNumber old = std::exchange(self.number, number);
  close(node);
  ASSERT_TRUE(self.disk->drop_store(old));
  open(node);
  on_node(node, milliseconds(1), [this, node] { tick(node); });
  on_node(node, milliseconds(1), [this, node] { beat(node); });
}

// Clients.

void ReplicationCluster::write(std::size_t node, std::uint64_t id, bool deleted) {
  Node& self = *nodes_[node];
  if (!self.group || self.paused || self.writing) return;
  const auto pending = self.group->settle();
  if (!pending) return;
  if (!pending->empty() && !apply(node, *pending)) return;
  std::vector<storage::StoredWrite> writes;
  const std::uint64_t count = 1 + loop_.below(3);
  for (std::uint64_t i = 0; i < count; ++i) {
    storage::StoredWrite change;
    change.sequence = self.store->last_sequence() + 1 + i;
    change.deleted = deleted;
    change.point.id = PointId(id + i);
    if (!deleted) change.point.vector = {next_value_++};
    writes.push_back(std::move(change));
  }
  const auto ticket = self.group->begin_write(writes);
  if (!ticket) return;
  self.writing = true;
  follow_write(node, *ticket, std::move(writes), loop_.now() + loop_.between(200, 5000));
}

void ReplicationCluster::follow_write(std::size_t node, const GroupCore::Ticket& ticket,
                                      std::vector<storage::StoredWrite> writes, EventLoop::Point until) {
  const auto decision = nodes_[node]->group->decision(ticket);
  if (decision == GroupCore::Decision::kPending && loop_.now() < until) {
    return on_node(node, milliseconds(2), [this, node, ticket, writes = std::move(writes), until] {
      follow_write(node, ticket, writes, until);
    });
  }
  nodes_[node]->writing = false;
  if (decision == GroupCore::Decision::kCommitted) finish_write(node, ticket, writes);
}

void ReplicationCluster::finish_write(std::size_t node, const GroupCore::Ticket& ticket,
                                      const std::vector<storage::StoredWrite>& writes) {
  Node& self = *nodes_[node];
  if (!self.group->acknowledgeable()) return;
  expect_on_every_copy_in_sync(ticket.sequence);
  history_.applied(name(node).value(), writes);
  history_.acknowledged(writes);
  EXPECT_TRUE(self.group->store_decided(writes));
}

void ReplicationCluster::expect_on_every_copy_in_sync(std::uint64_t sequence) {
  EXPECT_GE(placement().in_sync_count(), placement().min_in_sync);
  for (const auto& copy : placement().copies) {
    const std::size_t at = index_of(copy.node);
    if (copy.role != CopyRole::kInSync || nodes_[at]->copy != copy.id) continue;  // or it was wiped
    EXPECT_GE((*nodes_[at]->disk->open_log(nodes_[at]->number))->last().sequence, sequence)
        << "acknowledged, and not on the copy in sync on " << copy.node.value();
  }
}

void ReplicationCluster::strong_read(std::size_t node) {
  Node& self = *nodes_[node];
  if (!self.group || self.paused || !self.group->readable(replication::ReadConsistency::kPrimary)) return;
  EXPECT_GE(self.group->points().applied_sequence(), history_.last_acknowledged()) << "a strong read misses a write";
}

void ReplicationCluster::converge(milliseconds limit) {
  const auto done = [&] {
    const auto leader = primary();
    if (!leader || !up(*leader) || !group(*leader).stats().open) return false;
    const std::uint64_t last = group(*leader).last_sequence();
    const std::uint32_t wanted = metadata_.collections.begin()->second.config.sharding.replication_factor;
    if (placement().in_sync_count() != wanted) return false;
    for (const auto& copy : placement().copies) {
      const std::size_t at = index_of(copy.node);
      if (!up(at) || group(at).status().applied != last) return false;
    }
    return group(*leader).committed() == last;
  };
  loop_.run_until(done, limit);
  EXPECT_TRUE(done()) << "the copies do not converge: term " << placement().term << " version "
                      << placement().isr_version << " primary " << placement().primary.value() << " in sync "
                      << placement().in_sync_count();
  for (std::size_t i = 0; !done() && i < size(); ++i) {
    if (!up(i)) continue;
    const auto status = group(i).status();
    ADD_FAILURE() << name(i).value() << " term " << status.term << " last " << status.last.sequence << "/"
                  << status.last.term << " applied " << status.applied << " commit " << group(i).committed()
                  << " leading " << status.leading << " " << group(i).problem();
  }
}

void ReplicationCluster::expect_equal_copies() {
  std::uint64_t last = 0;
  for (const auto& copy : placement().copies) {
    const std::size_t at = index_of(copy.node);
    if (!up(at)) continue;
    const std::uint64_t sequence = group(at).status().applied;
    last = std::max(last, sequence);
    std::map<PointId, std::pair<float, std::uint64_t>> points;
    EXPECT_TRUE(group(at).points().scan(std::nullopt, [&](storage::StoredPoint&& point) {
      points[point.point.id] = {point.point.vector.at(0), point.sequence};
      return true;
    }));
    EXPECT_EQ(points, history_.state_at(sequence)) << copy.node.value() << " at " << sequence;
  }
  EXPECT_GE(last, history_.last_acknowledged());
}

}  // namespace vectorizer::testing
