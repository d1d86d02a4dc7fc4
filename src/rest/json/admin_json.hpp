#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/coordinator/cluster_view.hpp"
#include "vectorizer/coordinator/collection_admin.hpp"

namespace vectorizer::rest {

// Administration: rare and small, so that bodies and replies are DOM trees.

/// A collection as GET /collections/{c} shows it.
nlohmann::json collection_json(const coordinator::CollectionInfo& info);
/// A node as GET /nodes lists it, and as GET /nodes/{id} shows it (`detailed`).
nlohmann::json node_json(const coordinator::NodeView& node, bool detailed);
/// What a drain or a rebalance plans: shard, from, to.
nlohmann::json planned_json(const std::vector<coordinator::Migration>& migrations);
/// What is gone with a node that was removed by force.
nlohmann::json lost_json(const std::vector<coordinator::LostShard>& lost);
/// The migrations, with how far each has come.
nlohmann::json progress_json(const std::vector<coordinator::Migration>& migrations);
/// GET /shard-distribution.
nlohmann::json distribution_json(const std::vector<coordinator::NodeView>& nodes,
                                 const std::vector<coordinator::ShardView>& shards);
/// GET /shards/{id}.
nlohmann::json shard_json(const coordinator::ShardDetail& shard);
/// POST /sync: in_sync only if every member answered, and all the same.
nlohmann::json sync_json(const std::vector<coordinator::NodeSync>& nodes);
/// GET /status.
nlohmann::json status_json(const coordinator::ClusterStatus& status);

/// A time as RFC 3339 with milliseconds, in UTC.
std::string rfc3339_from_ms(std::int64_t milliseconds);

struct RebalanceBody {
  bool force = false;
  bool dry_run = false;
};
/// The body of POST /rebalance; none is the default.
Result<RebalanceBody> parse_rebalance(std::string_view body, const config::LimitSettings& limits);
/// The body of POST /sync: an object without members.
Result<void> check_no_members(std::string_view body, const config::LimitSettings& limits);
/// The body of POST /nodes.
Result<coordinator::NodeView> parse_new_node(std::string_view body, const config::LimitSettings& limits);
/// The body of POST /shards/{id}/allocate.
struct AllocateBody {
  NodeId node;
  std::string mode;  ///< stale | empty
};
Result<AllocateBody> parse_allocate(std::string_view body, const config::LimitSettings& limits);

/// The decimal number of a path, or nothing.
Result<std::uint64_t> number_from_path(std::string_view text, std::string_view field);

/// `json` as text; what is not UTF-8 is replaced.
std::string dump(const nlohmann::json& json);

}  // namespace vectorizer::rest
