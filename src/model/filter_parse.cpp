#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "json_fields.hpp"
#include "vectorizer/model/filter.hpp"
#include "vectorizer/model/match_value.hpp"
#include "vectorizer/model/payload_path.hpp"

namespace vectorizer {
namespace {

using nlohmann::json;

constexpr std::string_view kKinds =
    R"(must be "key" with one of match, range, exists, is_null, is_empty, values_count; or has_id, nested, or a filter)";

std::string at_index(std::string_view field, std::size_t index) {
  return fmt::format("{}[{}]", field, index);
}

/// Walks one filter; counts what it has seen against the limits, so that no request buys unbounded work.
class Parser {
 public:
  explicit Parser(const FilterLimits& limits) : limits_(limits) {}

  Result<Filter> filter(const json& value, std::string_view field, std::size_t depth) {
    if (depth > limits_.max_depth) {
      return invalid_field(field, fmt::format("nests deeper than {} filters", limits_.max_depth));
    }
    RETURN_IF_ERROR(check_members(value, field, {"must", "should", "must_not", "min_should"}));
    Filter out;
    RETURN_IF_ERROR(member_list(value, field, "must", depth, out.must));
    RETURN_IF_ERROR(member_list(value, field, "should", depth, out.should));
    RETURN_IF_ERROR(member_list(value, field, "must_not", depth, out.must_not));
    RETURN_IF_ERROR(min_should(value, field, depth, out));
    return out;
  }

 private:
  Result<void> member_list(const json& object, std::string_view field, std::string_view member, std::size_t depth,
                           std::vector<Condition>& out) {
    const auto found = object.find(member);
    if (found == object.end()) return {};
    const std::string name = join_field(field, member);
    if (!found->is_array()) return invalid_field(name, fmt::format("must be a list, not {}", shown(*found)));
    for (std::size_t i = 0; i < found->size(); ++i) {
      ASSIGN_OR_RETURN(Condition parsed, condition((*found)[i], at_index(name, i), depth));
      out.push_back(std::move(parsed));
    }
    return {};
  }

  Result<void> min_should(const json& object, std::string_view field, std::size_t depth, Filter& out) {
    const auto found = object.find("min_should");
    if (found == object.end()) return {};
    const std::string name = join_field(field, "min_should");
    RETURN_IF_ERROR(check_members(*found, name, {"count", "conditions"}));
    if (!found->contains("conditions")) return invalid_field(join_field(name, "conditions"), "is required");
    if (!found->contains("count")) return invalid_field(join_field(name, "count"), "is required");
    std::uint32_t count = 0;
    RETURN_IF_ERROR(read_integer(*found, name, "count", 1, 1'000'000, count));
    out.min_should_count = count;
    return member_list(*found, name, "conditions", depth, out.min_should);
  }

  Result<Condition> condition(const json& value, const std::string& field, std::size_t depth) {
    if (++conditions_ > limits_.max_conditions) {
      return invalid_field(field, fmt::format("a filter has at most {} conditions", limits_.max_conditions));
    }
    if (!value.is_object()) return invalid_field(field, fmt::format("must be an object, not {}", shown(value)));
    if (value.contains("key")) return keyed(value, field);
    if (value.contains("has_id")) {
      RETURN_IF_ERROR(check_members(value, field, {"has_id"}));
      ASSIGN_OR_RETURN(HasId test, has_id(value["has_id"], join_field(field, "has_id")));
      return Condition{{}, std::move(test)};
    }
    if (value.contains("nested")) {
      RETURN_IF_ERROR(check_members(value, field, {"nested"}));
      return nested(value["nested"], join_field(field, "nested"), depth);
    }
    constexpr std::array<std::string_view, 4> kGroups{"must", "should", "must_not", "min_should"};
    if (std::any_of(kGroups.begin(), kGroups.end(), [&](auto name) { return value.contains(name); })) {
      ASSIGN_OR_RETURN(Filter group, filter(value, field, depth + 1));
      return Condition{{}, std::make_shared<const Filter>(std::move(group))};
    }
    if (value.size() == 1 && is_test(value.begin().key()))
      return invalid_field(join_field(field, "key"), "is required");
    if (value.empty()) return invalid_field(field, kKinds);
    return invalid_field(join_field(field, value.begin().key()), fmt::format("unknown field; a condition {}", kKinds));
  }

