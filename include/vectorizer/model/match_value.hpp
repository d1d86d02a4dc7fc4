#pragma once

#include <compare>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "vectorizer/model/filter.hpp"

namespace vectorizer {

/// The one form of a JSON scalar that values are compared in, so that equal numbers are equal variants: an integral
/// number is int64 if it fits, else uint64 if that fits; every other number is a double. Nothing for arrays and
/// objects.
std::optional<MatchValue> match_value_of(const nlohmann::json& json);

/// Orders null, booleans, numbers by their exact value (never by rounding one to the other's type), strings by bytes.
/// Both in the form that match_value_of gives.
std::weak_ordering compare_values(const MatchValue& a, const MatchValue& b);

struct MatchValueLess {
  bool operator()(const MatchValue& a, const MatchValue& b) const { return compare_values(a, b) < 0; }
};

bool is_number(const MatchValue& value);

/// A double in the form of match_value_of; `value` must not be NaN.
MatchValue number_value(double value);

/// Whether a number lies inside the bounds of a range that is not one of times.
bool in_range(const Range& range, const MatchValue& number);
/// Whether an instant, or any other double, lies inside the bounds.
bool in_range(const Range& range, double value);

}  // namespace vectorizer
