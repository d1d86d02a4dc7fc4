#include "spread.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

namespace vectorizer::cluster {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// Positions of the largest and smallest load among the nodes that take part; nothing without any.
std::optional<std::pair<std::size_t, std::size_t>> extremes(const std::vector<std::size_t>& load,
                                                            const std::vector<bool>& open) {
  std::size_t most = kNone, least = kNone;
  for (std::size_t node = 0; node < load.size(); ++node) {
    if (!open[node]) continue;
    if (most == kNone || load[node] > load[most]) most = node;
    if (least == kNone || load[node] < load[least]) least = node;
  }
  if (most == kNone) return std::nullopt;
  return std::pair{most, least};
}

}  // namespace

bool Spread::holds(std::size_t shard, std::size_t node) const {
  return std::find(shards_[shard].begin(), shards_[shard].end(), node) != shards_[shard].end();
}

void Spread::add(std::vector<std::size_t> nodes) {
  for (const auto node : nodes) ++copies_[node];
  if (!nodes.empty()) ++primaries_[nodes.front()];
  origins_.push_back(nodes);
  shards_.push_back(std::move(nodes));
}

void Spread::lead(std::size_t shard, std::size_t node) {
  auto& nodes = shards_[shard];
  --primaries_[nodes.front()];
  ++primaries_[node];
  std::iter_swap(nodes.begin(), std::find(nodes.begin(), nodes.end(), node));
}

void Spread::resize(std::size_t shard, std::size_t factor, const std::vector<std::size_t>& preference) {
  auto& nodes = shards_[shard];
  while (nodes.size() > std::max<std::size_t>(factor, 1)) {
    const auto most = std::max_element(nodes.begin() + 1, nodes.end(),
                                       [&](std::size_t a, std::size_t b) { return copies_[a] < copies_[b]; });
    --copies_[*most];
    nodes.erase(most);
  }
  const bool led = !nodes.empty();
  while (nodes.size() < factor) {
    std::size_t best = kNone;
    for (const auto node : preference) {
      if (open_[node] && !holds(shard, node) && (best == kNone || copies_[node] < copies_[best])) best = node;
    }
    if (best == kNone) break;
    ++copies_[best];
    nodes.push_back(best);
  }
  if (led || nodes.empty()) return;
  std::iter_swap(nodes.begin(), std::min_element(nodes.begin(), nodes.end(), [&](std::size_t a, std::size_t b) {
                   return primaries_[a] < primaries_[b];
                 }));
  ++primaries_[nodes.front()];
}

int Spread::cost_of_leaving(std::size_t shard, std::size_t node) const {
  const auto& origin = origins_[shard];
  if (std::find(origin.begin(), origin.end(), node) == origin.end()) return 0;
  return shards_[shard].front() == node ? 2 : 1;
}

void Spread::even_copies() {
  // Each move brings two loads nearer to each other, so it ends.
  for (auto pair = extremes(copies_, open_); pair && copies_[pair->first] >= copies_[pair->second] + 2;
       pair = extremes(copies_, open_)) {
    const auto [most, least] = *pair;
    std::size_t chosen = kNone;
    int lowest_cost = 0;
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      if (!holds(shard, most) || holds(shard, least)) continue;
      const int cost = cost_of_leaving(shard, most);
      if (chosen != kNone && cost >= lowest_cost) continue;
      chosen = shard;
      lowest_cost = cost;
    }
    auto& nodes = shards_[chosen];  // there is one: `most` has more shards than `least`
    if (nodes.front() == most) {
      --primaries_[most];
      ++primaries_[least];
    }
    *std::find(nodes.begin(), nodes.end(), most) = least;
    --copies_[most];
    ++copies_[least];
  }
}

std::vector<Spread::Handover> Spread::chain_from(std::size_t from) const {
  // Breadth first over "leads a shard that has a copy on".
  std::vector<std::size_t> through(copies_.size(), kNone);  // the shard by which a node was reached
  std::vector<std::size_t> before(copies_.size(), kNone);
  std::deque<std::size_t> reached{from};
  before[from] = from;
  for (; !reached.empty(); reached.pop_front()) {
    const auto node = reached.front();
    if (primaries_[node] + 2 <= primaries_[from]) {
      std::vector<Handover> chain;
      for (auto at = node; at != from; at = before[at]) chain.push_back({through[at], at});
      return chain;
    }
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      if (shards_[shard].empty() || shards_[shard].front() != node) continue;
      for (const auto other : shards_[shard]) {
        if (!open_[other] || before[other] != kNone) continue;
        before[other] = node;
        through[other] = shard;
        reached.push_back(other);
      }
    }
  }
  return {};
}

void Spread::even_primaries() {
  // Each chain brings two loads nearer to each other, so it ends.
  for (std::size_t from = 0; from < primaries_.size();) {
    const auto chain = open_[from] ? chain_from(from) : std::vector<Handover>{};
    for (const auto& [shard, to] : chain) lead(shard, to);
    from = chain.empty() ? from + 1 : 0;
  }
}

}  // namespace vectorizer::cluster
