#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vectorizer::rest {

/// Where in a body a value stands: a chain on the stack that is spelled out only when something is wrong there.
/// A path holds a pointer to the one above it, so it is passed down and never stored.
class FieldPath {
 public:
  FieldPath() = default;
  explicit FieldPath(std::string_view name) : name_(name) {}

  FieldPath member(std::string_view name) const { return FieldPath(this, name, std::nullopt); }
  FieldPath at(std::size_t index) const { return FieldPath(this, {}, index); }
  /// "vectors[3].vector[2]"; "body" for the root.
  std::string text() const;

 private:
  FieldPath(const FieldPath* parent, std::string_view name, std::optional<std::size_t> index)
      : parent_(parent), name_(name), index_(index) {}
  void append(std::string& out) const;

  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  std::optional<std::size_t> index_;
};

}  // namespace vectorizer::rest
