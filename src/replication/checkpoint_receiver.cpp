#include "vectorizer/replication/checkpoint_receiver.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "vectorizer/base/durable_file.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {
namespace {

class Receiver final : public peer::CheckpointSink {
 public:
  explicit Receiver(const CheckpointTarget& target)
      : points_(target.database->open_logged_store(target.number)), index_file_(target.index_file) {}

  Result<void> header(const peer::CheckpointHeader& header) override {
    if (header_) return Error{ErrorType::kInternal, "a checkpoint began twice"};
    header_ = header;
    return {};
  }
  Result<void> points(std::string bytes) override {
    if (!header_ || index_) return Error{ErrorType::kInternal, "a checkpoint came out of order"};
    ASSIGN_OR_RETURN(const auto writes, storage::slice_writes(bytes));
    for (const auto& write : writes) {
      if (write.sequence > header_->at.sequence) {
        return Error{ErrorType::kInternal, "a checkpoint holds a point from after its end"};
      }
    }
    return points_->write(writes);
  }
  Result<void> index(std::string bytes) override {
    if (!header_ || index_bytes_ + bytes.size() > header_->index_bytes) {
      return Error{ErrorType::kInternal, "a checkpoint came out of order"};
    }
    if (!index_) index_.emplace(index_file_);
    index_bytes_ += bytes.size();
    return index_->write(bytes);
  }

  /// Everything has come. The position.
  Result<LogPosition> finish() {
    if (!header_) return Error{ErrorType::kInternal, "a checkpoint ended before it began"};
    if (index_bytes_ != header_->index_bytes) return Error{ErrorType::kInternal, "a checkpoint ended in its index"};
    if (index_) RETURN_IF_ERROR(index_->commit());
    return header_->at;
  }

 private:
  const std::unique_ptr<storage::ShardStore> points_;
  const std::filesystem::path index_file_;
  std::optional<DurableFile> index_;  // from its first byte
  std::uint64_t index_bytes_ = 0;
  std::optional<peer::CheckpointHeader> header_;
};

}  // namespace

Result<LogPosition> receive_checkpoint(peer::ReplicationPeer& primary, const ShardId& shard, std::uint64_t term,
                                       const CheckpointTarget& target) {
  Receiver receiver(target);
  RETURN_IF_ERROR(primary.fetch_checkpoint(shard, term, receiver));
  ASSIGN_OR_RETURN(const LogPosition at, receiver.finish());
  ASSIGN_OR_RETURN(const auto log, target.database->open_log(target.number));
  // Synced, and with it the points, which were written before.
  RETURN_IF_ERROR(log->begin_at(at, term));
  return at;
}

Result<void> hand_on(ReplicaGroup& old, const CheckpointTarget& target) {
  old.stop();
  ASSIGN_OR_RETURN(const auto log, target.database->open_log(target.number));
  return log->set_term(old.status().term);
}

}  // namespace vectorizer::replication
