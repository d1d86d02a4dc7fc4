#include "vectorizer/control/identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "random_bits.hpp"
#include "vectorizer/base/durable_file.hpp"

namespace vectorizer::control {
namespace {

constexpr int kFormat = 1;
constexpr auto kIdentityFile = "identity";
constexpr std::size_t kMaxBytes = 64 << 10;

using peer::IdentityState;

constexpr std::array<std::pair<IdentityState, std::string_view>, 5> kStates{{
    {IdentityState::kVirgin, "virgin"},
    {IdentityState::kClaimed, "claimed"},
    {IdentityState::kJoining, "joining"},
    {IdentityState::kMember, "member"},
    {IdentityState::kRemoved, "removed"},
}};

Error damaged(const std::filesystem::path& path, std::string_view why) {
  return Error{
      ErrorType::kConflict,
      fmt::format("identity file '{}' is damaged ({}). This node cannot prove who it is: stop it, empty its data "
                  "directory and start it again; it then joins as a new node and receives its data from the others",
                  path.string(), why)};
}

std::string encode(const Identity& identity) {
  nlohmann::ordered_json json;
  json["format"] = kFormat;
  json["uuid"] = identity.uuid;
  json["raft_id"] = identity.raft_id;
  json["node_id"] = identity.node.value();
  json["cluster_id"] = identity.cluster_id;
  json["state"] = identity_state_name(identity.state);
  json["claimed_by"] = identity.claimed_by;
  json["claimed_by_endpoint"] = identity.claimed_by_endpoint;
  json["boot_epoch"] = identity.boot_epoch;
  json["boot_nonce"] = identity.boot_nonce;
  json["earlier_nonces"] = identity.earlier_nonces;
  return json.dump(2) + "\n";
}

std::optional<Identity> decode(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    if (json.at("format") != kFormat) return std::nullopt;
    Identity identity;
    identity.uuid = json.at("uuid").get<std::string>();
    identity.raft_id = json.at("raft_id").get<std::uint64_t>();
    identity.node = NodeId(json.at("node_id").get<std::string>());
    identity.cluster_id = json.at("cluster_id").get<std::string>();
    identity.claimed_by = json.at("claimed_by").get<std::string>();
    identity.claimed_by_endpoint = json.at("claimed_by_endpoint").get<std::string>();
    identity.boot_epoch = json.at("boot_epoch").get<std::uint64_t>();
    identity.boot_nonce = json.at("boot_nonce").get<std::uint64_t>();
    identity.earlier_nonces = json.at("earlier_nonces").get<std::vector<std::uint64_t>>();
    const auto state = json.at("state").get<std::string>();
    for (const auto& [value, name] : kStates) {
      if (name != state) continue;
      identity.state = value;
      if (identity.uuid.size() != 32 || identity.raft_id == 0) return std::nullopt;
      return identity;
    }
  } catch (const nlohmann::json::exception&) {
  }
  return std::nullopt;
}

Identity new_identity() {
  Identity identity;
  identity.uuid = fmt::format("{:016x}{:016x}", random_bits(), random_bits());
  do {
    identity.raft_id = random_bits() >> 1;
  } while (identity.raft_id == 0);
  return identity;
}

/// A log that belongs to no identity, or an identity whose log is gone, must not run: it would vote twice.
Result<void> check_raft_store(const std::filesystem::path& path, const std::optional<Identity>& found,
                              bool raft_store) {
  if (!found && raft_store) return damaged(path, "it is missing, but there is a Raft log beside it");
  const bool has_log = found && (found->state == IdentityState::kMember || found->state == IdentityState::kRemoved);
  if (has_log && !raft_store) return damaged(path, "it belongs to a cluster, but its Raft log is missing");
  return {};
}

}  // namespace

bool Identity::knows(std::uint64_t nonce) const {
  return nonce == boot_nonce || std::find(earlier_nonces.begin(), earlier_nonces.end(), nonce) != earlier_nonces.end();
}

std::string_view identity_state_name(IdentityState state) {
  for (const auto& [value, name] : kStates) {
    if (value == state) return name;
  }
  return "?";
}

Result<std::optional<Identity>> read_identity(const std::filesystem::path& data_dir) {
  const auto path = data_dir / kIdentityFile;
  std::error_code problem;
  if (!std::filesystem::exists(path, problem)) {
    if (!problem) return std::optional<Identity>();
    return Error{ErrorType::kInternal, fmt::format("'{}': {}", path.string(), problem.message())};
  }
  ASSIGN_OR_RETURN(const auto text, read_small_file(path, kMaxBytes));
  auto found = decode(text);
  if (!found) return damaged(path, "it cannot be read");
  return found;
}

Result<void> renew_identity(const std::filesystem::path& data_dir, const Identity& before) {
  auto renewed = new_identity();
  renewed.uuid = before.uuid;
  renewed.node = before.node;
  return replace_file(data_dir / kIdentityFile, encode(renewed));
}

Result<std::unique_ptr<IdentityFile>> IdentityFile::open(const std::filesystem::path& data_dir, const NodeId& node,
                                                         bool raft_store_exists) {
  const auto path = data_dir / kIdentityFile;
  ASSIGN_OR_RETURN(auto found, read_identity(data_dir));
  RETURN_IF_ERROR(check_raft_store(path, found, raft_store_exists));
  std::unique_ptr<IdentityFile> file(new IdentityFile(path, found ? std::move(*found) : new_identity()));
  RETURN_IF_ERROR(file->update([&](Identity& identity) {
    identity.node = node;
    ++identity.boot_epoch;
    auto& earlier = identity.earlier_nonces;
    if (identity.boot_nonce != 0) earlier.insert(earlier.begin(), identity.boot_nonce);
    if (earlier.size() > Identity::kKeptNonces) earlier.resize(Identity::kKeptNonces);
    identity.boot_nonce = random_bits();
  }));
  return file;
}

Identity IdentityFile::current() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

Result<void> IdentityFile::update(const std::function<void(Identity&)>& change) {
  const std::lock_guard lock(mutex_);
  Identity changed = identity_;
  change(changed);
  RETURN_IF_ERROR(replace_file(path_, encode(changed)));
  identity_ = std::move(changed);
  return {};
}

}  // namespace vectorizer::control
