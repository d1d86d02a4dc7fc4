#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/metric.hpp"

namespace vectorizer::index {

/// A position in one index: given out in order from 0, never reused (an update is a new slot and a tombstone).
using Slot = std::uint32_t;

/// A hit. `distance`: smaller is better; L2 squared, 1 - cosine, or -dot, in full precision when rescored.
struct Neighbor {
  Slot slot;
  float distance;
};

/// What the client sees for a distance: sqrt for euclidean, similarity for cosine and dot.
float score_of(Metric metric, float distance);
/// The inverse, for score_threshold.
float distance_of(Metric metric, float score);

/// A set of slots as one bit each; `words` covers at least the slots that existed when it was made, later ones are out.
struct SlotBitmap {
  std::vector<std::uint64_t> words;
  std::size_t count = 0;  ///< bits set
  bool contains(Slot slot) const { return slot / 64 < words.size() && (words[slot / 64] >> (slot % 64) & 1) != 0; }
};

struct IndexOptions {
  std::uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  std::uint32_t m = 16;
  std::uint32_t ef_construction = 200;
  Quantization quantization = Quantization::kNone;
  VectorStorage storage = VectorStorage::kMemory;
  std::filesystem::path directory;       ///< for mapped vectors
  std::uint32_t graph_threshold = 2000;  ///< live vectors below which there is no graph: an exact scan is faster
};

struct SearchParams {
  std::size_t limit = 10;
  std::size_t ef = 64;                 ///< raised to `limit` when smaller
  bool exact = false;                  ///< scan everything, in full precision where vectors are kept
  bool rescore = true;                 ///< false: distances of the codes
  const SlotBitmap* filter = nullptr;  ///< only these slots may be returned
};

struct IndexStats {
  std::size_t slots = 0;  ///< given out
  std::size_t live = 0;   ///< not tombstoned
  std::size_t tombstones = 0;
  std::size_t indexed = 0;  ///< slots in the graph, tombstones included; all of them when no graph is wanted yet
  std::size_t pending = 0;  ///< live slots in the exact tail that wait for the graph
  bool failed = false;      ///< the graph takes no more vectors: only a new index does
  std::size_t code_bytes = 0, graph_bytes = 0, vector_bytes = 0;
};

/// Nearest neighbours among one shard's vectors.
///
/// Thread-safety: any number of search and index_pending calls run beside one writer (add, remove) and one save; add
/// and remove are serialised by the caller.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;

  /// Makes one vector searchable at once (in the exact tail) and returns its slot.
  /// @param vector `dimension` finite floats, as the client sent them.
  virtual Slot add(std::span<const float> vector) = 0;
  /// Marks a slot deleted: walked through, never returned.
  virtual void remove(Slot slot) = 0;
  virtual bool removed(Slot slot) const = 0;
  /// False for quantized vectors in memory: every distance is then one of codes, and whoever has the vectors compares
  /// again with ExactDistance.
  virtual bool keeps_vectors() const = 0;

  /// Up to `limit` neighbours, ascending by distance (equal distances by slot; the shard breaks ties by id).
  virtual std::vector<Neighbor> search(std::span<const float> query, const SearchParams& params) const = 0;
  /// The nearest among exactly these slots by a scan of their codes with rescoring; removed slots are skipped.
  virtual std::vector<Neighbor> search_slots(std::span<const float> query, const SearchParams& params,
                                             std::span<const Slot> slots) const = 0;

  /// Moves up to `max` tail vectors into the graph. Returns how many; 0 means that nothing waits that no other thread
  /// is at, or that there is no memory. Background threads: as many at once as there are processors to spare.
  virtual std::size_t index_pending(std::size_t max) = 0;
  virtual IndexStats stats() const = 0;

  /// Writes graph and quantizer to `file` (temp, fsync, rename) with a checksum. `extra` is opaque to the index and
  /// comes back from load: the shard keeps its slot table there. Covers slots < the returned count.
  virtual Result<std::size_t> save(const std::filesystem::path& file, std::string_view extra) const = 0;
};

/// An empty index.
std::unique_ptr<VectorIndex> make_vector_index(const IndexOptions& options);

/// Reads a saved index. The vectors themselves are not in the file: after load every slot is removed and without a
/// vector until `restore(slot, vector)` fills it; adds go after the saved slots. Any damage, or options that differ,
/// is an error, and the caller rebuilds.
struct LoadedIndex {
  std::unique_ptr<VectorIndex> index;
  std::string extra;
  std::size_t slots = 0;
};
Result<LoadedIndex> load_vector_index(const IndexOptions& options, const std::filesystem::path& file);
/// Only right after load, before any other thread uses the index: gives a saved slot its vector back and revives it.
void restore_vector(VectorIndex& index, Slot slot, std::span<const float> vector);

}  // namespace vectorizer::index
