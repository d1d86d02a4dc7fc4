#include "vectorizer/cluster/hash_ring.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace vectorizer::cluster {
namespace {

constexpr std::uint64_t kMaxSalts = 48;
// Work bound of the search for an even circle: with very many virtual nodes the first one is even enough.
constexpr std::size_t kMaxPointsTried = 1U << 18;
constexpr double kCircle = 18446744073709551616.0;  // 2^64

std::vector<double> shares_of(const auto& circle, std::size_t members) {
  std::vector<double> shares(members, 0.0);
  for (std::size_t i = 0; i < circle.size(); ++i) {
    const auto previous = circle[(i + circle.size() - 1) % circle.size()].hash;
    const auto arc = circle[i].hash - previous;  // modulo 2^64: the first arc crosses zero
    shares[circle[i].member] += circle.size() == 1 ? 1.0 : static_cast<double>(arc) / kCircle;
  }
  return shares;
}

}  // namespace

HashRing::HashRing(std::span<const std::string> labels, std::uint32_t virtual_nodes) : members_(labels.size()) {
  assert(!labels.empty() && virtual_nodes >= 1);
  const auto points = labels.size() * virtual_nodes;
  const auto salts = std::clamp<std::uint64_t>(kMaxPointsTried / points, 1, kMaxSalts);
  double best = std::numeric_limits<double>::infinity();
  for (std::uint64_t salt = 0; salt < salts; ++salt) {
    auto candidate = circle(labels, virtual_nodes, salt);
    double worst = 0;
    for (const double share : shares_of(candidate, members_)) {
      worst = std::max(worst, std::abs(share * static_cast<double>(members_) - 1.0));
    }
    if (worst < best) {
      best = worst;
      circle_ = std::move(candidate);
    }
  }
}

std::vector<HashRing::VirtualNode> HashRing::circle(std::span<const std::string> labels, std::uint32_t virtual_nodes,
                                                    std::uint64_t salt) {
  std::vector<VirtualNode> circle;
  circle.reserve(labels.size() * virtual_nodes);
  for (std::size_t member = 0; member < labels.size(); ++member) {
    for (std::uint32_t i = 0; i < virtual_nodes; ++i) {
      const auto name = labels[member] + '#' + std::to_string(i);
      circle.push_back({XXH3_64bits_withSeed(name.data(), name.size(), salt), static_cast<std::uint32_t>(member)});
    }
  }
  std::sort(circle.begin(), circle.end(), [](const VirtualNode& a, const VirtualNode& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.member < b.member;
  });
  return circle;
}

std::size_t HashRing::first_at_or_after(std::uint64_t hash) const {
  const auto found = std::lower_bound(circle_.begin(), circle_.end(), hash,
                                      [](const VirtualNode& node, std::uint64_t value) { return node.hash < value; });
  return found == circle_.end() ? 0 : static_cast<std::size_t>(found - circle_.begin());
}

std::size_t HashRing::owner(std::uint64_t hash) const {
  return members_ == 1 ? 0 : circle_[first_at_or_after(hash)].member;
}

std::vector<std::size_t> HashRing::owners(std::uint64_t hash, std::size_t count) const {
  std::vector<std::size_t> found;
  const auto start = first_at_or_after(hash);
  for (std::size_t i = 0; i < circle_.size() && found.size() < std::min(count, members_); ++i) {
    const std::size_t member = circle_[(start + i) % circle_.size()].member;
    if (std::find(found.begin(), found.end(), member) == found.end()) found.push_back(member);
  }
  return found;
}

std::vector<double> HashRing::shares() const {
  return shares_of(circle_, members_);
}

}  // namespace vectorizer::cluster
