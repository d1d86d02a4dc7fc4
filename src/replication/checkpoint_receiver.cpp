#include "vectorizer/replication/checkpoint_receiver.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {
namespace {

/// The file of the saved index while it comes in; takes its place only when it is complete and on the disk.
class IncomingFile {
 public:
  explicit IncomingFile(std::filesystem::path place) : place_(std::move(place)), part_(place_.string() + ".part") {}
  ~IncomingFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    std::error_code ignored;
    std::filesystem::remove(part_, ignored);
  }
  IncomingFile(const IncomingFile&) = delete;
  IncomingFile& operator=(const IncomingFile&) = delete;

  Result<void> append(std::string_view bytes) {
    if (descriptor_ < 0) descriptor_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) return failure("create");
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return failure("write");
      bytes.remove_prefix(static_cast<std::size_t>(written));
      size_ += static_cast<std::uint64_t>(written);
    }
    return {};
  }
  std::uint64_t size() const { return size_; }
  Result<void> finish() {
    if (descriptor_ < 0) return {};
    if (::fsync(descriptor_) != 0) return failure("sync");
    std::error_code error;
    std::filesystem::rename(part_, place_, error);
    if (error) return Error{ErrorType::kInternal, fmt::format("cannot rename {}: {}", part_.string(), error.message())};
    return {};
  }

 private:
  Error failure(std::string_view doing) const {
    return Error{ErrorType::kInternal, fmt::format("cannot {} {}: {}", doing, part_.string(),
                                                   std::error_code(errno, std::generic_category()).message())};
  }

  const std::filesystem::path place_;
  const std::filesystem::path part_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

class Receiver final : public peer::CheckpointSink {
 public:
  explicit Receiver(const CheckpointTarget& target)
      : points_(target.database->open_logged_store(target.number)), index_(target.index_file) {}

  Result<void> header(const peer::CheckpointHeader& header) override {
    if (header_) return Error{ErrorType::kInternal, "a checkpoint began twice"};
    header_ = header;
    return {};
  }
  Result<void> points(std::string bytes) override {
    if (!header_ || index_.size() > 0) return Error{ErrorType::kInternal, "a checkpoint came out of order"};
    ASSIGN_OR_RETURN(auto points, storage::slice_points(bytes));
    std::vector<storage::StoredWrite> writes;
    writes.reserve(points.size());
    for (auto& point : points) {
      if (point.sequence > header_->at.sequence) {
        return Error{ErrorType::kInternal, "a checkpoint holds a point from after its end"};
      }
      writes.push_back({point.sequence, false, std::move(point.point)});
    }
    return points_->write(writes);
  }
  Result<void> index(std::string bytes) override {
    if (!header_ || index_.size() + bytes.size() > header_->index_bytes) {
      return Error{ErrorType::kInternal, "a checkpoint came out of order"};
    }
    return index_.append(bytes);
  }

  /// Everything has come. The position.
  Result<LogPosition> finish() {
    if (!header_) return Error{ErrorType::kInternal, "a checkpoint ended before it began"};
    if (index_.size() != header_->index_bytes) return Error{ErrorType::kInternal, "a checkpoint ended in its index"};
    RETURN_IF_ERROR(index_.finish());
    return header_->at;
  }

 private:
  const std::unique_ptr<storage::ShardStore> points_;
  IncomingFile index_;
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
