#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <exception>
#include <set>
#include <sstream>

#include "draft.hpp"
#include "key_table.hpp"
#include "parse_value.hpp"
#include "suggest.hpp"

namespace vectorizer::config {
namespace {

int line_of(const YAML::Node& node) {
  return node.Mark().is_null() ? 0 : node.Mark().line + 1;
}

/// Walks a document along the table of keys. What is not in the table is not descended into, so depth and the size of
/// what aliases stand for do not matter.
class YamlReader {
 public:
  YamlReader(Draft& draft, const std::string& name) : draft_(draft), name_(name) {}

  void read(const YAML::Node& document) {
    if (document.IsNull()) return;  // empty, or only comments
    if (!document.IsMap()) return problem(document, "", "must be a mapping of sections, such as 'server:'");
    each_pair(document, "", [this](const std::string& section, const YAML::Node& key, const YAML::Node& value) {
      if (!is_section(section)) return problem(key, section, unknown_key(section, known_paths()));
      if (value.IsNull()) return;  // every key of it commented out
      if (!value.IsMap()) return problem(value, section, "must be a mapping");
      read_section(section, value);
    });
  }

 private:
  void problem(const YAML::Node& at, std::string key, std::string message) {
    draft_.problem({name_, line_of(at)}, std::move(key), std::move(message));
  }

  /// Calls visit(name, key, value) for every key; one that is no text or comes twice is reported instead.
  template <typename Visit>
  void each_pair(const YAML::Node& map, const std::string& prefix, Visit visit) {
    std::set<std::string> seen;
    for (const auto& pair : map) {
      if (!pair.first.IsScalar()) {
        problem(pair.first, prefix, "a key must be a name");
        continue;
      }
      const std::string key = pair.first.Scalar();
      if (!seen.insert(key).second) {
        problem(pair.first, prefix.empty() ? key : prefix + "." + key, "is there twice");
        continue;
      }
      visit(key, pair.first, pair.second);
    }
  }

  void read_section(const std::string& section, const YAML::Node& map) {
    each_pair(map, section, [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
      const std::string path = section + "." + name;
      if (path == kServersPath) return read_servers(value);
      const auto keys = setting_keys();
      const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& known) { return known.path == path; });
      if (found == keys.end()) return problem(key, path, unknown_key(path, known_paths()));
      if (read_value(value, path, found->target(draft_.outcome.settings), rules_of(*found))) {
        draft_.origins[path] = {name_, line_of(value)};
      }
    });
  }

  bool read_value(const YAML::Node& value, const std::string& path, Target target, const ValueRules& rules) {
    if (value.IsNull()) {
      problem(value, path, fmt::format("has no value; it needs {} {}", article(target), type_name(target)));
      return false;
    }
    if (!value.IsScalar()) {
      problem(value, path,
              fmt::format("must be {} {}, not a {}", article(target), type_name(target),
                          value.IsMap() ? "mapping" : "list"));
      return false;
    }
    const bool quoted = value.Tag() == "!";
    if (quoted && !std::holds_alternative<std::string*>(target)) {
      problem(value, path, fmt::format("must be {} {}, not text in quotes", article(target), type_name(target)));
      return false;
    }
    if (auto wrong = assign(target, rules, value.Scalar())) {
      problem(value, path, std::move(*wrong));
      return false;
    }
    return true;
  }

  static std::string_view article(const Target& target) { return type_name(target) == "integer" ? "an" : "a"; }

  void read_servers(const YAML::Node& list) {
    const std::string path(kServersPath);
    auto& servers = draft_.outcome.settings.cluster.servers;
    if (list.IsNull()) return;
    if (!list.IsSequence()) return problem(list, path, "must be a list of servers");
    if (list.size() > kMaxServers) return problem(list, path, fmt::format("must have at most {} servers", kMaxServers));
    draft_.origins[path] = {name_, line_of(list)};
    std::size_t index = 0;
    for (const auto& element : list) read_server(element, fmt::format("{}[{}]", path, index++), servers.emplace_back());
  }

  void read_server(const YAML::Node& element, const std::string& path, ClusterServer& server) {
    draft_.server_lines.push_back(line_of(element));
    if (!element.IsMap()) return problem(element, path, "must be a mapping with id, address and grpc_port");
    std::vector<std::string> names;
    for (const auto& key : server_keys()) names.emplace_back(key.path);
    std::set<std::string> present;
    each_pair(element, path, [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
      const auto keys = server_keys();
      const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& known) { return known.path == name; });
      if (found == keys.end()) return problem(key, path + "." + name, unknown_key(name, names));
      present.insert(name);
      read_value(value, path + "." + name, found->target(server), rules_of(*found));
    });
    for (const char* needed : {"id", "address"}) {
      if (present.count(needed) == 0) problem(element, path + "." + needed, "is missing");
    }
  }

  Draft& draft_;
  const std::string& name_;
};

/// Where a document starts, and nothing else.
class DocumentStart final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { line = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  int line = 0;
};

/// The line of a second document, or 0. Not YAML::LoadAll: a stray "," at the start makes it find documents for ever.
int second_document(const std::string& text) {
  std::istringstream input(text);
  YAML::Parser parser(input);
  DocumentStart start;
  return parser.HandleNextDocument(start) && parser.HandleNextDocument(start) ? start.line : 0;
}

}  // namespace

void apply_yaml(Draft& draft, std::string_view text, const std::string& name) {
  try {
    const std::string copy(text);
    YamlReader(draft, name).read(YAML::Load(copy));
    if (const int line = second_document(copy); line > 0) draft.problem({name, line}, "", "must hold one document");
  } catch (const YAML::Exception& error) {
    draft.problem({name, error.mark.is_null() ? 0 : error.mark.line + 1}, "", "is not YAML: " + error.msg);
  } catch (const std::exception& error) {
    draft.problem({name, 0}, "", fmt::format("is not YAML: {}", error.what()));
  }
}

}  // namespace vectorizer::config
