#include "payload_edit.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vectorizer/model/payload_path.hpp"

// Payloads are edited as text, so that whatever is not touched keeps its bytes: numbers beyond 64 bits or with an odd
// spelling would not survive being parsed and written again.

namespace vectorizer::shard {
namespace {

std::size_t skip_space(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(" \t\r\n", at), text.size());
}

/// The end of the JSON string that begins at `at` (past its closing quote).
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// Takes the value that begins at `at` and leaves `at` at the comma or bracket behind it.
std::string_view take_value(std::string_view text, std::size_t& at) {
  const std::size_t begin = at = skip_space(text, at);
  for (int depth = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  std::string_view value = text.substr(begin, at - begin);
  value.remove_suffix(value.size() - std::min(value.find_last_not_of(" \t\r\n") + 1, value.size()));
  return value;
}

struct Member {
  std::string_view quoted;  ///< its name as it is written
  std::string value;
};

std::string name_of(std::string_view quoted) {
  if (quoted.find('\\') == std::string_view::npos) return std::string(quoted.substr(1, quoted.size() - 2));
  const auto decoded = nlohmann::json::parse(quoted, nullptr, false);
  return decoded.is_string() ? decoded.get<std::string>() : std::string(quoted);
}

/// The members of an object, in order; nothing for anything else.
std::optional<std::vector<Member>> members_of(std::string_view text) {
  std::vector<Member> members;
  std::size_t at = skip_space(text, 0);
  if (at == text.size() || text[at] != '{') return std::nullopt;
  at = skip_space(text, at + 1);
  if (at < text.size() && text[at] == '}') return members;
  while (at < text.size() && text[at] == '"') {
    const std::size_t end = skip_string(text, at);
    const auto quoted = text.substr(at, end - at);
    at = skip_space(text, end);
    if (at == text.size() || text[at] != ':') return std::nullopt;
    const auto value = take_value(text, ++at);
    if (at == text.size() || value.empty()) return std::nullopt;
    members.push_back({quoted, std::string(value)});
    if (text[at] == '}') return members;
    at = skip_space(text, at + 1);
  }
  return std::nullopt;
}

/// The elements of an array; nothing for anything else.
std::optional<std::vector<std::string_view>> elements_of(std::string_view text) {
  std::vector<std::string_view> elements;
  if (!text.starts_with('[')) return std::nullopt;
  for (std::size_t at = 1; at < text.size(); ++at) {
    const auto value = take_value(text, at);
    if (!value.empty()) elements.push_back(value);
  }
  return elements;
}

std::string object_of(const std::vector<Member>& members) {
  std::string text = "{";
  for (const auto& member : members) {
    if (text.size() > 1) text += ',';
    text.append(member.quoted).append(1, ':').append(member.value);
  }
  return text + '}';
}

std::string array_of(const std::vector<std::string>& elements) {
  std::string text = "[";
  for (const auto& element : elements) {
    if (text.size() > 1) text += ',';
    text += element;
  }
  return text + ']';
}

/// Adds and replaces by `changes`; `change(old, new)` gives the value, or nothing where it stays, `drop(new)` says that
/// a member goes. Whether anything is different afterwards.
template <typename Drop, typename Change>
bool change_members(std::vector<Member>& members, const std::vector<Member>& changes, const Drop& drop,
                    const Change& change) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < members.size(); ++i) places.emplace(name_of(members[i].quoted), i);
  bool changed = false;
  for (const auto& [quoted, wanted] : changes) {
    const auto place = places.find(name_of(quoted));
    const bool present = place != places.end();
    if (drop(wanted)) {
      if (present) members[place->second].quoted = {};
      changed = changed || present;
      continue;
    }
    std::optional<std::string> value = change(present ? members[place->second].value : std::string(), wanted);
    if (!value) continue;
    changed = true;
    if (present) {
      members[place->second].value = *std::move(value);
    } else {
      members.push_back({quoted, *std::move(value)});
    }
  }
  std::erase_if(members, [](const Member& member) { return member.quoted.empty(); });
  return changed;
}

/// What RFC 7396 makes of `target` (empty for none); nothing where it stays as it is.
std::optional<std::string> merged(std::string_view target, std::string_view patch) {
  const auto changes = members_of(patch);
  if (!changes) return target == patch ? std::nullopt : std::optional(std::string(patch));
  auto members = members_of(target);
  const bool was_object = members.has_value();
  if (!was_object) members.emplace();
  const bool changed = change_members(
      *members, *changes, [](std::string_view value) { return value == "null"; },
      [](std::string_view old, std::string_view wanted) { return merged(old, wanted); });
  if (changed || !was_object) return object_of(*members);
  return std::nullopt;
}

