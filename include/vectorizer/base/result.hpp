#pragma once

#include <cassert>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vectorizer {

/// What went wrong, in the vocabulary that clients see (`error_type`). One table maps it to a name and an HTTP status.
enum class ErrorType : std::uint8_t {
  kBadJson,
  kValidation,
  kDimensionMismatch,
  kUnauthorized,
  kForbidden,
  kCollectionNotFound,
  kVectorNotFound,
  kNodeNotFound,
  kNotFound,
  kMethodNotAllowed,
  kCollectionAlreadyExists,
  kNodeAlreadyExists,
  kConflict,
  kSessionLost,
  kPayloadTooLarge,
  kUnsupportedMediaType,
  kOverloaded,
  kInternal,
  kShardUnavailable,
  kNoActiveNodes,
  kNodeUnreachable,
  kNotEnoughReplicas,
  kNoLeader,
  kStorageFull,
  kShuttingDown,
  kPartialWrite,
  kTimeout,
};

/// The `error_type` of the REST contract, e.g. "collection_not_found".
std::string_view error_type_name(ErrorType type);
/// The HTTP status that goes with it, e.g. 404.
int http_status(ErrorType type);

/// A failure that a caller can act on: its type, a message that names the thing and the value, and optional details.
struct Error {
  ErrorType type = ErrorType::kInternal;
  std::string message;
  /// Members of the `details` object, as the bytes of a JSON object; empty for none.
  std::string details;

  Error() = default;
  Error(ErrorType error_type, std::string text) : type(error_type), message(std::move(text)) {}

  /// Adds one member to `details`; chainable: `Error{...}.with("expected", 512)`.
  Error& with(std::string_view key, std::string_view value) &;
  Error& with(std::string_view key, std::int64_t value) &;
  template <typename Value>
  Error&& with(std::string_view key, Value value) && {
    if constexpr (std::integral<Value>) {
      with(key, static_cast<std::int64_t>(value));
    } else {
      with(key, std::string_view(value));
    }
    return std::move(*this);
  }
};

/// 400 validation_error naming the offending field.
Error invalid_field(std::string_view field, std::string_view reason);

/// Either a value or an Error. Discarding one is a compile-time warning; reading the wrong side aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& value() {
    assert(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    assert(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  Error& error() {
    assert(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }
  const Error& error() const {
    assert(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return !error_.has_value(); }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

#define VECTORIZER_CONCAT_(a, b) a##b
#define VECTORIZER_CONCAT(a, b) VECTORIZER_CONCAT_(a, b)
/// `ASSIGN_OR_RETURN(auto x, f());` — x is the value of f(), or the enclosing function returns its Error.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_(declaration, expression, VECTORIZER_CONCAT(result_, __LINE__))
#define ASSIGN_OR_RETURN_(declaration, expression, result) \
  auto result = (expression);                              \
  if (!result) return std::move(result).error();           \
  declaration = std::move(*result)
/// Returns the Error of a Result<void> from the enclosing function, if there is one.
#define RETURN_IF_ERROR(expression) \
  if (auto outcome_ = (expression); !outcome_) return std::move(outcome_).error()

}  // namespace vectorizer
