#include "vectorizer/storage/log_encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <optional>

#include "encoding.hpp"
#include "vectorizer/model/protocol.hpp"

namespace vectorizer::storage {
namespace {

// With results of writes it is the second version, else still the first.
constexpr char kBodyVersion = 1, kBodyVersionWithResults = 2;
constexpr char kTombstone = 0, kPoint = 1, kResult = 2;

template <typename Integer>
void append_integer(std::string& out, Integer value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void append_record(std::string& out, bool deleted, SequenceNumber sequence, const Point& point) {
  out += deleted ? kTombstone : kPoint;
  const std::string id = point.id.encode();
  append_integer(out, static_cast<std::uint16_t>(id.size()));
  out += id;
  if (deleted) return;
  const std::size_t length_at = out.size();
  append_integer(out, std::uint32_t{0});
  append_point_value(out, sequence, point);
  const auto length = static_cast<std::uint32_t>(out.size() - length_at - sizeof(std::uint32_t));
  std::memcpy(out.data() + length_at, &length, sizeof length);
}

void append_result(std::string& out, const StoredWrite& write) {
  out += kResult;
  const std::size_t length_at = out.size();
  append_integer(out, std::uint32_t{0});
  append_result_value(out, write.sequence, *write.result);
  const auto length = static_cast<std::uint32_t>(out.size() - length_at - sizeof(std::uint32_t));
  std::memcpy(out.data() + length_at, &length, sizeof length);
}

/// Takes records off the front of bytes that are not trusted.
class RecordReader {
 public:
  RecordReader(std::string_view bytes, bool results) : rest_(bytes), results_(results) {}

  bool at_end() const { return rest_.empty(); }

  /// `sequence` is what a tombstone gets; a point has its own.
  Result<StoredWrite> next(SequenceNumber sequence) {
    const char kind = take(1).value_or("\x7f")[0];
    if (kind == kResult && results_) return next_result();
    if (kind != kTombstone && kind != kPoint) return damaged("an unknown kind of change");
    const auto id_size = take_integer<std::uint16_t>();
    if (!id_size) return damaged("it ends within an id");
    const auto id_bytes = take(*id_size);
    if (!id_bytes) return damaged("it ends within an id");
    const auto id = PointId::decode(*id_bytes);
    if (!id) return damaged("an id is damaged");
    StoredWrite write;
    write.deleted = kind == kTombstone;
    write.sequence = sequence;
    write.point.id = *id;
    if (write.deleted) return write;
    const auto value_size = take_integer<std::uint32_t>();
    if (!value_size) return damaged("it ends within a point");
    const auto value = take(*value_size);
    if (!value) return damaged("it ends within a point");
    ASSIGN_OR_RETURN(auto stored, decode_point_value(*id, *value));
    write.sequence = stored.sequence;
    write.point = std::move(stored.point);
    return write;
  }

  static Error damaged(std::string_view what) {
    return Error{ErrorType::kInternal, fmt::format("a record of changes is damaged: {}", what)};
  }

 private:
  Result<StoredWrite> next_result() {
    const auto size = take_integer<std::uint32_t>();
    if (!size) return damaged("it ends within a result");
    const auto value = take(*size);
    if (!value) return damaged("it ends within a result");
    return decode_result_value(*value);
  }
  std::optional<std::string_view> take(std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  template <typename Integer>
  std::optional<Integer> take_integer() {
    const auto bytes = take(sizeof(Integer));
    if (!bytes) return std::nullopt;
    Integer value{};
    std::memcpy(&value, bytes->data(), sizeof value);
    return value;
  }

  std::string_view rest_;
  bool results_;
};

Result<RecordReader> open_body(std::string_view bytes) {
  if (bytes.empty()) return RecordReader::damaged("it is empty");
  const char newest = known_protocol() < kProtocolWithResults ? kBodyVersion : kBodyVersionWithResults;
  if (bytes[0] < kBodyVersion || bytes[0] > newest) {
    return RecordReader::damaged(fmt::format("its format is version {}, at most {} is known",
                                             static_cast<unsigned char>(bytes[0]), static_cast<int>(newest)));
  }
  return RecordReader(bytes.substr(1), bytes[0] == kBodyVersionWithResults);
}

}  // namespace

LogEntry make_entry(std::uint64_t term, std::span<const StoredWrite> writes) {
  assert(!writes.empty());
  assert(writes.back().sequence - writes.front().sequence == writes.size() - 1);
  const bool results = std::any_of(writes.begin(), writes.end(), [](const auto& write) { return write.result; });
  LogEntry entry{writes.front().sequence, writes.back().sequence, term,
                 std::string(1, results ? kBodyVersionWithResults : kBodyVersion)};
  for (const StoredWrite& write : writes) {
    if (write.result) {
      append_result(entry.bytes, write);
    } else {
      append_record(entry.bytes, write.deleted, write.sequence, write.point);
    }
  }
  return entry;
}

LogEntry make_noop(std::uint64_t term, SequenceNumber sequence) {
  return {sequence, sequence, term, std::string(1, kBodyVersion)};
}

Result<std::vector<StoredWrite>> entry_writes(const LogEntry& entry) {
  ASSIGN_OR_RETURN(RecordReader reader, open_body(entry.bytes));
  if (entry.last < entry.first) return RecordReader::damaged("its sequence numbers go backwards");
  std::vector<StoredWrite> writes;
  for (SequenceNumber sequence = entry.first; !reader.at_end(); ++sequence) {
    if (sequence > entry.last) return RecordReader::damaged("it has more changes than sequence numbers");
    ASSIGN_OR_RETURN(auto write, reader.next(sequence));
    if (write.sequence != sequence) return RecordReader::damaged("a change has the sequence number of another");
    writes.push_back(std::move(write));
  }
  const bool noop = writes.empty() && entry.first == entry.last;
  if (!noop && writes.size() != entry.last - entry.first + 1) {
    return RecordReader::damaged("it has fewer changes than sequence numbers");
  }
  return writes;
}

void append_point(std::string& slice, const StoredPoint& point) {
  if (slice.empty()) slice += kBodyVersion;
  append_record(slice, false, point.sequence, point.point);
}

void append_result_of_write(std::string& slice, const StoredWrite& result) {
  if (slice.empty()) slice += kBodyVersionWithResults;
  append_result(slice, result);
}

Result<std::vector<StoredWrite>> slice_writes(std::string_view slice) {
  ASSIGN_OR_RETURN(RecordReader reader, open_body(slice));
  std::vector<StoredWrite> writes;
  while (!reader.at_end()) {
    ASSIGN_OR_RETURN(auto write, reader.next(0));
    if (write.deleted && !write.result) return RecordReader::damaged("a checkpoint holds a deletion");
    writes.push_back(std::move(write));
  }
  return writes;
}

}  // namespace vectorizer::storage
