#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/requests.hpp"
#include "vectorizer/model/session.hpp"

namespace vectorizer::coordinator {

/// A shard that could not answer.
struct ShardFailure {
  ShardId shard;
  Error error;
};

struct SearchReply {
  std::vector<ScoredPoint> results;  ///< best first, ties by id; offset applied
  std::uint32_t shards_total = 0;
  std::vector<ShardFailure> failures;  ///< not empty only with allow_partial
};

/// What became of one operation of a write.
struct WriteReport {
  std::uint64_t applied = 0;
  std::uint64_t not_found = 0;
  std::vector<PointId> missing;  ///< ids that a patch or delete did not find
  ShardPositions positions;      ///< of the shards that were asked, afterwards
};

struct ScrollReply {
  std::vector<Point> points;
  std::optional<PointId> next;  ///< scroll on after this id; nothing when the end is reached
};

/// What a handler must know of a collection to check a request before it reads the rest of it.
struct CollectionShape {
  std::uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
};

/// Reads and writes of vectors: splits by shard, asks the peers that hold them, merges. Thread-safe; writes block until
/// durable, reads run on the calling thread where the shards are local. Every method answers collection_not_found for a
/// collection that does not exist. Dimensions and limits are checked by the caller, except that a vector of the wrong
/// dimension is refused with dimension_mismatch before anything is written.
/// By which a client's write is known when it comes again.
struct WriteKey {
  std::string name;        ///< the client's; empty when it has given none
  std::uint64_t body = 0;  ///< hash of what it asks
};

class DataPlane {
 public:
  virtual ~DataPlane() = default;

  virtual Result<CollectionShape> shape(const std::string& collection) const = 0;

  /// `places` says where each operation stands in the request, for errors; empty where that is its own index. A write
  /// with the key of an earlier one is not done again on the shards that did it: they answer as they did (kConflict
  /// when its body is another), whichever node it comes through; without a key it is a write of its own.
  virtual Result<WriteReport> write(const std::string& collection, std::vector<WriteOp> ops,
                                    std::vector<std::size_t> places = {}, const WriteKey& key = {}) = 0;
  /// Applies `op` (kDelete or kPayload; its id is ignored) to every point for which the filter holds, in chunks, each
  /// re-checked under the shard's write order; not atomic as a whole. The report counts what was done.
  /// With a key, a chunk that was done before is not done again.
  virtual Result<WriteReport> write_matching(const std::string& collection, const Filter& filter, WriteOp op,
                                             const WriteKey& key = {}) = 0;

  // Reads that carry a session see what it wrote in the shards that they ask, or are session_lost because the shard has
  // lost it. Shards of other collections, and of those that are gone, say nothing.

  virtual Result<SearchReply> search(const std::string& collection, const SearchQuery& query) const = 0;
  virtual Result<std::vector<std::optional<Point>>> get(const std::string& collection, std::span<const PointId> ids,
                                                        const Projection& what, const ReadFrom& from) const = 0;
  virtual Result<ScrollReply> scroll(const std::string& collection, const ScrollQuery& query,
                                     const ReadFrom& from) const = 0;
  virtual Result<std::uint64_t> count(const std::string& collection, const std::optional<Filter>& filter,
                                      const ReadFrom& from) const = 0;
};

}  // namespace vectorizer::coordinator
