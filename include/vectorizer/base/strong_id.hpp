#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <utility>

namespace vectorizer {

/// A value that cannot be mistaken for another of the same representation: `StrongId<std::uint64_t, struct ShardTag>`.
template <typename Value, typename Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(Value value) : value_(std::move(value)) {}
  const Value& value() const { return value_; }
  auto operator<=>(const StrongId&) const = default;

 private:
  Value value_{};
};

}  // namespace vectorizer

template <typename Value, typename Tag>
struct std::hash<vectorizer::StrongId<Value, Tag>> {
  std::size_t operator()(const vectorizer::StrongId<Value, Tag>& id) const { return std::hash<Value>{}(id.value()); }
};
