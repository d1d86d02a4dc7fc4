#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "busy_scope.hpp"
#include "group_core.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::replication {
namespace {

constexpr std::size_t kSliceBytes = std::size_t{1} << 20;

/// The saved index as it was when it was opened: saving it anew replaces the file, and leaves this one to us.
struct OpenFile {
  std::ifstream stream;
  std::uint64_t size = 0;

  explicit OpenFile(const std::string& path) {
    if (path.empty()) return;
    stream.open(path, std::ios::binary | std::ios::ate);
    if (stream) size = static_cast<std::uint64_t>(stream.tellg());
    stream.seekg(0);
  }
};

Result<void> send_file(OpenFile& file, peer::CheckpointSink& sink) {
  for (std::uint64_t left = file.size; left > 0;) {
    std::string slice(static_cast<std::size_t>(std::min<std::uint64_t>(left, kSliceBytes)), '\0');
    if (!file.stream.read(slice.data(), static_cast<std::streamsize>(slice.size()))) {
      return Error{ErrorType::kInternal, "the saved index cannot be read"};
    }
    left -= slice.size();
    RETURN_IF_ERROR(sink.index(std::move(slice)));
  }
  return {};
}

}  // namespace

Result<void> GroupCore::send_checkpoint(std::uint64_t term, peer::CheckpointSink& sink) {
  BusyScope busy(*this);
  if (!busy) return Error{ErrorType::kShuttingDown, "the shard is being closed"};
  ASSIGN_OR_RETURN(const auto begun, begin_checkpoint(term));
  const auto& [pin, index_path] = begun;
  auto sent = stream_checkpoint(pin, index_path, sink);
  const Lock lock(mutex_);
  if (!sent) pins_.erase(pin);
  // The receiver still has to ask for what follows.
  if (const auto held = pins_.find(pin); held != pins_.end()) {
    held->second.until = ports_.clock->now() + options_.checkpoint_pin;
  }
  return sent;
}

Result<std::pair<std::uint64_t, std::string>> GroupCore::begin_checkpoint(std::uint64_t term) {
  SavedIndexFile saved_index;
  std::uint64_t pin = 0;
  {
    const Lock lock(mutex_);
    if (!leads() || !open_ || term_ != term) return unavailable("this copy is not the open primary of that term");
    pin = next_pin_++;
    pins_[pin] = {std::min(applied_, points_->applied_sequence()), std::nullopt};
    saved_index = saved_index_;
  }
  return std::pair(pin, saved_index ? saved_index().value_or("") : std::string());
}

Result<void> GroupCore::stream_checkpoint(std::uint64_t pin, const std::string& index_path,
                                          peer::CheckpointSink& sink) {
  OpenFile index(index_path);
  std::string slice;
  const auto flush = [&]() -> Result<void> {
    if (slice.empty()) return {};
    {
      const Lock lock(mutex_);
      if (stopping_) return Error{ErrorType::kShuttingDown, "the shard is being closed"};
      if (!pins_.contains(pin)) {
        return Error{ErrorType::kOverloaded,
                     "what was written meanwhile is more than this node may keep for the receiver: it begins again"};
      }
    }
    return sink.points(std::exchange(slice, {}));
  };
  const auto begin = [&](storage::SequenceNumber sequence) {
    // Sequences without a change are not in the points; the log may begin after such a one.
    const auto terms = log_->terms();
    const LogPosition base = log_->base();
    peer::CheckpointHeader header;
    header.at = sequence > base.sequence ? LogPosition{sequence, storage::term_at(terms, sequence)} : base;
    header.index_bytes = index.size;
    return sink.header(header);
  };
  const auto visit = [&](storage::StoredPoint&& point) -> Result<void> {
    storage::append_point(slice, point);
    return slice.size() >= kSliceBytes ? flush() : Result<void>();
  };
  const auto visit_result = [&, in_results = false](storage::StoredWrite&& result) mutable -> Result<void> {
    if (!std::exchange(in_results, true)) RETURN_IF_ERROR(flush());
    storage::append_result_of_write(slice, result);
    return slice.size() >= kSliceBytes ? flush() : Result<void>();
  };
  RETURN_IF_ERROR(ports_.read_points(begin, visit, visit_result));
  RETURN_IF_ERROR(flush());
  return send_file(index, sink);
}

}  // namespace vectorizer::replication
