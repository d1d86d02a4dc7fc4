#include "vectorizer/storage/snapshot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "vectorizer/base/durable_file.hpp"

namespace vectorizer::storage {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::size_t kMaxManifestBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxMarkerBytes = std::size_t{64} << 20;
constexpr std::string_view kSumPrefix = "xxh3-64 ";
constexpr std::size_t kSumLine = kSumPrefix.size() + 16 + 1;

std::string hex(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

std::uint64_t sum_of(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Error damaged(const std::filesystem::path& directory, std::string_view why) {
  return Error{ErrorType::kConflict,
               fmt::format("the snapshot in '{}' is damaged: {} {}", directory.string(), kSnapshotManifest, why)};
}

json to_json(const SnapshotManifest& manifest) {
  json nodes = json::array(), copies = json::array(), files = json::array();
  for (const auto& node : manifest.nodes) nodes.push_back(node.value());
  for (const auto& copy : manifest.copies) {
    copies.push_back({{"shard", copy.shard.value()},
                      {"copy", copy.copy},
                      {"number", copy.number},
                      {"term", copy.term},
                      {"last_term", copy.last.term},
                      {"last_sequence", copy.last.sequence},
                      {"applied", copy.applied}});
  }
  for (const auto& file : manifest.files) {
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"xxh3_64", hex(file.checksum)}});
  }
  return {{"format", kFormat},
          {"name", manifest.name},
          {"created_at_ms", manifest.created_at_ms},
          {"version", manifest.version},
          {"node_id", manifest.node.value()},
          {"node_uuid", manifest.node_uuid},
          {"cluster_id", manifest.cluster_id},
          {"nodes", std::move(nodes)},
          {"metadata_epoch", manifest.metadata_epoch},
          {"metadata", manifest.metadata},
          {"shared_bytes", manifest.shared_bytes},
          {"copies", std::move(copies)},
          {"files", std::move(files)}};
}

std::uint64_t from_hex(const std::string& text) {
  return std::stoull(text, nullptr, 16);
}

/// Whether `member` is there and just this; json::value would throw for one of another type.
template <typename Value>
bool says(const json& object, const char* member, const Value& expected) {
  const auto found = object.find(member);
  return found != object.end() && *found == expected;
}

SnapshotManifest from_json(const json& in) {
  SnapshotManifest manifest;
  manifest.name = in.at("name").get<std::string>();
  manifest.created_at_ms = in.at("created_at_ms").get<std::int64_t>();
  manifest.version = in.at("version").get<std::string>();
  manifest.node = NodeId(in.at("node_id").get<std::string>());
  manifest.node_uuid = in.at("node_uuid").get<std::string>();
  manifest.cluster_id = in.at("cluster_id").get<std::string>();
  for (const auto& node : in.at("nodes")) manifest.nodes.emplace_back(node.get<std::string>());
  manifest.metadata_epoch = in.at("metadata_epoch").get<std::uint64_t>();
  manifest.metadata = in.at("metadata").get<std::string>();
  manifest.shared_bytes = in.at("shared_bytes").get<std::uint64_t>();
  for (const auto& copy : in.at("copies")) {
    SnapshotCopy out;
    out.shard = ShardId(copy.at("shard").get<std::uint64_t>());
    out.copy = copy.at("copy").get<std::uint64_t>();
    out.number = copy.at("number").get<CopyNumber>();
    out.term = copy.at("term").get<std::uint64_t>();
    out.last.term = copy.at("last_term").get<std::uint64_t>();
    out.last.sequence = copy.at("last_sequence").get<std::uint64_t>();
    out.applied = copy.at("applied").get<std::uint64_t>();
    manifest.copies.push_back(out);
  }
  for (const auto& file : in.at("files")) {
    manifest.files.push_back({file.at("path").get<std::string>(), file.at("bytes").get<std::uint64_t>(),
                              from_hex(file.at("xxh3_64").get<std::string>())});
  }
  return manifest;
}

/// No file of a manifest lies outside of the snapshot.
bool inside(const std::string& path) {
  const std::filesystem::path relative(path);
  return !path.empty() && relative.is_relative() &&
         std::none_of(relative.begin(), relative.end(), [](const auto& part) { return part == ".."; });
}

}  // namespace

std::uint64_t SnapshotManifest::bytes() const {
  std::uint64_t total = 0;
  for (const auto& file : files) total += file.bytes;
  return total;
}

