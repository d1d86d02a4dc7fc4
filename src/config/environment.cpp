#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "draft.hpp"
#include "key_table.hpp"
#include "parse_value.hpp"
#include "suggest.hpp"

extern char** environ;  // POSIX declares it nowhere

namespace vectorizer::config {
namespace {

constexpr std::string_view kPrefix = "VECTORIZER_";

/// Kubernetes tells every container about services by variables; a service called "vectorizer-server" makes
/// VECTORIZER_SERVER_PORT=tcp://10.0.0.1:15002 and VECTORIZER_SERVER_SERVICE_HOST=10.0.0.1.
bool is_service_link(std::string_view name, std::string_view value) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  return value.starts_with("tcp://") || value.starts_with("udp://") || has("_SERVICE_HOST") || has("_SERVICE_PORT") ||
         (has("_PORT_") && (has("_TCP") || has("_UDP")));
}

/// Whether a variable can only be meant for us: VECTORIZER_<section>_...
bool names_a_section(std::string_view name) {
  const auto rest = name.substr(kPrefix.size());
  const auto end = rest.find('_');
  if (end == rest.npos) return false;
  std::string section(rest.substr(0, end));
  std::transform(section.begin(), section.end(), section.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return is_section(section);
}

std::string unknown_variable(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& key : setting_keys()) known.push_back(environment_name(key.path));
  const auto nearest = nearest_name(name, known);
  return nearest ? "unknown variable; did you mean " + *nearest + "?" : "unknown variable";
}

}  // namespace

void apply_environment(Draft& draft, const std::map<std::string, std::string>& environment) {
  for (const auto& entry : environment) {  // clang 14 lets no lambda capture a structured binding
    const auto& [name, value] = entry;
    if (!name.starts_with(kPrefix) || name == "VECTORIZER_CONFIG") continue;
    if (is_service_link(name, value)) {
      draft.outcome.notes.push_back(fmt::format("{} is ignored: it describes a service of the platform", name));
      continue;
    }
    const auto keys = setting_keys();
    const auto found = std::find_if(keys.begin(), keys.end(),
                                    [&](const auto& key) { return environment_name(key.path) == entry.first; });
    if (found != keys.end()) {
      apply_text(draft, found->path, value, {name, 0});
    } else if (name == environment_name(kServersPath)) {
      draft.problem({name, 0}, std::string(kServersPath), "a list can only be set in the file");
    } else if (names_a_section(name)) {
      draft.problem({name, 0}, "", unknown_variable(name));
    } else {
      draft.outcome.notes.push_back(fmt::format("{} is ignored: it is no setting", name));
    }
  }
}

void apply_text(Draft& draft, std::string_view path, std::string_view value, const Origin& origin) {
  const auto keys = setting_keys();
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.path == path; });
  if (found == keys.end()) return draft.problem(origin, std::string(path), unknown_key(path, known_paths()));
  if (auto wrong = assign(found->target(draft.outcome.settings), rules_of(*found), value)) {
    return draft.problem(origin, std::string(path), std::move(*wrong));
  }
  draft.origins[std::string(path)] = origin;
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == text.npos || !text.starts_with(kPrefix)) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace vectorizer::config
