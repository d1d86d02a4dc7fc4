#include "vectorizer/cluster/shard_placement.hpp"

#include <algorithm>
#include <array>

#include "enum_names.hpp"
#include "vectorizer/cluster/node_record.hpp"

namespace vectorizer::cluster {
namespace {

constexpr std::array<std::string_view, 5> kStatusNames{"joining", "active", "unhealthy", "draining", "removed"};
constexpr std::array<std::string_view, 4> kRoleNames{"init", "recovering", "in_sync", "stale"};

template <typename Predicate>
const CopyRecord* find_copy(const std::vector<CopyRecord>& copies, Predicate matches) {
  const auto found = std::find_if(copies.begin(), copies.end(), matches);
  return found == copies.end() ? nullptr : &*found;
}

}  // namespace

std::string_view node_status_name(NodeStatus status) {
  return kStatusNames.at(static_cast<std::size_t>(status));
}
std::optional<NodeStatus> node_status_from_name(std::string_view name) {
  return from_name<NodeStatus>(kStatusNames, name);
}
std::string_view copy_role_name(CopyRole role) {
  return kRoleNames.at(static_cast<std::size_t>(role));
}
std::optional<CopyRole> copy_role_from_name(std::string_view name) {
  return from_name<CopyRole>(kRoleNames, name);
}

std::vector<NodeId> ShardPlacement::replicas() const {
  std::vector<NodeId> nodes;
  for (const auto& copy : copies) nodes.push_back(copy.node);
  return nodes;
}

std::vector<NodeId> ShardPlacement::in_sync() const {
  std::vector<NodeId> nodes;
  for (const auto& copy : copies) {
    if (copy.role == CopyRole::kInSync) nodes.push_back(copy.node);
  }
  return nodes;
}

std::size_t ShardPlacement::in_sync_count() const {
  return static_cast<std::size_t>(std::count_if(copies.begin(), copies.end(),
                                                [](const CopyRecord& copy) { return copy.role == CopyRole::kInSync; }));
}

const CopyRecord* ShardPlacement::copy_on(const NodeId& node) const {
  return find_copy(copies, [&](const CopyRecord& copy) { return copy.node == node; });
}

const CopyRecord* ShardPlacement::copy(std::uint64_t id) const {
  return find_copy(copies, [&](const CopyRecord& copy) { return copy.id == id; });
}

bool ShardPlacement::open() const {
  const auto* copy = primary_copy();
  return copy != nullptr && copy->role == CopyRole::kInSync;
}

}  // namespace vectorizer::cluster
