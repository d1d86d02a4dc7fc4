#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace vectorizer::cluster {

/// Copies of shards on nodes, both known by position, made even step by step. Deterministic: ties go to the node that
/// comes first.
class Spread {
 public:
  /// @param open which nodes may be given copies; the others keep what they have.
  explicit Spread(std::vector<bool> open)
      : open_(std::move(open)), copies_(open_.size(), 0), primaries_(open_.size(), 0) {}

  /// Adds a shard with the copies that it has, the primary's first.
  void add(std::vector<std::size_t> nodes);
  /// Gives shard `shard` copies on the least loaded nodes, or takes them from the most loaded ones, until it has
  /// `factor`. @param preference all nodes, the favourite first; breaks ties.
  void resize(std::size_t shard, std::size_t factor, const std::vector<std::size_t>& preference);
  /// Moves copies until no open node has two more than another.
  void even_copies();
  /// Lets other copies lead until no open node leads two more than another, where copies allow it.
  void even_primaries();

  const std::vector<std::size_t>& nodes(std::size_t shard) const { return shards_[shard]; }

 private:
  bool holds(std::size_t shard, std::size_t node) const;
  /// 0 for a copy that only has been planned, 1 for one with data, 2 for one whose move needs a promotion too.
  int cost_of_leaving(std::size_t shard, std::size_t node) const;
  struct Handover {
    std::size_t shard, to;
  };
  /// Handovers that together take one shard from node `from` and give one to a node that leads at least two less; the
  /// last one first, empty for none.
  std::vector<Handover> chain_from(std::size_t from) const;
  void lead(std::size_t shard, std::size_t node);

  std::vector<bool> open_;
  std::vector<std::size_t> copies_, primaries_;             // by node
  std::vector<std::vector<std::size_t>> shards_, origins_;  // by shard; origins_ as they were added
};

}  // namespace vectorizer::cluster