  static bool is_test(std::string_view name) {
    constexpr std::array<std::string_view, 6> kTests{"match", "range", "exists", "is_null", "is_empty", "values_count"};
    return std::find(kTests.begin(), kTests.end(), name) != kTests.end();
  }

  Result<PayloadPath> key(const json& object, std::string_view field) {
    const std::string name = join_field(field, "key");
    const auto found = object.find("key");
    if (found == object.end()) return invalid_field(name, "is required");
    if (!found->is_string()) return invalid_field(name, fmt::format("must be a string, not {}", shown(*found)));
    auto path = parse_payload_path(found->get_ref<const std::string&>());
    if (!path) {
      return invalid_field(
          name, fmt::format("must be names joined by dots, a name with a dot in quotes, not {}", shown(*found)));
    }
    return *std::move(path);
  }

  Result<Condition> keyed(const json& value, const std::string& field) {
    RETURN_IF_ERROR(
        check_members(value, field, {"key", "match", "range", "exists", "is_null", "is_empty", "values_count"}));
    if (value.size() != 2) {
      return invalid_field(field,
                           "needs exactly one of match, range, exists, is_null, is_empty, values_count beside key");
    }
    Condition out;
    ASSIGN_OR_RETURN(out.path, key(value, field));
    const auto test = value.begin().key() == "key" ? std::next(value.begin()) : value.begin();
    const std::string& kind = test.key();
    const std::string name = join_field(field, kind);
    if (kind == "match") {
      RETURN_IF_ERROR(match(*test, name, out));
    } else if (kind == "range") {
      ASSIGN_OR_RETURN(out.test, range(*test, name));
    } else if (kind == "values_count") {
      ASSIGN_OR_RETURN(out.test, values_count(*test, name));
    } else {
      bool wanted = true;
      RETURN_IF_ERROR(read_boolean(value, field, kind, wanted));
      if (kind == "exists") out.test = Exists{wanted};
      if (kind == "is_null") out.test = IsNull{wanted};
      if (kind == "is_empty") out.test = IsEmpty{wanted};
    }
    return out;
  }

  Result<void> match(const json& value, const std::string& field, Condition& out) {
    RETURN_IF_ERROR(check_members(value, field, {"value", "any", "except"}));
    if (value.size() != 1) return invalid_field(field, "needs exactly one of value, any, except");
    const std::string& kind = value.begin().key();
    const std::string name = join_field(field, kind);
    if (kind == "value") {
      ASSIGN_OR_RETURN(MatchValue scalar, match_scalar(value.front(), name));
      out.test = MatchAny{{std::move(scalar)}};
      return {};
    }
    ASSIGN_OR_RETURN(std::vector<MatchValue> values, match_list(value.front(), name));
    if (kind == "any") {
      out.test = MatchAny{std::move(values)};
    } else {
      out.test = MatchExcept{std::move(values)};
    }
    return {};
  }

  static Result<MatchValue> match_scalar(const json& value, const std::string& field) {
    auto scalar = match_value_of(value);
    if (!scalar) {
      return invalid_field(field, fmt::format("must be a string, a number, true, false or null, not {}", shown(value)));
    }
    return *std::move(scalar);
  }

  Result<void> check_list(const json& value, const std::string& field) const {
    if (!value.is_array()) return invalid_field(field, fmt::format("must be a list, not {}", shown(value)));
    if (value.size() > limits_.max_values) {
      return invalid_field(field,
                           fmt::format("has {} values, at most {} are allowed", value.size(), limits_.max_values));
    }
    return {};
  }

