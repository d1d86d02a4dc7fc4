#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vectorizer::cluster {

/// Consistent hashing with virtual nodes (Karger et al. 1997): a member owns the keys between its virtual nodes and
/// their predecessors on a 64-bit circle. The same members give the same ring on every node and in every version.
///
/// One circle of random points is uneven by about 1/sqrt(virtual nodes); of a few dozen circles, each salted
/// differently, the most even one is kept. The choice depends on members and virtual nodes alone.
///
/// Immutable after construction, so thread-safe.
class HashRing {
 public:
  /// Stored with each collection: a later ring must not move the points of an older one.
  static constexpr std::uint32_t kVersion = 1;

  /// @param labels one per member, distinct; a member is named by its position here. Not empty.
  /// @param virtual_nodes points per member on the circle, >= 1.
  HashRing(std::span<const std::string> labels, std::uint32_t virtual_nodes);

  /// The member that owns `hash`.
  std::size_t owner(std::uint64_t hash) const;
  /// The first `count` distinct members met clockwise from `hash`.
  std::vector<std::size_t> owners(std::uint64_t hash, std::size_t count) const;
  /// The share of the circle that each member owns; they add up to 1.
  std::vector<double> shares() const;

 private:
  struct VirtualNode {
    std::uint64_t hash;
    std::uint32_t member;
  };
  static std::vector<VirtualNode> circle(std::span<const std::string> labels, std::uint32_t virtual_nodes,
                                         std::uint64_t salt);
  std::size_t first_at_or_after(std::uint64_t hash) const;

  std::size_t members_;
  std::vector<VirtualNode> circle_;  // ascending by hash, then member
};

}  // namespace vectorizer::cluster
