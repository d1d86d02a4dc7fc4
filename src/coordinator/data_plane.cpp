#include "vectorizer/coordinator/data_plane.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "merge.hpp"
#include "outages.hpp"
#include "read_coordinator.hpp"
#include "shard_reads.hpp"
#include "shard_routing.hpp"
#include "vectorizer/coordinator/coordinator.hpp"
#include "vectorizer/model/reply_size.hpp"
#include "write_coordinator.hpp"
#include "write_counters.hpp"

namespace vectorizer::coordinator {
namespace {

class DataPlaneImpl final : public DataPlane {
 public:
  DataPlaneImpl(DataPlaneOptions options, cluster::MetadataLog& metadata, peer::PeerDirectory& peers,
                MetricsRegistry& registry)
      : options_(std::move(options)),
        metadata_(metadata),
        peers_(peers),
        lane_("fanout", options_.fanout_threads, kFanoutQueue),
        counters_(std::make_shared<WriteCounters>(registry)) {
    registry.before_exposition([held = std::weak_ptr<WriteCounters>(counters_), &metadata] {
      if (const auto counters = held.lock()) counters->forget_dropped(*metadata.current());
    });
  }

  Result<CollectionShape> shape(const std::string& collection) const override {
    ASSIGN_OR_RETURN(const auto routing, route(collection));
    return CollectionShape{routing.collection().config.dimension, routing.collection().config.metric};
  }

  Result<WriteReport> write(const std::string& collection, std::vector<WriteOp> ops, std::vector<std::size_t> places,
                            const WriteKey& key) override {
    const auto kind = ops.empty() ? WriteOp::Kind::kPatch : ops.front().kind;  // the ops of one request are of one kind
    auto report = writer(collection).write(std::move(ops), places, RequestKey::of(collection, key));
    if (report) count_writes(collection, kind, report->applied);
    return report;
  }

  Result<WriteReport> write_matching(const std::string& collection, const Filter& filter, WriteOp op,
                                     const WriteKey& key) override {
    const auto kind = op.kind;
    auto report = writer(collection).write_matching(filter, std::move(op), RequestKey::of(collection, key));
    if (report) count_writes(collection, kind, report->applied);
    return report;
  }

  Result<SearchReply> search(const std::string& collection, const SearchQuery& query) const override;
  Result<std::vector<std::optional<Point>>> get(const std::string& collection, std::span<const PointId> ids,
                                                const Projection& what, const ReadFrom& from) const override {
    ASSIGN_OR_RETURN(const auto reader, reader_of(collection));
    return reader.get(ids, what, from);
  }
  Result<ScrollReply> scroll(const std::string& collection, const ScrollQuery& query,
                             const ReadFrom& from) const override {
    ASSIGN_OR_RETURN(const auto reader, reader_of(collection));
    return reader.scroll(query, from);
  }
  Result<std::uint64_t> count(const std::string& collection, const std::optional<Filter>& filter,
                              const ReadFrom& from) const override {
    ASSIGN_OR_RETURN(const auto reader, reader_of(collection));
    return reader.count(filter, from);
  }

 private:
  static constexpr std::size_t kFanoutQueue = 4096;
  struct Hits;
  Result<void> ask_here(peer::Peer& peer, std::span<const ShardId> shards, const SearchQuery& query, Hits& hits) const;
  static Result<void> ask_everybody(const ShardReads& reads, std::span<const ShardId> shards, const SearchQuery& query,
                                    Hits& hits);
  Result<ShardRouting> route(const std::string& collection) const {
    return ShardRouting::of(metadata_, peers_, options_.self, collection);
  }
  Result<ShardReads> reads_of(const std::string& collection) const {
    ASSIGN_OR_RETURN(auto routing, route(collection));
    return ShardReads(std::move(routing),
                      {lane_, outages_, options_.hedge_after, [this, collection] { return route(collection); }});
  }
  Result<ReadCoordinator> reader_of(const std::string& collection) const {
    ASSIGN_OR_RETURN(auto reads, reads_of(collection));
    return ReadCoordinator(std::move(reads));
  }
  WriteCoordinator writer(const std::string& collection) const {
    return WriteCoordinator(
        [this, collection] { return route(collection); }, lane_, outages_,
        Deadline(Deadline::Clock::now(), static_cast<std::uint32_t>(options_.write_timeout.count())));
  }

  void count_writes(const std::string& collection, WriteOp::Kind kind, std::uint64_t applied) {
    if (applied == 0) return;
    if (kind == WriteOp::Kind::kUpsert) counters_->inserts(collection, applied);
    if (kind == WriteOp::Kind::kDelete) counters_->deletes(collection, applied);
  }

  const DataPlaneOptions options_;
  cluster::MetadataLog& metadata_;
  peer::PeerDirectory& peers_;
  mutable Outages outages_;
  mutable Lane lane_;  // calls to other nodes
  const std::shared_ptr<WriteCounters> counters_;
};

/// What the shards of a search have answered so far.
struct DataPlaneImpl::Hits {
  Metric metric;
  std::vector<std::vector<ScoredPoint>> lists;
  std::vector<std::pair<ShardId, Error>> failures;

