#include "encoding.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace vectorizer::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "vectors are written as they lie in memory");

constexpr char kFormatTag = 0, kSequenceTag = 1, kLocalTag = 2, kLogStateTag = 3;
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
