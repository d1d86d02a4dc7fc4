#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/point_id.hpp"

namespace vectorizer {

/// A scalar that `match` compares with: strings exactly, numbers by value (1 and 1.0 are equal), booleans, null.
/// Always in the one form that match_value_of (match_value.hpp) gives.
using MatchValue = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string>;

/// A path into a payload: `a.b`, quotes for a dot inside a name: `a."b.c"`. Already split.
using PayloadPath = std::vector<std::string>;

struct Filter;

struct MatchAny {                  ///< {"match":{"value":v}} (one value) and {"match":{"any":[…]}}
  std::vector<MatchValue> values;  ///< sorted by MatchValueLess, unique
};
struct MatchExcept {               ///< {"match":{"except":[…]}}: the key holds some value that is none of these
  std::vector<MatchValue> values;  ///< sorted by MatchValueLess, unique
};
struct Range {  ///< numbers, or RFC 3339 instants as microseconds since the epoch when `is_time`
  std::optional<double> gt, gte, lt, lte;
  bool is_time = false;
};
struct Exists {
  bool wanted = true;
};
struct IsNull {
  bool wanted = true;
};
struct IsEmpty {
  bool wanted = true;
};  ///< absent, null or []
struct ValuesCount {
  std::optional<std::uint64_t> gt, gte, lt, lte;
};
struct Nested {  ///< all conditions on the same element of the array at the key
  std::shared_ptr<const Filter> filter;
};
struct HasId {
  std::vector<PointId> ids;  ///< sorted, unique
};

/// One condition on a payload key (`has_id` and a nested filter group have none).
struct Condition {
  PayloadPath path;
  std::variant<MatchAny, MatchExcept, Range, Exists, IsNull, IsEmpty, ValuesCount, Nested, HasId,
               std::shared_ptr<const Filter>>
      test;
};

/// must: all hold; should: at least one (when not empty); must_not: none; min_should: at least `count` of a list.
struct Filter {
  std::vector<Condition> must, should, must_not;
  std::vector<Condition> min_should;
  std::size_t min_should_count = 0;

  bool empty() const { return must.empty() && should.empty() && must_not.empty() && min_should.empty(); }
};

struct FilterLimits {
  std::size_t max_depth = 16;
  std::size_t max_conditions = 1024;
  std::size_t max_values = 10000;  ///< of one `any`, `except` or `has_id`
};

/// Parses the `filter` member of a request; `field` prefixes the names in errors ("filter.must[0].match").
Result<Filter> parse_filter(const nlohmann::json& json, const FilterLimits& limits, std::string_view field = "filter");

/// Whether a point holds: the reference semantics, by walking the payload. `payload` is the bytes of a JSON object or
/// empty.
bool filter_matches(const Filter& filter, const PointId& id, std::string_view payload);
/// The same for a parsed payload. A template, so that no text converts to JSON on the way here.
template <std::same_as<nlohmann::json> Json>
bool filter_matches(const Filter& filter, const PointId& id, const Json& payload);

/// An RFC 3339 time as microseconds since 1970-01-01T00:00:00Z; nothing if `text` is not one.
std::optional<double> parse_rfc3339(std::string_view text);

}  // namespace vectorizer
