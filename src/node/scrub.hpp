#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "slice_compare.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/periodic.hpp"
#include "vectorizer/peer/peer.hpp"

namespace vectorizer::node {

struct ScrubOptions {
  std::chrono::milliseconds interval{0};  ///< between two rounds; 0 for none
  std::uint64_t bytes_per_second = 8ULL << 20;
  std::uint64_t slice_points = 4096, slice_bytes = 4ULL << 20;
};

/// A copy that is to be compared with that of its primary.
struct ScrubbedCopy {
  NodeId node;
  std::uint64_t copy = 0;
};
/// A shard that is led here.
struct ScrubbedShard {
  ShardId shard;
  std::uint64_t copy = 0;  ///< here
  std::uint64_t term = 0;
  std::vector<ScrubbedCopy> others;  ///< in sync, on nodes that are there
};

/// What a scrub asks of its node. Thread-safe.
struct ScrubPorts {
  std::function<std::vector<ScrubbedShard>()> led_here;
  /// Whether the copy is still the open primary of that term.
  std::function<bool(const ScrubbedShard&)> leads;
  std::function<Result<peer::CopySlice>(const ShardId&, const peer::SliceOrder&)> read;
  std::function<Result<peer::CopySlice>(const NodeId&, const ShardId&, const peer::SliceOrder&)> ask;
  /// Takes a copy of the shard out of use.
  std::function<Result<void>(const ScrubbedShard&, std::uint64_t copy, const std::string& why)> quarantine;
};

/// Reads every shard that is led here from the disk, slice by slice and not faster than it may, and compares each slice
/// with those of the other copies in sync. That also reads what nobody asks for: a wrong checksum shows while there is
/// another copy. Writes go on meanwhile.
///
/// Where copies differ and no checksum says which is wrong, the copies that agree are right; of two, that of the
/// primary.
class Scrub {
 public:
  Scrub(const ScrubOptions& options, ScrubPorts ports, MetricsRegistry& metrics);
  ~Scrub() { stop(); }

  void start();
  /// A round begins soon.
  void poke() { rounds_.poke(); }
  /// Idempotent.
  void stop() { rounds_.stop(); }

  /// All shards, once. For tests, and the thread.
  void round(const std::stop_token& stop);

 private:
  void scrub(const ScrubbedShard& shard, const std::stop_token& stop);
  /// The differences that were found in one slice, by the copy.
  std::map<std::size_t, PointDifference> compare_slice(const ScrubbedShard& shard, const peer::SliceOrder& order,
                                                       const peer::CopySlice& ours, const std::stop_token& stop);
  std::optional<PointDifference> settle(const ScrubbedShard& shard, const ScrubbedCopy& other, peer::SliceOrder order,
                                        const std::stop_token& stop);
  void condemn(const ScrubbedShard& shard, const std::map<std::size_t, PointDifference>& differences);
  /// Waits as long as so many bytes may take.
  void pace(std::uint64_t bytes, const std::stop_token& stop);

  const ScrubOptions options_;
  const ScrubPorts ports_;
  MetricsRegistry::Counter& points_;
  MetricsRegistry::Counter& bytes_;
  MetricsRegistry::Counter& compared_;
  MetricsRegistry::Counter& differences_;
  MetricsRegistry::Counter& rounds_done_;
  MetricsRegistry::Gauge& ended_at_;
  Periodic rounds_;
};

}  // namespace vectorizer::node
