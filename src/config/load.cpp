#include "vectorizer/config/load.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "draft.hpp"

namespace vectorizer::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

std::optional<std::filesystem::path> file_of(const Sources& sources) {
  if (sources.file) return sources.file;
  const auto set = sources.environment.find("VECTORIZER_CONFIG");
  if (set == sources.environment.end() || set->second.empty() || set->second.starts_with("tcp://")) return std::nullopt;
  return std::filesystem::path(set->second);
}

void apply_file(Draft& draft, const std::filesystem::path& path) {
  const Origin origin{path.string(), 0};
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return draft.problem(origin, "", "is a directory");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return draft.problem(origin, "", fmt::format("cannot be read: {}", std::strerror(errno)));
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return draft.problem(origin, "", "cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) return draft.problem(origin, "", "is larger than 1 MiB");
  apply_yaml(draft, text, path.string());
}

}  // namespace

std::string Problem::to_string() const {
  std::string out = source;
  if (line > 0) out += ":" + std::to_string(line);
  if (!key.empty()) out += ": " + key;
  return out + ": " + message;
}

Outcome load(const Sources& sources) {
  Draft draft;
  draft.outcome.file = file_of(sources);
  if (draft.outcome.file) apply_file(draft, *draft.outcome.file);
  apply_environment(draft, sources.environment);
  for (const auto& flag : sources.flags) apply_text(draft, flag.key, flag.value, {flag.flag, 0});
  validate(draft);
  return std::move(draft.outcome);
}

Outcome load_text(std::string_view yaml, const std::string& name) {
  Draft draft;
  if (yaml.size() > kMaxFileBytes) {
    draft.problem({name, 0}, "", "is larger than 1 MiB");
  } else {
    apply_yaml(draft, yaml, name);
  }
  validate(draft);
  return std::move(draft.outcome);
}

}  // namespace vectorizer::config
