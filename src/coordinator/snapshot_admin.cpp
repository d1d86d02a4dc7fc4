#include "vectorizer/coordinator/snapshot_admin.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <random>
#include <set>
#include <thread>

#include "node_calls.hpp"
#include "vectorizer/base/periodic.hpp"

namespace vectorizer::coordinator {
namespace {

using cluster::ClusterMetadata;
using cluster::NodeStatus;
using peer::SnapshotInfo;
using peer::SnapshotOrder;
using peer::SnapshotState;
using Clock = std::chrono::steady_clock;
using Infos = std::vector<SnapshotInfo>;
using Answers = std::map<NodeId, Result<Infos>>;
using Sequences = std::map<ShardId, std::uint64_t>;

constexpr std::chrono::milliseconds kListWait{5000};
constexpr std::chrono::milliseconds kOrderWait{65000};
constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::milliseconds kScheduleTick{1000};
constexpr std::chrono::seconds kAgainAfter{60};
constexpr std::string_view kScheduled = "auto-";

std::string new_name(std::string_view prefix) {
  std::tm utc{};
  const std::time_t now = std::time(nullptr);
  ::gmtime_r(&now, &utc);
  std::random_device random;
  return fmt::format("{}{:%Y%m%dT%H%M%SZ}-{:04x}", prefix, utc, random() & 0xffffU);
}

Error not_found(const std::string& name) {
  return Error{ErrorType::kNotFound, fmt::format("snapshot '{}' does not exist", name)}.with("id", name);
}

bool is_away(const Error& error) {
  return error.type == ErrorType::kNodeUnreachable || error.type == ErrorType::kTimeout;
}

/// The worst first.
constexpr std::array kWorst{SnapshotState::kFailed, SnapshotState::kDamaged, SnapshotState::kCreating,
                            SnapshotState::kVerifying, SnapshotState::kComplete};

std::string status_of(const SnapshotView& view) {
  for (const auto state : kWorst) {
    const bool any = std::any_of(view.nodes.begin(), view.nodes.end(),
                                 [&](const NodeSnapshot& node) { return node.info && node.info->state == state; });
    if (any && state != SnapshotState::kComplete) return std::string(snapshot_state_name(state));
  }
  const bool all =
      std::all_of(view.nodes.begin(), view.nodes.end(), [](const NodeSnapshot& node) { return node.info.has_value(); });
  return all ? "complete" : "incomplete";
}

bool under_way(const SnapshotView& view) {
  return view.status == "creating" || view.status == "verifying";
}

class SnapshotAdminImpl final : public SnapshotAdmin {
 public:
  SnapshotAdminImpl(SnapshotAdminOptions options, cluster::MetadataLog& metadata, peer::PeerDirectory& peers)
      : options_(std::move(options)), metadata_(metadata), peers_(peers), calls_(options_.self, options_.call_threads) {
    if (options_.interval.count() > 0) {
      schedule_.start(kScheduleTick, [this](const std::stop_token& stop) { follow_schedule(stop); });
    }
  }
  ~SnapshotAdminImpl() override { stop(); }

  Result<SnapshotView> create(const std::optional<std::string>& name, SnapshotScope scope) override;
  std::vector<SnapshotView> list(SnapshotScope scope) override { return views(scope, std::nullopt); }
  Result<SnapshotView> get(const std::string& name, SnapshotScope scope) override;
  Result<SnapshotView> verify(const std::string& name, SnapshotScope scope) override;
  Result<void> remove(const std::string& name, SnapshotScope scope) override;
  void stop() override { schedule_.stop(); }

 private:
  std::vector<NodeId> nodes(SnapshotScope scope) const;
  Answers order(const std::vector<NodeId>& nodes, const SnapshotOrder& order, std::chrono::milliseconds wait);
  Result<std::map<NodeId, Sequences>> acknowledged();
  Result<void> check_taken(const std::map<NodeId, Sequences>& before, const Answers& answers) const;
  Result<SnapshotView> settled(const std::string& name, SnapshotScope scope);
  std::vector<SnapshotView> views(SnapshotScope scope, const std::optional<std::string>& name);
  void drop(const std::string& name, SnapshotScope scope);

  void follow_schedule(const std::stop_token& stop);
  void expire();

