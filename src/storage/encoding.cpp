#include "encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace vectorizer::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "vectors are written as they lie in memory");

constexpr char kFormatTag = 0, kSequenceTag = 1, kLocalTag = 2, kLogStateTag = 3;
constexpr char kResultValueVersion = 1;
constexpr std::size_t kResultHeaderBytes = 1 + 5 * sizeof(std::uint64_t) + sizeof(std::uint32_t);
constexpr std::uint32_t kMaxResultOutcomes = 1U << 20;  // more than a request may carry (limits.max_ids)
constexpr std::size_t kHeaderBytes = 1 + sizeof(SequenceNumber) + sizeof(std::uint32_t);

template <typename Integer>
void append_big_endian(std::string& out, Integer value) {
  for (int shift = 8 * (sizeof value - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFFU);
}

template <typename Integer>
void append_little_endian(std::string& out, Integer value) {
  std::array<char, sizeof value> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

template <typename Integer>
Integer read_little_endian(std::string_view bytes) {
  Integer value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

std::string copy_prefix(CopyNumber copy) {
  std::string key;
  append_big_endian(key, copy);
  return key;
}

std::string copy_end(CopyNumber copy) {
  return copy_prefix(copy) + '\xFF';  // an encoded id starts with 0 or 1
}

std::string point_key(CopyNumber copy, const PointId& id) {
  std::string key = copy_prefix(copy);
  id.append_encoded(key);
  return key;
}

std::optional<PointId> id_of_key(std::string_view key) {
  if (key.size() < sizeof(CopyNumber)) return std::nullopt;
  return PointId::decode(key.substr(sizeof(CopyNumber)));
}

void append_point_value(std::string& out, SequenceNumber sequence, const Point& point) {
  out.reserve(out.size() + kHeaderBytes + point.vector.size() * sizeof(float) + point.payload.size());
  out += kPointValueVersion;
  append_little_endian(out, sequence);
  append_little_endian(out, static_cast<std::uint32_t>(point.vector.size()));
  out.append(reinterpret_cast<const char*>(point.vector.data()), point.vector.size() * sizeof(float));
  out += point.payload;
}

Result<StoredPoint> decode_point_value(const PointId& id, std::string_view value) {
  const auto damaged = [&](const std::string& what) {
    return Error{ErrorType::kInternal, fmt::format("the stored vector {} is damaged: {}", id.to_json(), what)};
  };
  if (value.empty()) return damaged("it is empty");
  if (value[0] != kPointValueVersion) {
    return damaged(fmt::format("its format is version {}, not {}", static_cast<unsigned char>(value[0]),
                               static_cast<int>(kPointValueVersion)));
  }
  if (value.size() < kHeaderBytes) return damaged(fmt::format("{} bytes are too few for its header", value.size()));
  const auto dimension = read_little_endian<std::uint32_t>(value.substr(1 + sizeof(SequenceNumber)));
  if (dimension > kMaxStoredDimension) return damaged(fmt::format("its dimension is {}", dimension));
  const std::size_t vector_bytes = dimension * sizeof(float);
  if (value.size() - kHeaderBytes < vector_bytes) {
    return damaged(fmt::format("{} bytes are too few for dimension {}", value.size(), dimension));
  }
  StoredPoint stored;
  stored.sequence = read_little_endian<SequenceNumber>(value.substr(1));
  stored.point.id = id;
  stored.point.vector.resize(dimension);
  if (dimension > 0) std::memcpy(stored.point.vector.data(), value.data() + kHeaderBytes, vector_bytes);
  stored.point.payload = value.substr(kHeaderBytes + vector_bytes);
  return stored;
}

void append_result_value(std::string& out, SequenceNumber sequence, const RequestResult& result) {
  out += kResultValueVersion;
  append_little_endian(out, sequence);
  append_little_endian(out, result.stamp.id.high);
  append_little_endian(out, result.stamp.id.low);
  append_little_endian(out, result.stamp.body);
  append_little_endian(out, result.at_ms);
  append_little_endian(out, static_cast<std::uint32_t>(result.outcomes.size()));
  const auto is_missing = [](WriteOutcome outcome) { return outcome == WriteOutcome::kNotFound; };
  if (std::none_of(result.outcomes.begin(), result.outcomes.end(), is_missing)) return;
  std::string missing((result.outcomes.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    if (!is_missing(result.outcomes[i])) continue;
    missing[i / 8] = static_cast<char>(static_cast<unsigned char>(missing[i / 8]) | 1U << i % 8);
  }
  out += missing;
}

Result<StoredWrite> decode_result_value(std::string_view value) {
  const auto damaged = [](std::string_view what) {
    return Error{ErrorType::kInternal, fmt::format("the stored result of a write is damaged: {}", what)};
  };
  if (value.size() < kResultHeaderBytes) return damaged("it is too short");
  if (value[0] != kResultValueVersion) return damaged("its format is of another version");
  StoredWrite write;
  write.deleted = true;
  RequestResult& result = write.result.emplace();
  write.sequence = read_little_endian<SequenceNumber>(value.substr(1));
  result.stamp.id.high = read_little_endian<std::uint64_t>(value.substr(9));
  result.stamp.id.low = read_little_endian<std::uint64_t>(value.substr(17));
  result.stamp.body = read_little_endian<std::uint64_t>(value.substr(25));
  result.at_ms = read_little_endian<std::int64_t>(value.substr(33));
  const auto count = read_little_endian<std::uint32_t>(value.substr(41));
  const std::string_view missing = value.substr(kResultHeaderBytes);
  if (count > kMaxResultOutcomes) return damaged("it has too many outcomes");
  if (!missing.empty() && missing.size() != (count + 7) / 8) return damaged("its outcomes are not complete");
  result.outcomes.resize(count, WriteOutcome::kApplied);
  std::size_t bits = 0;
  for (const char byte : missing) bits += static_cast<std::size_t>(std::popcount(static_cast<unsigned char>(byte)));
  for (std::size_t i = 0; i < count && !missing.empty(); ++i) {
    if ((static_cast<unsigned char>(missing[i / 8]) >> i % 8 & 1U) == 0) continue;
    result.outcomes[i] = WriteOutcome::kNotFound;
    --bits;
  }
  if (bits != 0) return damaged("it has an outcome of nothing");
  return write;
}

std::string operation_key(CopyNumber copy, SequenceNumber last) {
  std::string key = copy_prefix(copy);
  append_big_endian(key, last);
  return key;
}

std::optional<SequenceNumber> sequence_of_operation_key(std::string_view key) {
  if (key.size() != sizeof(CopyNumber) + sizeof(SequenceNumber)) return std::nullopt;
  SequenceNumber sequence = 0;
  for (const char byte : key.substr(sizeof(CopyNumber))) sequence = sequence << 8U | static_cast<unsigned char>(byte);
  return sequence;
}

std::string operations_end(CopyNumber copy) {
  return operation_key(copy, ~SequenceNumber{0}) + '\0';
}

std::string log_state_key(CopyNumber copy) {
  std::string key(1, kLogStateTag);
  append_big_endian(key, copy);
  return key;
}

std::string sequence_key(CopyNumber copy) {
  std::string key(1, kSequenceTag);
  append_big_endian(key, copy);
  return key;
}

std::string encode_sequence(SequenceNumber sequence) {
  std::string value;
  append_little_endian(value, sequence);
  return value;
}

std::optional<SequenceNumber> decode_sequence(std::string_view value) {
  if (value.size() != sizeof(SequenceNumber)) return std::nullopt;
  return read_little_endian<SequenceNumber>(value);
}

std::string local_key(std::string_view key) {
  return std::string(1, kLocalTag).append(key);
}

std::string format_key() {
  return std::string(1, kFormatTag);
}

}  // namespace vectorizer::storage
