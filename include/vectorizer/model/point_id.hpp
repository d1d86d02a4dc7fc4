#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace vectorizer {

/// A client's id of a vector: an unsigned 64-bit integer or a string of 1..256 bytes of UTF-8. `1` and `"1"` differ.
/// Ordered: integers by number, then strings by bytes.
class PointId {
 public:
  static constexpr std::size_t kMaxTextBytes = 256;

  PointId() : value_(std::uint64_t{0}) {}
  explicit PointId(std::uint64_t number) : value_(number) {}
  explicit PointId(std::string text) : value_(std::move(text)) {}

  bool is_integer() const { return value_.index() == 0; }
  std::uint64_t number() const { return std::get<0>(value_); }
  const std::string& text() const { return std::get<1>(value_); }

  /// A tag byte (0 integer, 1 string), then 8 bytes big-endian or the text: ordered by bytes as ids are ordered.
  std::string encode() const;
  void append_encoded(std::string& out) const;
  static std::optional<PointId> decode(std::string_view bytes);

  /// XXH3-64, seed 0, of `encode()`: the same on every node and in every version; decides the shard.
  std::uint64_t hash() const;

  /// As JSON: a number or a quoted string.
  void append_json(std::string& out) const;
  std::string to_json() const;

  friend auto operator<=>(const PointId&, const PointId&) = default;
  friend bool operator==(const PointId&, const PointId&) = default;

 private:
  std::variant<std::uint64_t, std::string> value_;
};

struct PointIdHash {
  std::size_t operator()(const PointId& id) const { return static_cast<std::size_t>(id.hash()); }
};

}  // namespace vectorizer