  const SnapshotAdminOptions options_;
  cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  NodeCalls calls_;
  Clock::time_point not_before_ = Clock::now();  // of the schedule's thread
  Periodic schedule_;                            // last: its thread ends before what it uses
};

/// Everybody who may hold data, also if he is away now: his answer is missed then.
std::vector<NodeId> SnapshotAdminImpl::nodes(SnapshotScope scope) const {
  if (scope == SnapshotScope::kNode) return {options_.self};
  std::vector<NodeId> all;
  for (const auto& [id, node] : metadata_.current()->nodes) {
    if (node.status != NodeStatus::kRemoved && node.status != NodeStatus::kJoining) all.push_back(id);
  }
  if (all.empty()) all.push_back(options_.self);
  return all;
}

Answers SnapshotAdminImpl::order(const std::vector<NodeId>& nodes, const SnapshotOrder& order,
                                 std::chrono::milliseconds wait) {
  return calls_.ask<Infos>(nodes, wait, [&peers = peers_, order](const NodeId& node) -> Result<Infos> {
    auto* peer = peers.find(node);
    if (peer != nullptr) return peer->snapshot(order);
    return no_client(node);
  });
}

/// Of every shard, by the node of its primary: a sequence that is not before anything acknowledged by now. A count is a
/// read of what the primary has acknowledged: the node that answers it led the shard then.
Result<std::map<NodeId, Sequences>> SnapshotAdminImpl::acknowledged() {
  RETURN_IF_ERROR(metadata_.catch_up());
  const auto metadata = metadata_.current();
  std::map<NodeId, std::vector<ShardId>> led;
  for (const auto& [id, shard] : metadata->placements) {
    if (shard.primary.value().empty()) {
      return Error{ErrorType::kShardUnavailable,
                   fmt::format("shard {} of collection '{}' has no primary", id.value(), shard.collection)}
          .with("shard_id", id.value());
    }
    led[shard.primary].push_back(id);
  }
  std::vector<NodeId> primaries;
  for (const auto& [node, shards] : led) primaries.push_back(node);
  auto answers =
      calls_.ask<Sequences>(primaries, kListWait, [&peers = peers_, led](const NodeId& node) -> Result<Sequences> {
        auto* peer = peers.find(node);
        if (peer == nullptr) {
          return no_client(node);
        }
        const auto& shards = led.at(node);
        ReadFrom primary;
        primary.deadline = Deadline(Clock::now(), kListWait.count());
        for (const auto& led_here : peer->count(shards, std::nullopt, primary)) {
          if (!led_here.answer) return led_here.answer.error();
        }
        ASSIGN_OR_RETURN(const auto reports, peer->report(shards));
        Sequences sequences;
        for (const auto& report : reports) sequences[report.shard] = report.sequence;
        if (sequences.size() == shards.size()) return sequences;
        return Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"};
      });
  std::map<NodeId, Sequences> sequences;
  for (auto& [node, answer] : answers) {
    if (!answer) {
      auto error = answer.error();
      error.message = fmt::format("no snapshot, because node '{}' cannot take part: {}", node.value(), error.message);
      return error;
    }
    sequences[node] = std::move(*answer);
  }
  return sequences;
}

/// Whether every shard's primary took part. Somebody else may be away: his copies are not needed.
Result<void> SnapshotAdminImpl::check_taken(const std::map<NodeId, Sequences>& before, const Answers& answers) const {
  for (const auto& [node, answer] : answers) {
    if (answer || (is_away(answer.error()) && before.count(node) == 0 && node != options_.self)) continue;
    auto error = answer.error();
    error.message = fmt::format("node '{}': {}", node.value(), error.message);
    return error;
  }
  for (const auto& [node, sequences] : before) {
    if (answers.count(node) != 0) continue;
    return Error{ErrorType::kNodeUnreachable, fmt::format("node '{}' is no member any more", node.value())};
  }
  return {};
}

Result<SnapshotView> SnapshotAdminImpl::create(const std::optional<std::string>& name, SnapshotScope scope) {
  SnapshotOrder wanted;
  wanted.kind = SnapshotOrder::Kind::kCreate;
  wanted.name = name.value_or(new_name("snapshot-"));
  wanted.nodes = nodes(scope);
  std::map<NodeId, Sequences> before;
  if (scope == SnapshotScope::kCluster) {
    if (name && get(*name, scope)) {  // before anything is made that would have to be told from it
      return Error{ErrorType::kConflict, fmt::format("snapshot '{}' exists already", *name)}.with("id", *name);
    }
    ASSIGN_OR_RETURN(before, acknowledged());
  }
  const auto answers = order(wanted.nodes, wanted, kOrderWait);
  if (auto taken = check_taken(before, answers); !taken) {
    const bool any =
        std::any_of(answers.begin(), answers.end(), [](const auto& answer) { return bool(answer.second); });
    if (any) drop(wanted.name, scope);
    return taken.error();
  }
  ASSIGN_OR_RETURN(auto view, settled(wanted.name, scope));
  if (view.status == "failed") {
    std::string why = "a node failed";
    for (const auto& node : view.nodes) {
      if (node.info && !node.info->problems.empty()) why = node.node.value() + ": " + node.info->problems.front();
    }
    drop(wanted.name, scope);
    return Error{ErrorType::kInternal, fmt::format("snapshot '{}' was not made: {}", wanted.name, why)};
  }
  if (view.status == "creating") return view;
  for (const auto& [node, sequences] : before) {
    for (const auto& [shard, sequence] : sequences) {
      const auto point = view.points.find(shard);
      if (point != view.points.end() && point->second.sequence >= sequence) continue;
      if (metadata_.current()->placements.count(shard) == 0) continue;  // it was dropped meanwhile
      drop(wanted.name, scope);
      return Error{ErrorType::kShardUnavailable,
                   fmt::format("shard {} moved while the snapshot was made; make another", shard.value())}
          .with("shard_id", shard.value());
    }
  }
  return view;
}

/// What is left of a snapshot that was not made, as soon as it can be removed.
void SnapshotAdminImpl::drop(const std::string& name, SnapshotScope scope) {
  const auto left = settled(name, scope);
  if (!left && left.error().type == ErrorType::kNotFound) return;
  if (auto removed = remove(name, scope); !removed) {
    spdlog::warn("snapshot '{}' was not made, and not removed either: {}", name, removed.error().message);
  }
}

/// The snapshot once nothing is done to it any more, or when the wait is over.
Result<SnapshotView> SnapshotAdminImpl::settled(const std::string& name, SnapshotScope scope) {
  const auto until = Clock::now() + options_.wait;
  for (;;) {
    ASSIGN_OR_RETURN(auto view, get(name, scope));
    if (!under_way(view) || Clock::now() + kPoll >= until) return view;
    std::this_thread::sleep_for(kPoll);
  }
}

std::vector<SnapshotView> SnapshotAdminImpl::views(SnapshotScope scope, const std::optional<std::string>& name) {
  const auto asked = nodes(scope);
  auto answers = order(asked, SnapshotOrder{}, kListWait);
  std::map<std::string, SnapshotView> by_name;
  for (auto& [node, answer] : answers) {
    if (!answer) continue;
    for (auto& info : *answer) {
      if (name && info.name != *name) continue;
      auto& view = by_name[info.name];
      view.id = info.name;
      const bool first = view.created_at_ms == 0 || info.created_at_ms < view.created_at_ms;
      if (first && info.created_at_ms != 0) view.created_at_ms = info.created_at_ms;
      view.bytes += info.bytes;
      view.shared_bytes += info.shared_bytes;
      for (const auto& point : info.points) {
        auto& furthest = view.points[point.shard];
        const auto rank = [](const peer::SnapshotPoint& of) { return std::pair(of.term, of.sequence); };
        if (rank(furthest) <= rank(point)) furthest = point;
      }
      view.nodes.push_back({node, std::move(info), ""});
    }
  }
  std::vector<SnapshotView> all;
  for (auto& [id, view] : by_name) {
    std::set<NodeId> wanted, found;
    for (const auto& node : view.nodes) {
      found.insert(node.node);
      wanted.insert(node.info->nodes.begin(), node.info->nodes.end());
    }
    for (const auto& node : wanted) {
      const auto answer = answers.find(node);
      if (scope == SnapshotScope::kNode || found.count(node) != 0) continue;
      const bool away = answer != answers.end() && !answer->second;
      view.nodes.push_back({node, std::nullopt, away ? answer->second.error().message : "it does not have it"});
    }
    view.status = status_of(view);
    all.push_back(std::move(view));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.created_at_ms < b.created_at_ms; });
  return all;
}

Result<SnapshotView> SnapshotAdminImpl::get(const std::string& name, SnapshotScope scope) {
  auto found = views(scope, name);
  if (found.empty()) return not_found(name);
  return std::move(found.front());
}

Result<SnapshotView> SnapshotAdminImpl::verify(const std::string& name, SnapshotScope scope) {
  SnapshotOrder wanted;
  wanted.kind = SnapshotOrder::Kind::kVerify;
  wanted.name = name;
  bool found = false;
  for (const auto& [node, answer] : order(nodes(scope), wanted, kListWait)) {
    if (answer) {
      found = true;
    } else if (answer.error().type == ErrorType::kConflict) {
      return answer.error();
    }
  }
  if (!found) return not_found(name);
  return settled(name, scope);
}

Result<void> SnapshotAdminImpl::remove(const std::string& name, SnapshotScope scope) {
  SnapshotOrder wanted;
  wanted.kind = SnapshotOrder::Kind::kRemove;
  wanted.name = name;
  bool found = false;
  std::optional<Error> problem;
  for (const auto& [node, answer] : order(nodes(scope), wanted, kOrderWait)) {
    if (answer) {
      found = true;
    } else if (answer.error().type != ErrorType::kNotFound) {
      problem = answer.error();
      problem->message = fmt::format("node '{}': {}", node.value(), problem->message);
    }
  }
  if (problem) return *problem;
  if (!found) return not_found(name);
  return {};
}

// ---- The schedule ----

/// Only the leader of the metadata makes them; who leads next sees what there is, and goes on.
void SnapshotAdminImpl::follow_schedule(const std::stop_token& stop) {
  if (Clock::now() < not_before_ || metadata_.leader() != options_.self || metadata_.current()->forming()) return;
  std::int64_t newest = 0;
  for (const auto& view : list(SnapshotScope::kCluster)) {
    if (view.id.starts_with(kScheduled)) newest = std::max(newest, view.created_at_ms);
  }
  using std::chrono::system_clock;
  const auto age = system_clock::now().time_since_epoch() - std::chrono::milliseconds(newest);
  if (age < options_.interval) {
    const auto left = options_.interval - std::chrono::duration_cast<std::chrono::milliseconds>(age);
    not_before_ = Clock::now() + std::min<std::chrono::milliseconds>(left, kAgainAfter);
    return;
  }
  if (stop.stop_requested()) return;
  const auto made = create(new_name(kScheduled), SnapshotScope::kCluster);
  if (!made) {
    spdlog::warn("the snapshot that was due was not made: {}", made.error().message);
    not_before_ = Clock::now() + std::min<std::chrono::seconds>(options_.interval, kAgainAfter);
    return;
  }
  spdlog::info("snapshot '{}' was due: {}", made->id, made->status);
  expire();
}

void SnapshotAdminImpl::expire() {
  auto all = list(SnapshotScope::kCluster);
  std::erase_if(all, [](const SnapshotView& view) { return !view.id.starts_with(kScheduled) || under_way(view); });
  for (std::size_t i = 0; i + options_.keep < all.size(); ++i) {
    if (auto removed = remove(all[i].id, SnapshotScope::kCluster); !removed) {
      spdlog::warn("snapshot '{}' is kept for now: {}", all[i].id, removed.error().message);
    }
  }
}

}  // namespace

std::string_view snapshot_state_name(SnapshotState state) {
  switch (state) {
    case SnapshotState::kCreating:
      return "creating";
    case SnapshotState::kComplete:
      return "complete";
    case SnapshotState::kFailed:
      return "failed";
    case SnapshotState::kVerifying:
      return "verifying";
    case SnapshotState::kDamaged:
      return "damaged";
  }
  return "?";
}

std::unique_ptr<SnapshotAdmin> make_snapshot_admin(SnapshotAdminOptions options, cluster::MetadataLog& metadata,
                                                   peer::PeerDirectory& peers) {
  return std::make_unique<SnapshotAdminImpl>(std::move(options), metadata, peers);
}

}  // namespace vectorizer::coordinator
