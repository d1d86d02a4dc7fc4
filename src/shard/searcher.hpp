#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "search_planner.hpp"
#include "shard_state.hpp"

namespace vectorizer::shard {

/// Searches one shard beside its writers.
///
/// The index is searched without locks, so what it finds may be gone by then. A pass therefore ends with a look at the
/// table: what was added since it began is scanned and merged in (a point that is being updated is found in its new
/// version), what was removed is dropped. If that leaves too few, or the store has newer versions of the hits, the pass
/// is repeated; later attempts keep the writers out, first only from that look on, because a search of the index is
/// long. So an answer is complete as of one moment.
///
/// A search that passes its deadline ends with kTimeout: before each pass and between the pieces of a scan.
class Searcher {
 public:
  explicit Searcher(const ShardState& state) : state_(state) {}

  Result<std::vector<ScoredPoint>> search(const SearchQuery& query) const;

 private:
  enum class Writers { kIn, kOutAtTheEnd, kOut };
  struct Pass {
    std::shared_ptr<Generation> generation;
    SearchPlan plan;
    std::size_t seen = 0;  ///< slots that existed when it began
    std::size_t want = 0;
    bool last = false;         ///< no writer is in between, and what it finds is the answer
    bool ties_matter = false;  ///< the answer is exact, so the cut among equal distances must be by id
    index::SearchParams params;
  };
  struct Hit {
    float distance = 0;
    SequenceNumber sequence = 0;
    bool payload_in_store = false;
    ScoredPoint point;
  };
  Result<Pass> plan(const SearchQuery& query, bool last) const;
  Result<std::vector<index::Neighbor>> nearest(const Pass& pass, const SearchQuery& query) const;
  /// Nothing when writers came in between and too little is left.
  Result<std::optional<std::vector<Hit>>> settle(const Pass& pass, const SearchQuery& query,
                                                 std::vector<index::Neighbor> neighbors) const;
  Result<std::optional<std::vector<ScoredPoint>>> complete(std::vector<Hit> hits, const SearchQuery& query,
                                                           bool last) const;
  Result<std::optional<std::vector<ScoredPoint>>> attempt(const SearchQuery& query, Writers writers) const;

  const ShardState& state_;
};

}  // namespace vectorizer::shard
