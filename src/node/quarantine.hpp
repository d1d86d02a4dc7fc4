#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "hosted_copy.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/base/periodic.hpp"
#include "vectorizer/cluster/metadata_log.hpp"

namespace vectorizer::node {

/// Takes copies out of use that are damaged or differ from the others. Those of this node are closed: its beats call
/// them failed, and the leader of the metadata lets another copy lead, drops this one and has it made again. Those of
/// other nodes, of shards that are led here, are dropped from the metadata, which has the same end.
///
/// The only copy in sync is not taken out: what can be read of it is all there is. Thread-safe.
class Quarantine {
 public:
  struct Ports {
    std::function<std::shared_ptr<const HostedCopies>()> copies;
    /// Damage of which nobody knows whose it is: all copies here are to be read.
    std::function<void()> read_everything;
  };

  Quarantine(NodeId self, storage::Database& database, cluster::MetadataLog& metadata, Ports ports,
             MetricsRegistry& metrics);
  ~Quarantine() { stop(); }

  /// What the primary of a shard, here, has found of a copy, here or on another node. kConflict for a copy that is not
  /// there, or while another term has begun; kShardUnavailable for the only one.
  Result<void> take(const ShardId& shard, std::uint64_t term, std::uint64_t copy, const std::string& why);
  struct Entry {
    NodeId node;
    std::uint64_t copy = 0;
    std::string why;
  };
  /// The copy of `shard` that is not used, or is being made again.
  std::optional<Entry> of(const ShardId& shard) const;
  /// Damage that cannot be mended from here, one line each.
  std::vector<std::string> warnings() const;
  /// Idempotent.
  void stop();

 private:
  /// Of which so many are remembered: more say nothing new.
  static constexpr std::size_t kRemembered = 1024;

  void found(std::optional<storage::CopyNumber> number, const std::string& what);
  void follow();
  bool only_one(const ShardId& shard, std::uint64_t copy) const;
  Result<void> close(const ShardId& shard, const HostedCopy& hosted, const std::string& why);
  void note(const ShardId& shard, Entry entry);

  const NodeId self_;
  storage::Database& database_;
  cluster::MetadataLog& metadata_;
  const Ports ports_;
  MetricsRegistry::Counter& damage_;
  MetricsRegistry::Counter& quarantines_;
  MetricsRegistry::Gauge& now_;

  mutable std::mutex mutex_;
  std::map<storage::CopyNumber, std::string> found_;  // guarded by mutex_: copies that nobody has looked at yet
  bool unknown_ = false;                              // likewise: damage of no copy
  std::map<ShardId, Entry> taken_;                    // likewise, until the shard is whole without the copy
  std::map<ShardId, Entry> only_;                     // likewise: damaged, and the only ones
  std::string whole_;                                 // likewise: damage of no copy, as last found
  Periodic following_;                                // last: uses everything above
};

}  // namespace vectorizer::node