bool is_snapshot_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

Result<void> write_manifest(const std::filesystem::path& directory, const SnapshotManifest& manifest) {
  auto text = to_json(manifest).dump(1) + "\n";
  text += fmt::format("{}{}\n", kSumPrefix, hex(sum_of(text)));
  RETURN_IF_ERROR(replace_file(directory / kRestoreMarker, json{{"format", kFormat}}.dump() + "\n"));
  return replace_file(directory / kSnapshotManifest, text);
}

Result<SnapshotManifest> read_manifest(const std::filesystem::path& directory) {
  ASSIGN_OR_RETURN(const auto text, read_small_file(directory / kSnapshotManifest, kMaxManifestBytes));
  if (text.size() < kSumLine) return damaged(directory, "is cut short");
  const std::string_view body(text.data(), text.size() - kSumLine);
  if (text.substr(body.size()) != fmt::format("{}{}\n", kSumPrefix, hex(sum_of(body)))) {
    return damaged(directory, "does not match its own checksum");
  }
  const auto parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object()) return damaged(directory, "is no JSON object");
  if (!says(parsed, "format", kFormat)) return damaged(directory, "has a format that this version does not read");
  try {
    auto manifest = from_json(parsed);
    const bool all_inside = std::all_of(manifest.files.begin(), manifest.files.end(),
                                        [](const SnapshotFile& file) { return inside(file.path); });
    if (!all_inside) return damaged(directory, "names a file outside of the snapshot");
    return manifest;
  } catch (const std::exception& problem) {
    return damaged(directory, problem.what());
  }
}

Result<std::string> manifest_checksum(const std::filesystem::path& directory) {
  ASSIGN_OR_RETURN(const auto text, read_small_file(directory / kSnapshotManifest, kMaxManifestBytes));
  return hex(sum_of(text));
}

Result<json> read_restore_marker(const std::filesystem::path& data_dir) {
  const auto path = data_dir / kRestoreMarker;
  ASSIGN_OR_RETURN(const auto text, read_small_file(path, kMaxMarkerBytes));
  if (text.find_first_not_of(" \r\n\t") == std::string::npos) return json{{"format", kFormat}};  // `touch RESTORE`
  auto marker = json::parse(text, nullptr, false);
  if (!marker.is_object() || !says(marker, "format", kFormat)) {
    return Error{ErrorType::kConflict,
                 fmt::format("'{}' is damaged: restore the data directory again from its backup", path.string())};
  }
  return marker;
}

Result<bool> check_restored(const std::filesystem::path& data_dir) {
  const auto path = data_dir / kRestoreMarker;
  std::error_code problem;
  if (!std::filesystem::exists(path, problem)) return false;
  ASSIGN_OR_RETURN(auto marker, read_restore_marker(data_dir));
  if (says(marker, "checked", true)) return true;
  const auto manifest_path = data_dir / kSnapshotManifest;
  if (std::filesystem::exists(manifest_path, problem)) {
    ASSIGN_OR_RETURN(const auto manifest, read_manifest(data_dir));
    ASSIGN_OR_RETURN(const auto problems, check_files(data_dir, manifest, nullptr));
    if (!problems.empty()) {
      return Error{ErrorType::kConflict,
                   fmt::format("the data directory '{}' is not what was backed up: {}. Empty it, and restore it again "
                               "from an intact backup",
                               data_dir.string(), fmt::join(problems, "; "))};
    }
    spdlog::info("restored from snapshot '{}' of node '{}': {} files are as they were saved", manifest.name,
                 manifest.node.value(), manifest.files.size());
  }
  // In this order: once it is checked, the files change and the manifest is no longer true.
  marker["checked"] = true;
  RETURN_IF_ERROR(replace_file(path, marker.dump() + "\n"));
  std::filesystem::remove(manifest_path, problem);
  return true;
}

Result<void> remove_restore_marker(const std::filesystem::path& data_dir) {
  std::error_code problem;
  std::filesystem::remove(data_dir / kSnapshotManifest, problem);
  std::filesystem::remove(data_dir / kRestoreMarker, problem);
  if (!problem) return {};
  return Error{ErrorType::kInternal, fmt::format("cannot remove {}: {}", kRestoreMarker, problem.message())};
}

}  // namespace vectorizer::storage
