#include "vectorizer/model/match_value.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace vectorizer {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

int rank(const MatchValue& value) {
  switch (value.index()) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 5:
      return 3;
    default:
      return 2;
  }
}

std::weak_ordering reversed(std::weak_ordering order) {
  return order < 0 ? std::weak_ordering::greater : order > 0 ? std::weak_ordering::less : order;
}

std::weak_ordering compare_doubles(double a, double b) {
  return a < b ? std::weak_ordering::less : a > b ? std::weak_ordering::greater : std::weak_ordering::equivalent;
}

/// An integer against a double that is not integral or lies beyond every 64-bit integer, as canonical doubles do.
template <typename Integer>
std::weak_ordering compare_with_double(Integer integer, double number) {
  if (number >= kTwo64) return std::weak_ordering::less;
  if (number < -kTwo63) return std::weak_ordering::greater;
  // Not integral, so |number| < 2^53: its floor is exact, and the integer is at most the floor or at least the next.
  const auto floor = static_cast<std::int64_t>(std::floor(number));
  return std::cmp_less_equal(integer, floor) ? std::weak_ordering::less : std::weak_ordering::greater;
}

std::weak_ordering compare_numbers(const MatchValue& a, const MatchValue& b) {
  const auto* const a_double = std::get_if<double>(&a);
  const auto* const b_double = std::get_if<double>(&b);
  if (a_double != nullptr && b_double != nullptr) return compare_doubles(*a_double, *b_double);
  if (a_double != nullptr) return reversed(compare_numbers(b, a));
  const auto* const a_signed = std::get_if<std::int64_t>(&a);
  if (b_double != nullptr) {
    return a_signed != nullptr ? compare_with_double(*a_signed, *b_double)
                               : compare_with_double(std::get<std::uint64_t>(a), *b_double);
  }
  const auto* const b_signed = std::get_if<std::int64_t>(&b);
  if (a_signed != nullptr && b_signed != nullptr) return *a_signed <=> *b_signed;
  // A canonical uint64 is above every int64.
  if (a_signed != nullptr) return std::weak_ordering::less;
  if (b_signed != nullptr) return std::weak_ordering::greater;
  return std::get<std::uint64_t>(a) <=> std::get<std::uint64_t>(b);
}

}  // namespace

MatchValue number_value(double value) {
  if (value == std::floor(value)) {
    if (value >= -kTwo63 && value < kTwo63) return static_cast<std::int64_t>(value);
    if (value >= kTwo63 && value < kTwo64) return static_cast<std::uint64_t>(value);
  }
  return value;
}

std::optional<MatchValue> match_value_of(const nlohmann::json& json) {
  using Type = nlohmann::json::value_t;
  switch (json.type()) {
    case Type::null:
      return MatchValue(nullptr);
    case Type::boolean:
      return MatchValue(json.get<bool>());
    case Type::number_integer:
      return MatchValue(json.get<std::int64_t>());
    case Type::number_unsigned: {
      const auto value = json.get<std::uint64_t>();
      if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return MatchValue(static_cast<std::int64_t>(value));
      }
      return MatchValue(value);
    }
    case Type::number_float:
      return number_value(json.get<double>());
    case Type::string:
      return MatchValue(json.get<std::string>());
    default:
      return std::nullopt;
  }
}

bool is_number(const MatchValue& value) {
  return rank(value) == 2;
}

std::weak_ordering compare_values(const MatchValue& a, const MatchValue& b) {
  const int a_rank = rank(a);
  const int b_rank = rank(b);
  if (a_rank != b_rank) return a_rank <=> b_rank;
  switch (a_rank) {
    case 0:
      return std::weak_ordering::equivalent;
    case 1:
      return std::get<bool>(a) <=> std::get<bool>(b);
    case 2:
      return compare_numbers(a, b);
    default:
      return std::get<std::string>(a) <=> std::get<std::string>(b);
  }
}

bool in_range(const Range& range, const MatchValue& number) {
  const auto order = [&](double bound) { return compare_values(number, number_value(bound)); };
  return (!range.gt || order(*range.gt) > 0) && (!range.gte || order(*range.gte) >= 0) &&
         (!range.lt || order(*range.lt) < 0) && (!range.lte || order(*range.lte) <= 0);
}

bool in_range(const Range& range, double value) {
  return (!range.gt || value > *range.gt) && (!range.gte || value >= *range.gte) && (!range.lt || value < *range.lt) &&
         (!range.lte || value <= *range.lte);
}

}  // namespace vectorizer
