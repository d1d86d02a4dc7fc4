#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "key_table.hpp"

namespace vectorizer::config {

/// What a value must satisfy; the same for every source.
struct ValueRules {
  double min, max;
  std::string_view choices;
  TextRule rule;
};

template <typename Owner>
ValueRules rules_of(const Key<Owner>& key) {
  return {key.min, key.max, key.choices, key.rule};
}

/// Reads `text` into `target`, or says what is wrong and leaves it alone.
std::optional<std::string> assign(Target target, const ValueRules& rules, std::string_view text);

/// "integer", "text", ... as the documentation calls it.
std::string_view type_name(const Target& target);
/// As written in YAML: text quoted.
std::string to_text(const Target& target);
/// "1..65535", or the choices; empty when anything goes.
std::string range_text(const Target& target, const ValueRules& rules);

}  // namespace vectorizer::config
