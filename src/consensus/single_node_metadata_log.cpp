#include "vectorizer/consensus/single_node_metadata_log.hpp"

#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vectorizer/base/published.hpp"
#include "vectorizer/cluster/metadata_records.hpp"

namespace vectorizer::consensus {
namespace {

using cluster::ClusterMetadata;

const std::string kPrefix = "metadata/";
/// The key under which earlier versions kept all of it in one value.
const std::string kWholeKey = "cluster/metadata";

std::vector<storage::LocalWrite> writes_of(const ClusterMetadata& before, const ClusterMetadata& next) {
  std::vector<storage::LocalWrite> writes;
  for (auto& change : cluster::changed_records(before, next)) {
    writes.push_back({kPrefix + change.key, std::move(change.value)});
  }
  return writes;
}

class SingleNodeMetadataLog final : public cluster::MetadataLog {
 public:
  SingleNodeMetadataLog(storage::Database& database, NodeId self, ClusterMetadata metadata)
      : database_(database),
        self_(std::move(self)),
        current_(std::make_shared<const ClusterMetadata>(std::move(metadata))) {}

  Result<std::shared_ptr<const ClusterMetadata>> propose(const cluster::MetadataCommand& command) override {
    std::shared_ptr<const ClusterMetadata> decided;
    {
      const std::lock_guard lock(order_mutex_);
      const auto now = current_.get();
      ASSIGN_OR_RETURN(auto next, cluster::apply(*now, command));
      if (auto stored = database_.write_local(writes_of(*now, next)); !stored) {
        // The log may have kept it: what holds goes behind it, so that a restart does not find a drop that was refused.
        static_cast<void>(database_.write_local(writes_of(next, *now)));
        return stored.error();
      }
      decided = std::make_shared<const ClusterMetadata>(std::move(next));
      current_.set(decided);
    }
    // Outside of the lock, so that an observer may propose; observers take current() as newer than what they are given.
    for (const auto& observer : observers_) observer(current_.get());
    return decided;
  }

  std::shared_ptr<const ClusterMetadata> current() const override { return current_.get(); }
  NodeId leader() const override { return self_; }

  void observe(Observer observer) override {
    observers_.push_back(observer);
    observer(current_.get());
  }

 private:
  storage::Database& database_;
  const NodeId self_;
  std::mutex order_mutex_;  // held from reading current_ to publishing its successor
  Published<ClusterMetadata> current_;
  std::vector<Observer> observers_;  // constant once the log is shared
};

/// Replaces the one value of earlier versions by records, in one batch: a crash leaves one or the other.
Result<ClusterMetadata> read_whole(storage::Database& database, const std::string& whole) {
  ASSIGN_OR_RETURN(auto metadata, cluster::decode_metadata(whole));
  auto writes = writes_of(ClusterMetadata(), metadata);
  writes.push_back({kWholeKey, std::nullopt});
  RETURN_IF_ERROR(database.write_local(writes));
  return metadata;
}

}  // namespace

Result<ClusterMetadata> read_single_node_metadata(storage::Database& database) {
  ASSIGN_OR_RETURN(const auto whole, database.get_local(kWholeKey));
  if (whole) return read_whole(database, *whole);
  ASSIGN_OR_RETURN(auto records, database.list_local(kPrefix));
  if (records.empty()) return ClusterMetadata();
  for (auto& [key, value] : records) key.erase(0, kPrefix.size());
  return cluster::decode_records(records);
}

Result<std::unique_ptr<cluster::MetadataLog>> open_single_node_metadata_log(storage::Database& database,
                                                                            const cluster::NodeRecord& self) {
  ASSIGN_OR_RETURN(auto metadata, read_single_node_metadata(database));
  if (!metadata.nodes.empty() && metadata.nodes.count(self.id) == 0) {
    return Error{ErrorType::kInternal, fmt::format("the data belongs to node '{}', but cluster.node_id is '{}'",
                                                   metadata.nodes.begin()->first.value(), self.id.value())};
  }
  const auto known = metadata.nodes.find(self.id);
  const bool changed = known == metadata.nodes.end() || !(known->second == self);
  std::unique_ptr<cluster::MetadataLog> log =
      std::make_unique<SingleNodeMetadataLog>(database, self.id, std::move(metadata));
  if (changed) {
    ASSIGN_OR_RETURN(const auto decided, log->propose(cluster::UpsertNode{self}));
    (void)decided;
  }
  return log;
}

}  // namespace vectorizer::consensus
