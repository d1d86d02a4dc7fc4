#include "payload_edit.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vectorizer::shard {
namespace {

using Json = nlohmann::ordered_json;  // a merge must not shuffle the keys of what it does not touch

Result<Json> parse_object(std::string_view text, std::string_view what) {
  if (text.empty()) return Json::object();
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{ErrorType::kBadJson, std::string(what) + " is not a JSON object"};
  return json;
}

void set_shallow(Json& target, const Json& change) {
  for (const auto& [key, value] : change.items()) target[key] = value;
}

/// The end of the JSON string that begins at `at` (past its closing quote).
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// The end of the value that begins at `at`: the comma or bracket that follows it.
std::size_t skip_value(std::string_view text, std::size_t at) {
  for (int depth = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}')) return at;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  return at;
}

bool is_wanted(std::string_view quoted, std::span<const std::string> keys) {
  const std::string_view raw = quoted.substr(1, quoted.size() - 2);
  if (raw.find('\\') == std::string_view::npos) return std::find(keys.begin(), keys.end(), raw) != keys.end();
  const Json decoded = Json::parse(quoted, nullptr, false);
  return decoded.is_string() && std::find(keys.begin(), keys.end(), decoded.get<std::string>()) != keys.end();
}

}  // namespace

Result<std::optional<std::string>> edit_payload(std::string_view old, PayloadMode mode, std::string_view change,
                                                std::span<const std::string> keys) {
  using Edited = std::optional<std::string>;
  if (mode == PayloadMode::kClear) return old.empty() ? Edited() : Edited(std::string());
  if (mode == PayloadMode::kReplace) return old == change ? Edited() : Edited(std::string(change));

  ASSIGN_OR_RETURN(const Json before, parse_object(old, "the stored payload"));
  Json after = before;
  if (mode == PayloadMode::kDeleteKeys) {
    for (const std::string& key : keys) after.erase(key);
  } else {
    ASSIGN_OR_RETURN(const Json patch, parse_object(change, "the payload"));
    mode == PayloadMode::kMerge ? after.merge_patch(patch) : set_shallow(after, patch);
  }
  if (after == before) return Edited();
  // `replace`: bytes that are no UTF-8 cannot come through validation, and dump must not throw if they do.
  std::string text = after.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxMergedPayloadBytes && text.size() > old.size()) {
    return Error{ErrorType::kPayloadTooLarge, "the merged payload would be too long"}.with("limit_bytes",
                                                                                           kMaxMergedPayloadBytes);
  }
  return Edited(std::move(text));
}

std::string project_payload(std::string_view payload, std::span<const std::string> keys) {
  if (payload.empty()) return {};
  std::string out = "{";
  std::size_t at = payload.find('{');
  while (at < payload.size()) {
    const std::size_t key = payload.find('"', at + 1);
    if (key == std::string_view::npos) break;
    const std::size_t key_end = skip_string(payload, key);
    const std::size_t colon = payload.find(':', key_end);
    if (colon == std::string_view::npos) break;
    const std::size_t end = skip_value(payload, colon + 1);
    const std::string_view quoted = payload.substr(key, key_end - key);
    if (is_wanted(quoted, keys)) {
      if (out.size() > 1) out += ',';
      out.append(quoted).append(payload.substr(colon, end - colon));
    }
    if (end >= payload.size() || payload[end] == '}') break;
    at = end;
  }
  return out + "}";
}

std::string project_payload(std::string_view payload, const Projection& what) {
  if (!what.with_payload) return {};
  return what.payload_keys.empty() ? std::string(payload) : project_payload(payload, std::span(what.payload_keys));
}

}  // namespace vectorizer::shard