  Result<std::vector<MatchValue>> match_list(const json& value, const std::string& field) const {
    RETURN_IF_ERROR(check_list(value, field));
    std::vector<MatchValue> out;
    out.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      ASSIGN_OR_RETURN(MatchValue scalar, match_scalar(value[i], at_index(field, i)));
      out.push_back(std::move(scalar));
    }
    std::sort(out.begin(), out.end(), MatchValueLess());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  static Result<double> bound(const json& value, const std::string& field, bool is_time) {
    if (is_time) {
      const auto time = value.is_string() ? parse_rfc3339(value.get_ref<const std::string&>()) : std::nullopt;
      if (time) return *time;
      return invalid_field(field, fmt::format("must be an RFC 3339 time, not {}", shown(value)));
    }
    if (!value.is_number()) return invalid_field(field, fmt::format("must be a number, not {}", shown(value)));
    const double number = value.get<double>();
    // A bound that were rounded would let in or leave out a neighbour that the client can see.
    if (number_value(number) != *match_value_of(value)) {
      return invalid_field(field, fmt::format("must be a number that a double holds exactly, not {}", shown(value)));
    }
    return number;
  }

  static Result<Range> range(const json& value, const std::string& field) {
    RETURN_IF_ERROR(check_members(value, field, {"gt", "gte", "lt", "lte"}));
    if (value.empty()) return invalid_field(field, "needs at least one of gt, gte, lt, lte");
    Range out;
    out.is_time = value.front().is_string();
    for (const auto& item : value.items()) {
      ASSIGN_OR_RETURN(const double limit, bound(item.value(), join_field(field, item.key()), out.is_time));
      auto& slot = item.key() == "gt" ? out.gt : item.key() == "gte" ? out.gte : item.key() == "lt" ? out.lt : out.lte;
      slot = limit;
    }
    return out;
  }

  static Result<ValuesCount> values_count(const json& value, const std::string& field) {
    RETURN_IF_ERROR(check_members(value, field, {"gt", "gte", "lt", "lte"}));
    if (value.empty()) return invalid_field(field, "needs at least one of gt, gte, lt, lte");
    ValuesCount out;
    for (const auto& item : value.items()) {
      std::uint32_t count = 0;
      RETURN_IF_ERROR(read_integer(value, field, item.key(), 0, UINT32_MAX, count));
      auto& slot = item.key() == "gt" ? out.gt : item.key() == "gte" ? out.gte : item.key() == "lt" ? out.lt : out.lte;
      slot = count;
    }
    return out;
  }

  Result<Condition> nested(const json& value, const std::string& field, std::size_t depth) {
    RETURN_IF_ERROR(check_members(value, field, {"key", "filter"}));
    ASSIGN_OR_RETURN(PayloadPath path, key(value, field));
    const std::string name = join_field(field, "filter");
    if (!value.contains("filter")) return invalid_field(name, "is required");
    ASSIGN_OR_RETURN(Filter inner, filter(value["filter"], name, depth + 1));
    return Condition{std::move(path), Nested{std::make_shared<const Filter>(std::move(inner))}};
  }

  Result<HasId> has_id(const json& value, const std::string& field) const {
    RETURN_IF_ERROR(check_list(value, field));
    HasId out;
    out.ids.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      const json& id = value[i];
      if (id.is_number_unsigned() || (id.is_number_integer() && id.get<std::int64_t>() >= 0)) {
        out.ids.emplace_back(id.get<std::uint64_t>());
      } else if (id.is_string() && !id.get_ref<const std::string&>().empty() &&
                 id.get_ref<const std::string&>().size() <= PointId::kMaxTextBytes) {
        out.ids.emplace_back(id.get<std::string>());
      } else {
        return invalid_field(at_index(field, i),
                             fmt::format("must be an unsigned integer or a string of 1 to {} bytes, not {}",
                                         PointId::kMaxTextBytes, shown(id)));
      }
    }
    std::sort(out.ids.begin(), out.ids.end());
    out.ids.erase(std::unique(out.ids.begin(), out.ids.end()), out.ids.end());
    return out;
  }

  const FilterLimits& limits_;
  std::size_t conditions_ = 0;
};

}  // namespace

Result<Filter> parse_filter(const json& value, const FilterLimits& limits, std::string_view field) {
  return Parser(limits).filter(value, field, 1);
}

}  // namespace vectorizer
