#pragma once

#include <map>
#include <string>
#include <vector>

#include "vectorizer/config/load.hpp"

namespace vectorizer::config {

/// Where a value was set, for problems that show only when everything is known.
struct Origin {
  std::string source;
  int line = 0;
};

/// Settings on their way through the sources.
struct Draft {
  Outcome outcome;
  std::map<std::string, Origin, std::less<>> origins;  // by key; absent for defaults
  std::vector<int> server_lines;                       // of the elements of cluster.servers

  void problem(const Origin& origin, std::string key, std::string message) {
    outcome.problems.push_back({origin.source, origin.line, std::move(key), std::move(message)});
  }
  Origin origin_of(std::string_view key) const {
    const auto found = origins.find(key);
    return found == origins.end() ? Origin{"defaults", 0} : found->second;
  }
};

/// Lays a file over the draft. `name` is what messages call it.
void apply_yaml(Draft& draft, std::string_view text, const std::string& name);
void apply_environment(Draft& draft, const std::map<std::string, std::string>& environment);
/// Lays one value over the draft, from anywhere but a file.
void apply_text(Draft& draft, std::string_view key, std::string_view value, const Origin& origin);
/// What no single value shows.
void validate(Draft& draft);

}  // namespace vectorizer::config
