#include "vectorizer/coordinator/data_plane.hpp"

#include <fmt/format.h>

#include <map>

#include "merge.hpp"
#include "shard_routing.hpp"
#include "vectorizer/coordinator/coordinator.hpp"
#include "write_coordinator.hpp"

namespace vectorizer::coordinator {
namespace {

class DataPlaneImpl final : public DataPlane {
 public:
  DataPlaneImpl(const cluster::MetadataLog& metadata, peer::PeerDirectory& peers, MetricsRegistry& registry)
      : metadata_(metadata),
        peers_(peers),
        inserts_(registry.counters("vectorizer_inserts_total", "Vectors written by upserts, by collection.")),
        deletes_(registry.counters("vectorizer_deletes_total", "Vectors deleted, by collection.")) {}

  Result<CollectionShape> shape(const std::string& collection) const override {
    ASSIGN_OR_RETURN(const auto routing, route(collection));
    return CollectionShape{routing.collection().config.dimension, routing.collection().config.metric};
  }

  Result<WriteReport> write(const std::string& collection, std::vector<WriteOp> ops) override {
    ASSIGN_OR_RETURN(const auto routing, route(collection));
    const auto kind = ops.empty() ? WriteOp::Kind::kPatch : ops.front().kind;  // the ops of one request are of one kind
    auto report = write_by_shard(routing, std::move(ops));
    if (report) count_writes(collection, kind, report->applied);
    return report;
  }

  Result<WriteReport> write_matching(const std::string& collection, const Filter& filter, WriteOp op) override {
    ASSIGN_OR_RETURN(const auto routing, route(collection));
    const auto kind = op.kind;
    auto report = write_matching_by_shard(routing, filter, std::move(op));
    if (report) count_writes(collection, kind, report->applied);
    return report;
  }

  Result<SearchReply> search(const std::string& collection, const SearchQuery& query) const override;
  Result<std::vector<std::optional<Point>>> get(const std::string& collection, std::span<const PointId> ids,
                                                const Projection& what) const override;
  Result<ScrollReply> scroll(const std::string& collection, const ScrollQuery& query) const override;
  Result<std::uint64_t> count(const std::string& collection, const std::optional<Filter>& filter) const override;

 private:
  Result<ShardRouting> route(const std::string& collection) const {
    return ShardRouting::of(metadata_, peers_, collection);
  }

  void count_writes(const std::string& collection, WriteOp::Kind kind, std::uint64_t applied) {
    if (applied == 0) return;
    if (kind == WriteOp::Kind::kUpsert)
      inserts_.Add({{"collection", collection}}).Increment(static_cast<double>(applied));
    if (kind == WriteOp::Kind::kDelete)
      deletes_.Add({{"collection", collection}}).Increment(static_cast<double>(applied));
  }

  const cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  prometheus::Family<prometheus::Counter>& inserts_;
  prometheus::Family<prometheus::Counter>& deletes_;
};

Result<SearchReply> DataPlaneImpl::search(const std::string& collection, const SearchQuery& query) const {
  ASSIGN_OR_RETURN(const auto routing, route(collection));
  const auto& config = routing.collection().config;
  if (query.vector.size() != config.dimension) {
    return Error{ErrorType::kDimensionMismatch, fmt::format("collection '{}' has dimension {}, got {}", config.name,
                                                            config.dimension, query.vector.size())}
        .with("expected", config.dimension)
        .with("actual", query.vector.size());
  }
  auto legs = routing.legs();
  SearchReply reply;
  reply.shards_total = static_cast<std::uint32_t>(routing.collection().shards.size());
  std::vector<std::vector<ScoredPoint>> lists;
  lists.reserve(reply.shards_total);
  for (auto& [peer, shards] : legs.by_peer) {
    if (query.deadline.passed()) {
      for (const auto& shard : shards) legs.unreachable.emplace_back(shard, query.deadline.error());
      continue;
    }
    for (auto& leg : peer->search(shards, query)) {
      if (leg.hits) {
        lists.push_back(std::move(*leg.hits));
      } else {
        legs.unreachable.emplace_back(leg.shard, std::move(leg.hits.error()));
      }
    }
  }
  for (auto& [shard, error] : legs.unreachable) {
    if (!query.allow_partial) return std::move(error);
    reply.failures.push_back({shard, std::move(error)});
  }
  reply.results = merge_hits(std::move(lists), config.metric, query.offset, query.limit);
  return reply;
}

Result<std::vector<std::optional<Point>>> DataPlaneImpl::get(const std::string& collection,
                                                             std::span<const PointId> ids,
                                                             const Projection& what) const {
  ASSIGN_OR_RETURN(const auto routing, route(collection));
  std::map<ShardId, std::vector<std::size_t>> by_shard;
  for (std::size_t i = 0; i < ids.size(); ++i) by_shard[routing.shard_of(ids[i])].push_back(i);
  std::vector<std::optional<Point>> points(ids.size());
  for (const auto& [shard, positions] : by_shard) {
    ASSIGN_OR_RETURN(auto* peer, routing.primary(shard));
    std::vector<PointId> wanted;
    wanted.reserve(positions.size());
    for (const auto position : positions) wanted.push_back(ids[position]);
    ASSIGN_OR_RETURN(auto found, peer->get(shard, wanted, what));
    for (std::size_t i = 0; i < positions.size(); ++i) points[positions[i]] = std::move(found[i]);
  }
  return points;
}

Result<ScrollReply> DataPlaneImpl::scroll(const std::string& collection, const ScrollQuery& query) const {
  ASSIGN_OR_RETURN(const auto routing, route(collection));
  std::vector<std::vector<Point>> lists;
  bool complete = true;
  std::size_t found = 0;
  for (const auto& shard : routing.collection().shards) {
    ASSIGN_OR_RETURN(auto* peer, routing.primary(shard));
    ASSIGN_OR_RETURN(auto page, peer->scroll(shard, query));
    complete = complete && page.complete;
    found += page.points.size();
    lists.push_back(std::move(page.points));
  }
  ScrollReply reply;
  reply.points = merge_points(std::move(lists), query.limit);
  if ((!complete || found > reply.points.size()) && !reply.points.empty()) reply.next = reply.points.back().id;
  return reply;
}

Result<std::uint64_t> DataPlaneImpl::count(const std::string& collection, const std::optional<Filter>& filter) const {
  ASSIGN_OR_RETURN(const auto routing, route(collection));
  std::uint64_t total = 0;
  for (const auto& shard : routing.collection().shards) {
    ASSIGN_OR_RETURN(auto* peer, routing.primary(shard));
    ASSIGN_OR_RETURN(const auto counted, peer->count(shard, filter));
    total += counted;
  }
  return total;
}

}  // namespace

std::unique_ptr<DataPlane> make_data_plane(const cluster::MetadataLog& metadata, peer::PeerDirectory& peers,
                                           MetricsRegistry& registry) {
  return std::make_unique<DataPlaneImpl>(metadata, peers, registry);
}

}  // namespace vectorizer::coordinator
