#include "import_state.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "vectorizer/base/durable_file.hpp"

namespace vectorizer::client {
namespace {

constexpr std::uintmax_t kMaxStateBytes = 1 << 20;

Error state_error(const std::filesystem::path& path, const std::string& what) {
  return Error{ErrorType::kInternal, fmt::format("{}: {}", path.string(), what)};
}

std::optional<ImportState> parse_state(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    ImportState state;
    json.at("file").get_to(state.file);
    json.at("file_bytes").get_to(state.file_bytes);
    json.at("file_mtime").get_to(state.file_mtime);
    json.at("payload").get_to(state.payload);
    json.at("url").get_to(state.url);
    json.at("collection").get_to(state.collection);
    json.at("id_offset").get_to(state.id_offset);
    json.at("rows").get_to(state.rows);
    return state;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::string ImportState::difference(const ImportState& other) const {
  if (file != other.file) return "it is about " + file;
  if (file_bytes != other.file_bytes || file_mtime != other.file_mtime) return "the file has changed";
  if (payload != other.payload) return "the payload file is another";
  if (url != other.url) return "it is about " + url;
  if (collection != other.collection) return "it is about collection " + collection;
  if (id_offset != other.id_offset) return "the id offset is another";
  return {};
}

Result<ImportState> describe_import(const std::filesystem::path& file, const std::filesystem::path& payload) {
  ImportState state;
  std::error_code failed;
  state.file_bytes = std::filesystem::file_size(file, failed);
  if (!failed) state.file_mtime = std::filesystem::last_write_time(file, failed).time_since_epoch().count();
  if (!failed) state.file = std::filesystem::absolute(file, failed).lexically_normal().string();
  if (!failed && !payload.empty()) {
    state.payload = std::filesystem::absolute(payload, failed).lexically_normal().string();
  }
  if (failed) return Error{ErrorType::kValidation, fmt::format("{}: {}", file.string(), failed.message())};
  return state;
}

std::filesystem::path state_path(const std::filesystem::path& directory, const ImportState& state) {
  const auto name = std::filesystem::path(state.file).filename().string();
  return directory / fmt::format("{}.{}.import-state", name, state.collection);
}

Result<std::optional<ImportState>> load_state(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed) && !failed) return std::optional<ImportState>();
  const auto size = failed ? 0 : std::filesystem::file_size(path, failed);
  std::ifstream input(path, std::ios::binary);
  if (failed || !input) return state_error(path, "cannot be read");
  if (size > kMaxStateBytes) return state_error(path, "is not the state of an import");
  const std::string text((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  auto state = parse_state(text);
  if (!state) return state_error(path, "is not the state of an import");
  return state;
}

Result<void> save_state(const std::filesystem::path& path, const ImportState& state) {
  const nlohmann::json json = {{"file", state.file},
                               {"file_bytes", state.file_bytes},
                               {"file_mtime", state.file_mtime},
                               {"payload", state.payload},
                               {"url", state.url},
                               {"collection", state.collection},
                               {"id_offset", state.id_offset},
                               {"rows", state.rows}};
  return replace_file(path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace vectorizer::client
