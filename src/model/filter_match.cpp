#include <algorithm>
#include <nlohmann/json.hpp>

#include "vectorizer/model/filter.hpp"
#include "vectorizer/model/json_parse.hpp"
#include "vectorizer/model/match_value.hpp"
#include "vectorizer/model/payload_path.hpp"

namespace vectorizer {
namespace {

using nlohmann::json;

bool holds_one_of(const std::vector<MatchValue>& values, const MatchValue& value) {
  return std::binary_search(values.begin(), values.end(), value, MatchValueLess());
}

/// Whether one condition holds for a point, or for one element of an array inside a nested filter.
class Evaluator {
 public:
  Evaluator(const PointId& id, const json& root) : id_(id), root_(root) {}

  bool filter(const Filter& filter) const {
    const auto holds = [this](const Condition& c) { return condition(c); };
    if (!std::all_of(filter.must.begin(), filter.must.end(), holds)) return false;
    if (std::any_of(filter.must_not.begin(), filter.must_not.end(), holds)) return false;
    if (!filter.should.empty() && std::none_of(filter.should.begin(), filter.should.end(), holds)) return false;
    if (filter.min_should.empty()) return true;
    const auto count = std::count_if(filter.min_should.begin(), filter.min_should.end(), holds);
    return static_cast<std::size_t>(count) >= filter.min_should_count;
  }

 private:
  bool condition(const Condition& condition) const {
    return std::visit([&](const auto& test) { return holds(condition.path, test); }, condition.test);
  }

  template <typename Visit>
  bool any_element_at(const PayloadPath& path, const Visit& visit) const {
    return any_value_at(root_, path, [&](const json& value) { return any_element(value, visit); });
  }

  bool holds(const PayloadPath& path, const MatchAny& match) const {
    return any_element_at(path, [&](const json& element) {
      const auto value = match_value_of(element);
      return value && holds_one_of(match.values, *value);
    });
  }

  bool holds(const PayloadPath& path, const MatchExcept& match) const {
    return any_element_at(path, [&](const json& element) {
      const auto value = match_value_of(element);
      return !value || !holds_one_of(match.values, *value);
    });
  }

  bool holds(const PayloadPath& path, const Range& range) const {
    return any_element_at(path, [&](const json& element) {
      if (range.is_time) {
        if (!element.is_string()) return false;
        const auto time = parse_rfc3339(element.get_ref<const std::string&>());
        return time && in_range(range, *time);
      }
      return element.is_number() && in_range(range, *match_value_of(element));
    });
  }

  bool holds(const PayloadPath& path, const Exists& exists) const {
    return any_value_at(root_, path, [](const json&) { return true; }) == exists.wanted;
  }

  bool holds(const PayloadPath& path, const IsNull& is_null) const {
    return any_element_at(path, [](const json& element) { return element.is_null(); }) == is_null.wanted;
  }

  bool holds(const PayloadPath& path, const IsEmpty& is_empty) const {
    const auto holds_something = [](const json& value) {
      return !value.is_null() && !(value.is_array() && value.empty());
    };
    return any_value_at(root_, path, holds_something) != is_empty.wanted;
  }

  bool holds(const PayloadPath& path, const ValuesCount& count) const {
    const auto in_bounds = [&](std::uint64_t n) {
      return (!count.gt || n > *count.gt) && (!count.gte || n >= *count.gte) && (!count.lt || n < *count.lt) &&
             (!count.lte || n <= *count.lte);
    };
    bool reached = false;
    const bool found = any_value_at(root_, path, [&](const json& value) {
      reached = true;
      if (value.is_array()) return in_bounds(value.size());
      return in_bounds(value.is_null() ? 0 : 1);
    });
    return found || (!reached && in_bounds(0));
  }

  bool holds(const PayloadPath& path, const Nested& nested) const {
    return any_element_at(path, [&](const json& element) {
      return element.is_object() && Evaluator(id_, element).filter(*nested.filter);
    });
  }

  bool holds(const PayloadPath& /*path*/, const HasId& has_id) const {
    return std::binary_search(has_id.ids.begin(), has_id.ids.end(), id_);
  }

  bool holds(const PayloadPath& /*path*/, const std::shared_ptr<const Filter>& group) const { return filter(*group); }

  const PointId& id_;
  const json& root_;
};

}  // namespace

template <std::same_as<json> Json>
bool filter_matches(const Filter& filter, const PointId& id, const Json& payload) {
  return Evaluator(id, payload).filter(filter);
}
template bool filter_matches(const Filter& filter, const PointId& id, const json& payload);

bool filter_matches(const Filter& filter, const PointId& id, std::string_view payload) {
  if (payload.empty()) return filter_matches(filter, id, json::object());
  const auto parsed = parse_json(payload);
  // Payloads were validated on the way in; one that cannot be read has no keys.
  return filter_matches(filter, id, parsed ? *parsed : json::object());
}

}  // namespace vectorizer
