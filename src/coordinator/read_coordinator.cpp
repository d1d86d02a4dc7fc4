#include "read_coordinator.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "merge.hpp"
#include "vectorizer/model/reply_size.hpp"

namespace vectorizer::coordinator {

template <typename Answer, typename Question>
Result<std::vector<Answer>> ReadCoordinator::ask(std::span<const ShardId> shards, const ReadFrom& from,
                                                 const Question& question) const {
  std::vector<Answer> answers;
  answers.reserve(shards.size());
  const auto pairs = [question](peer::Peer& peer, std::span<const ShardId> some) {
    typename Fanout<Answer>::Answers found;
    for (auto& reply : question(peer, some)) found.emplace_back(reply.shard, std::move(reply.answer));
    return found;
  };
  for (auto& answer : reads_.ask<Answer>(shards, from, true, pairs)) {
    if (!answer) return std::move(answer.error());
    answers.push_back(std::move(*answer));
  }
  return answers;
}

Result<std::vector<std::optional<Point>>> ReadCoordinator::get(std::span<const PointId> ids, const Projection& what,
                                                               const ReadFrom& from) const {
  std::map<ShardId, std::vector<std::size_t>> by_shard;
  for (std::size_t i = 0; i < ids.size(); ++i) by_shard[reads_.routing().shard_of(ids[i])].push_back(i);
  // A call that is given up goes on by itself: it has a request of its own.
  struct Wanted {
    std::map<ShardId, std::vector<PointId>> ids;
    Projection what;
    ReadFrom from;
  };
  auto wanted = std::make_shared<Wanted>(Wanted{{}, what, from});
  std::vector<ShardId> shards;
  for (const auto& [shard, places] : by_shard) {
    shards.push_back(shard);
    auto& of_shard = wanted->ids[shard];
    for (const auto place : places) of_shard.push_back(ids[place]);
  }
  const auto question = [wanted = std::shared_ptr<const Wanted>(wanted)](peer::Peer& peer,
                                                                         std::span<const ShardId> some) {
    std::vector<peer::ShardIds> asked;
    for (const auto& shard : some) asked.push_back({shard, wanted->ids.at(shard)});
    return peer.get(asked, wanted->what, wanted->from);
  };
  constexpr std::size_t kTypicalPayload = 1024;
  const auto dimension = reads_.collection().config.dimension;
  const auto each = reply_bytes(what.with_payload ? kTypicalPayload : 0, what.with_vector ? dimension : 0);
  // Shards whose points together may take too much are asked one after the other.
  const std::size_t step = each * ids.size() > what.max_bytes ? 1 : std::max<std::size_t>(shards.size(), 1);
  std::vector<std::optional<Point>> points(ids.size());
  ReplySize size(what.max_bytes);
  for (std::size_t begin = 0; begin < shards.size(); begin += step) {
    const std::span<const ShardId> some(shards.data() + begin, std::min(step, shards.size() - begin));
    ASSIGN_OR_RETURN(auto answers, ask<peer::ShardPoints>(some, from, question));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const auto& places = by_shard.at(some[i]);
      for (std::size_t k = 0; k < places.size(); ++k) {
        if (answers[i][k] && !size.add(*answers[i][k])) return size.too_large();
        points[places[k]] = std::move(answers[i][k]);
      }
    }
  }
  return points;
}

Result<ScrollReply> ReadCoordinator::scroll(const ScrollQuery& query, const ReadFrom& from) const {
  const auto& shards = reads_.collection().shards;
  auto share = std::make_shared<ScrollQuery>(query);  // pages end early where the points are large
  share->projection.max_bytes = query.projection.max_bytes / shards.size();
  const auto question = [share = std::shared_ptr<const ScrollQuery>(share), from](peer::Peer& peer,
                                                                                  std::span<const ShardId> some) {
    return peer.scroll(some, *share, from);
  };
  ASSIGN_OR_RETURN(auto pages, ask<peer::ShardPage>(shards, from, question));
  std::vector<std::vector<Point>> lists;
  std::optional<PointId> end;  // where the first page that is not complete ends: nothing is known of what follows
  std::size_t found = 0;
  for (auto& page : pages) {
    if (!page.complete && !page.points.empty())
      end = end ? std::min(*end, page.points.back().id) : page.points.back().id;
    found += page.points.size();
    lists.push_back(std::move(page.points));
  }
  ScrollReply reply;
  reply.points = merge_points(std::move(lists), query.limit);
  if (end) {
    while (reply.points.back().id > *end) reply.points.pop_back();
  }
  if ((end || found > reply.points.size()) && !reply.points.empty()) reply.next = reply.points.back().id;
  return reply;
}

Result<std::uint64_t> ReadCoordinator::count(const std::optional<Filter>& filter, const ReadFrom& from) const {
  const auto question = [filter = std::make_shared<const std::optional<Filter>>(filter), from](
                            peer::Peer& peer, std::span<const ShardId> some) {
    return peer.count(some, *filter, from);
  };
  ASSIGN_OR_RETURN(const auto counts, ask<std::uint64_t>(reads_.collection().shards, from, question));
  std::uint64_t total = 0;
  for (const auto counted : counts) total += counted;
  return total;
}

}  // namespace vectorizer::coordinator
