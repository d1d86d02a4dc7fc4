#include "payload_facts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "vectorizer/model/json_parse.hpp"
#include "vectorizer/model/payload_path.hpp"

namespace vectorizer::payload {
namespace {

using nlohmann::json;

/// Visits every member of a payload once, under the path by which a filter reaches it. Recursion is bounded by the
/// depth that parse_json allows.
class Collector {
 public:
  void object(const json& object, const std::string& path) {
    for (const auto& member : object.items()) {
      std::string member_path = path;
      append_payload_path(member_path, member.key());
      value(member.value(), member_path);
    }
  }

  PayloadFacts finish() && {
    for (auto& [path, facts] : facts_) {
      sort_unique(facts.values, MatchValueLess());
      sort_unique(facts.times, std::less<>());
      const std::size_t kinds =
          facts.values.size() + (facts.has_null ? 1U : 0U) + (facts.has_object ? 1U : 0U) + (facts.has_text ? 1U : 0U);
      facts.has_more = facts.has_more || kinds > 1;
    }
    return std::move(facts_);
  }

 private:
  template <typename T, typename Less>
  static void sort_unique(std::vector<T>& values, const Less& less) {
    std::sort(values.begin(), values.end(), less);
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }

  void value(const json& value, const std::string& path) {
    PathFacts& facts = facts_[path];
    if (!value.is_null() && !(value.is_array() && value.empty())) facts.non_empty = true;
    elements(value, path, facts);
  }

  // `facts` stays where it is while members add paths: a map does not move its nodes.
  void elements(const json& value, const std::string& path, PathFacts& facts) {
    if (value.is_array()) {
      for (const auto& element : value) elements(element, path, facts);
    } else if (value.is_object()) {
      facts.has_more |= std::exchange(facts.has_object, true);
      object(value, path);
    } else if (value.is_null()) {
      facts.has_null = true;
    } else if (value.is_string()) {
      string(value.get_ref<const std::string&>(), facts);
    } else {
      facts.values.push_back(*match_value_of(value));
    }
  }

  static void string(const std::string& text, PathFacts& facts) {
    if (const auto time = parse_rfc3339(text)) facts.times.push_back(*time);
    if (text.size() > kMaxKeywordBytes) {
      facts.has_more |= std::exchange(facts.has_text, true);
    } else {
      facts.values.emplace_back(text);
    }
  }

  PayloadFacts facts_;
};

}  // namespace

PayloadFacts facts_of(std::string_view payload) {
  if (payload.empty()) return {};
  const auto parsed = parse_json(payload);
  if (!parsed || !parsed->is_object()) return {};
  Collector collector;
  collector.object(*parsed, "");
  return std::move(collector).finish();
}

}  // namespace vectorizer::payload
