#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/model/match_value.hpp"

namespace vectorizer::payload {

/// Strings longer than this are text, not keywords: the index knows only that a slot holds one.
inline constexpr std::size_t kMaxKeywordBytes = 256;

/// What one payload holds at one path, over every value that the path reaches in it.
struct PathFacts {
  bool non_empty = false;          ///< some value is neither null nor []
  bool has_null = false;           ///< some element is null
  bool has_object = false;         ///< some element is an object
  bool has_text = false;           ///< some element is a string too long to be a keyword
  bool has_more = false;           ///< two elements differ (or may: objects and texts are not compared)
  std::vector<MatchValue> values;  ///< the other elements; sorted, unique
  std::vector<double> times;       ///< those elements, and texts, that are RFC 3339 instants; sorted, unique

  bool has_element() const { return has_null || has_object || has_text || !values.empty(); }
};

/// By path as format_payload_path writes it. Empty for an empty payload or one that is not an object.
using PayloadFacts = std::map<std::string, PathFacts, std::less<>>;

PayloadFacts facts_of(std::string_view payload);

}  // namespace vectorizer::payload
