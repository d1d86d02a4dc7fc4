#include "peer_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "vectorizer/base/durable_file.hpp"

namespace vectorizer::control {
namespace {

constexpr int kFormat = 1;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

}  // namespace

Result<void> PeerMemory::load() {
  std::error_code problem;
  if (!std::filesystem::exists(path_, problem)) return {};
  ASSIGN_OR_RETURN(const auto text, read_small_file(path_, kMaxBytes));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const Error damaged{ErrorType::kInternal, fmt::format("'{}' cannot be read", path_.string())};
  if (!json.is_object()) return damaged;
  std::map<std::uint64_t, Disk> disks;
  try {
    if (json.at("format") != kFormat) return damaged;
    for (const auto& disk : json.at("disks")) {
      auto& to = disks[disk.at("raft_id").get<std::uint64_t>()];
      to.raft = {disk.at("term").get<std::uint64_t>(), disk.at("index").get<std::uint64_t>()};
      for (const auto& copy : disk.at("copies")) {
        to.copies[copy.at(0).get<std::uint64_t>()] = {copy.at(1).get<std::uint64_t>(), copy.at(2).get<std::uint64_t>()};
      }
    }
  } catch (const nlohmann::json::exception&) {
    return damaged;
  }
  const std::lock_guard lock(mutex_);
  disks_ = std::move(disks);
  return {};
}

void PeerMemory::take(const peer::Positions& told) {
  const std::lock_guard lock(mutex_);
  const auto advance = [this](Furthest& known, std::uint64_t term, std::uint64_t at) {
    if (term <= known.term && at <= known.at) return;
    known = {std::max(known.term, term), std::max(known.at, at)};
    changed_ = true;
  };
  auto& disk = disks_[told.raft_id];
  advance(disk.raft, told.raft_term, told.raft_index);
  for (const auto& copy : told.copies) advance(disk.copies[copy.copy], copy.term, copy.sequence);
}

peer::Positions PeerMemory::of(std::uint64_t raft_id) const {
  peer::Positions positions;
  positions.raft_id = raft_id;
  const std::lock_guard lock(mutex_);
  const auto found = disks_.find(raft_id);
  if (found == disks_.end()) return positions;
  positions.raft_term = found->second.raft.term;
  positions.raft_index = found->second.raft.at;
  for (const auto& [copy, at] : found->second.copies) positions.copies.push_back({copy, at.term, at.at});
  return positions;
}

std::string PeerMemory::encode() const {
  auto disks = nlohmann::json::array();
  for (const auto& [raft_id, disk] : disks_) {
    auto copies = nlohmann::json::array();
    for (const auto& [copy, at] : disk.copies) copies.push_back({copy, at.term, at.at});
    disks.push_back({{"raft_id", raft_id}, {"term", disk.raft.term}, {"index", disk.raft.at}, {"copies", copies}});
  }
  return nlohmann::json{{"format", kFormat}, {"disks", std::move(disks)}}.dump() + "\n";
}

Result<void> PeerMemory::save(const std::set<std::uint64_t>& raft_ids, const std::set<std::uint64_t>& copies) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(disks_, [&](const auto& item) { return !raft_ids.contains(item.first); });
    for (auto& [raft_id, disk] : disks_) {
      std::erase_if(disk.copies, [&](const auto& item) { return !copies.contains(item.first); });
    }
    if (!std::exchange(changed_, false)) return {};
    text = encode();
  }
  return replace_file(path_, text);
}

std::optional<std::string> put_back(const peer::Positions& own, const peer::Positions& remembered) {
  if (remembered.raft_term > own.raft_term || remembered.raft_index > own.raft_index) {
    return fmt::format("its metadata log is at {} of term {}, and was at {} of term {}", own.raft_index, own.raft_term,
                       remembered.raft_index, remembered.raft_term);
  }
  return std::nullopt;
}

std::vector<std::uint64_t> copies_behind(const peer::Positions& own, const peer::Positions& remembered) {
  std::vector<std::uint64_t> behind;
  for (const auto& then : remembered.copies) {
    const auto now = std::find_if(own.copies.begin(), own.copies.end(),
                                  [&](const peer::CopyPosition& copy) { return copy.copy == then.copy; });
    // A copy that is not there was dropped, or is lost: that shows when the metadata says that it is in sync.
    if (now == own.copies.end() || (then.term <= now->term && then.sequence <= now->sequence)) continue;
    behind.push_back(then.copy);
  }
  return behind;
}

}  // namespace vectorizer::control