  /// Keeps only what can be in the reply.
  void cut(const SearchQuery& query) {
    auto best = merge_hits(std::move(lists), metric, 0, query.offset + query.limit);
    lists.clear();
    lists.push_back(std::move(best));
  }
  /// The answer of one shard. Error: they are too large together, whatever the search allows.
  Result<void> take(const ShardId& shard, Result<std::vector<ScoredPoint>> answer, const SearchQuery& query) {
    if (!answer) {
      if (answer.error().type == ErrorType::kPayloadTooLarge) return std::move(answer.error());
      failures.emplace_back(shard, std::move(answer.error()));
      return {};
    }
    lists.push_back(std::move(*answer));
    const ReplySize size(query.projection.max_bytes);
    if (fit(size)) return {};
    cut(query);
    return fit(size) ? Result<void>() : Result<void>(size.too_large());
  }
  bool fit(ReplySize size) const {
    return std::all_of(lists.begin(), lists.end(), [&](const auto& list) { return size.add_all(list); });
  }
};

/// One call to one peer. An error is one of the whole search, whatever it allows.
Result<void> DataPlaneImpl::ask_here(peer::Peer& peer, std::span<const ShardId> shards, const SearchQuery& query,
                                     Hits& hits) const {
  if (query.deadline.passed()) {
    for (const auto& shard : shards) hits.failures.emplace_back(shard, query.deadline.error());
    return {};
  }
  for (auto& leg : peer.search(shards, query)) RETURN_IF_ERROR(hits.take(leg.shard, std::move(leg.hits), query));
  return {};
}

/// Many calls. A search that takes what is there does not wait for more.
Result<void> DataPlaneImpl::ask_everybody(const ShardReads& reads, std::span<const ShardId> shards,
                                          const SearchQuery& query, Hits& hits) {
  using Found = std::vector<ScoredPoint>;
  const auto own = std::make_shared<const SearchQuery>(query);
  const auto question = [own](peer::Peer& peer, std::span<const ShardId> asked) {
    Fanout<Found>::Answers found;
    for (auto& leg : peer.search(asked, *own)) found.emplace_back(leg.shard, std::move(leg.hits));
    return found;
  };
  auto answers =
      reads.ask<Found>(shards, {query.consistency, query.session, query.deadline}, !query.allow_partial, question);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    RETURN_IF_ERROR(hits.take(shards[i], std::move(answers[i]), query));
  }
  return {};
}

/// Whether the shards' hits together may take so much that they are better asked one after the other.
bool may_be_large(const SearchQuery& query, std::uint32_t dimension, std::size_t shards) {
  const auto& what = query.projection;
  constexpr std::size_t kTypicalPayload = 1024;
  const auto hit = reply_bytes(what.with_payload ? kTypicalPayload : 0, what.with_vector ? dimension : 0);
  return hit * (query.offset + query.limit) * shards > what.max_bytes;
}

Result<SearchReply> DataPlaneImpl::search(const std::string& collection, const SearchQuery& query) const {
  ASSIGN_OR_RETURN(const auto reads, reads_of(collection));
  const auto& config = reads.collection().config;
  if (query.vector.size() != config.dimension) {
    return Error{ErrorType::kDimensionMismatch, fmt::format("collection '{}' has dimension {}, got {}", config.name,
                                                            config.dimension, query.vector.size())}
        .with("expected", config.dimension)
        .with("actual", query.vector.size());
  }
  const std::span<const ShardId> shards(reads.collection().shards);
  SearchReply reply;
  reply.shards_total = static_cast<std::uint32_t>(shards.size());
  Hits hits{config.metric, {}, {}};
  const std::size_t step = may_be_large(query, config.dimension, shards.size()) ? 1 : shards.size();
  for (std::size_t begin = 0; begin < shards.size(); begin += step) {
    const auto some = shards.subspan(begin, std::min(step, shards.size() - begin));
    if (reads.routing().single()) {
      ASSIGN_OR_RETURN(auto* peer, reads.routing().primary(some.front()));
      RETURN_IF_ERROR(ask_here(*peer, some, query, hits));
    } else {
      RETURN_IF_ERROR(ask_everybody(reads, some, query, hits));
    }
    if (step == 1) hits.cut(query);
  }
  for (auto& [shard, error] : hits.failures) {
    if (!query.allow_partial) return std::move(error);
    reply.failures.push_back({shard, std::move(error)});
  }
  reply.results = merge_hits(std::move(hits.lists), config.metric, query.offset, query.limit);
  return reply;
}

}  // namespace

std::unique_ptr<DataPlane> make_data_plane(DataPlaneOptions options, cluster::MetadataLog& metadata,
                                           peer::PeerDirectory& peers, MetricsRegistry& registry) {
  return std::make_unique<DataPlaneImpl>(std::move(options), metadata, peers, registry);
}

}  // namespace vectorizer::coordinator