/// The members of `change` in place of those of `target`; nothing where it stays as it is.
std::optional<std::string> replaced(std::string_view target, std::string_view change) {
  auto members = members_of(target);
  const auto changes = members_of(change);
  const bool changed = change_members(
      *members, *changes, [](std::string_view) { return false; },
      [](std::string_view old, std::string_view wanted) {
        return old == wanted ? std::nullopt : std::optional(std::string(wanted));
      });
  if (changed) return object_of(*members);
  return std::nullopt;
}

/// Paths by their names.
struct PathTree {
  std::map<std::string, PathTree, std::less<>> below;
  bool end = false;  ///< a path ends here

  static PathTree of(std::span<const std::string> keys) {
    PathTree root;
    for (const auto& key : keys) {
      const auto path = parse_payload_path(key);
      if (!path) continue;  // refused where requests are read
      PathTree* at = &root;
      for (const auto& name : *path) at = &at->below[name];
      at->end = true;
    }
    return root;
  }
};

/// `value` without what the paths name; nothing where they name nothing. As in filters, an array on the way stands for
/// its elements.
std::optional<std::string> without(std::string_view value, const PathTree& paths) {
  bool changed = false;
  if (const auto elements = elements_of(value)) {
    std::vector<std::string> kept;
    for (const auto element : *elements) {
      auto rest = without(element, paths);
      changed = changed || rest;
      kept.push_back(rest ? *std::move(rest) : std::string(element));
    }
    return changed ? std::optional(array_of(kept)) : std::nullopt;
  }
  auto members = members_of(value);
  if (!members) return std::nullopt;
  std::erase_if(*members, [&](Member& member) {
    const auto found = paths.below.find(name_of(member.quoted));
    if (found == paths.below.end()) return false;
    if (found->second.end) return changed = true;
    auto rest = without(member.value, found->second);
    changed = changed || rest;
    if (rest) member.value = *std::move(rest);
    return false;
  });
  return changed ? std::optional(object_of(*members)) : std::nullopt;
}

/// Only what the paths name of `value`; nothing where they name nothing.
std::optional<std::string> only(std::string_view value, const PathTree& paths) {
  if (const auto elements = elements_of(value)) {
    std::vector<std::string> kept;
    for (const auto element : *elements) {
      if (auto part = only(element, paths)) kept.push_back(*std::move(part));
    }
    return kept.empty() ? std::nullopt : std::optional(array_of(kept));
  }
  auto members = members_of(value);
  if (!members) return std::nullopt;
  std::erase_if(*members, [&](Member& member) {
    const auto found = paths.below.find(name_of(member.quoted));
    if (found == paths.below.end()) return true;
    if (found->second.end) return false;
    auto part = only(member.value, found->second);
    if (part)
      member.value = *std::move(part);
    else
      member.quoted = {};
    return member.quoted.empty();
  });
  return members->empty() ? std::nullopt : std::optional(object_of(*members));
}

Error not_an_object(std::string_view what) {
  return Error{ErrorType::kBadJson, std::string(what) + " is not a JSON object"};
}

}  // namespace

Result<std::optional<std::string>> edit_payload(std::string_view old, PayloadMode mode, std::string_view change,
                                                std::span<const std::string> keys) {
  using Edited = std::optional<std::string>;
  if (mode == PayloadMode::kClear) return old.empty() ? Edited() : Edited(std::string());
  if (mode == PayloadMode::kReplace) return old == change ? Edited() : Edited(std::string(change));

  const std::string_view before = old.empty() ? std::string_view("{}") : old;
  if (!members_of(before)) return not_an_object("the stored payload");
  Edited after;
  if (mode == PayloadMode::kDeleteKeys) {
    after = without(before, PathTree::of(keys));
  } else {
    if (!members_of(change)) return not_an_object("the payload");
    after = mode == PayloadMode::kMerge ? merged(before, change) : replaced(before, change);
  }
  if (after && after->size() > kMaxMergedPayloadBytes && after->size() > old.size()) {
    return Error{ErrorType::kPayloadTooLarge, "the merged payload would be too long"}.with("limit_bytes",
                                                                                           kMaxMergedPayloadBytes);
  }
  return after;
}

std::string project_payload(std::string_view payload, std::span<const std::string> keys) {
  if (payload.empty()) return {};
  return only(payload, PathTree::of(keys)).value_or("{}");
}

std::string project_payload(std::string_view payload, const Projection& what) {
  if (!what.with_payload) return {};
  return what.payload_keys.empty() ? std::string(payload) : project_payload(payload, std::span(what.payload_keys));
}

}  // namespace vectorizer::shard
