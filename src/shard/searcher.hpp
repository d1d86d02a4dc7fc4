#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "search_planner.hpp"
#include "shard_state.hpp"

namespace vectorizer::shard {

/// Searches one shard beside its writers.
///
/// The index is searched without locks, so what it finds may be gone by then. A pass therefore ends with a look at the
/// table: what was added since it began is scanned and merged in (a point that is being updated is found in its new
/// version), what was removed is dropped. If that leaves too few, or the store has newer versions of the hits, the pass
/// is repeated. The last one holds the table all the while, so that no write becomes visible meanwhile; writers wait
/// for it, and it waits for no disk but that of its own reads. One batch can then be in the store and not yet in the
/// table: of its points the last pass takes what the store has. So an answer is complete as of one moment.
///
/// Where the index keeps only codes, the best candidates are compared again with the vectors of the store.
///
/// A search that passes its deadline ends with kTimeout: before each pass and between the pieces of a scan.
class Searcher {
 public:
  explicit Searcher(const ShardState& state) : state_(state) {}

  Result<std::vector<ScoredPoint>> search(const SearchQuery& query) const;

 private:
  struct Pass {
    std::shared_ptr<Generation> generation;
    SearchPlan plan;
    std::size_t seen = 0;        ///< slots that existed when it began
    std::size_t want = 0;        ///< results
    std::size_t candidates = 0;  ///< that are kept until the store has been read
    bool ties_matter = false;    ///< the answer is exact, so the cut among equal distances must be by id
    bool rescore = false;        ///< the index has distances of codes, and full precision is wanted
    index::SearchParams params;
    std::shared_lock<std::shared_mutex> still;  ///< of the table, in the last pass

    bool last() const { return still.owns_lock(); }
    bool filtered() const { return plan.kind != SearchPlan::Kind::kEverything; }
  };
  struct Hit {
    float distance = 0;
    SequenceNumber sequence = 0;
    bool payload_in_store = false;
    bool gone = false;  ///< from the store
    ScoredPoint point;
  };
  Result<Pass> plan(const SearchQuery& query, bool last) const;
  Result<std::optional<std::vector<ScoredPoint>>> attempt(const SearchQuery& query) const;
  Result<std::vector<ScoredPoint>> last_attempt(const SearchQuery& query) const;
  /// Nothing when writers came in between and too little is left.
  Result<std::optional<std::vector<Hit>>> find(const Pass& pass, const SearchQuery& query) const;
  Result<std::vector<index::Neighbor>> nearest(const Pass& pass, const SearchQuery& query) const;
  Result<std::vector<Slot>> fresh_slots(const Pass& pass, const SearchQuery& query) const;
  Result<std::optional<std::vector<Hit>>> settle(const Pass& pass, const SearchQuery& query,
                                                 std::vector<index::Neighbor> neighbors) const;
  /// Reads what hits lack from the store. Returns of how many the store has another version; the last pass takes it.
  Result<std::size_t> complete(const Pass& pass, const SearchQuery& query, std::vector<Hit>& hits) const;
  /// One for each hit, so that a point that cannot be read is the trouble of those who need it.
  std::vector<Result<std::optional<storage::StoredPoint>>> read(std::span<Hit* const> hits) const;
  /// The best of them as the client sees them.
  std::vector<ScoredPoint> present(const Pass& pass, const SearchQuery& query, std::vector<Hit> hits) const;

  const ShardState& state_;
};

}  // namespace vectorizer::shard
