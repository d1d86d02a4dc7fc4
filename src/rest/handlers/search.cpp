#include <algorithm>
#include <chrono>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/binary_body.hpp"
#include "json/reply.hpp"
#include "json/search_body.hpp"
#include "vectorizer/model/reply_size.hpp"

namespace vectorizer::rest {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Runs one search and appends its reply to `out`. Its time runs from the arrival of the request.
Result<void> run_search(const Services& services, const Request& request, const Target& target, SearchQuery& query,
                        Clock::time_point start, std::string& out) {
  if (target.consistency) query.consistency = *target.consistency;
  query.session = target.session;
  query.deadline = Deadline(request.received, query.timeout_ms.value_or(services.server.read_timeout_ms));
  query.projection.max_bytes = services.server.max_reply_bytes;
  ASSIGN_OR_RETURN(const auto reply, services.data.search(target.collection, query));
  ReplySize size(services.server.max_reply_bytes -
                 std::min<std::uint64_t>(out.size(), services.server.max_reply_bytes));
  if (!size.add_all(reply.results)) return ReplySize(services.server.max_reply_bytes).too_large();  // of a batch
  append_search_reply(out, reply, query.projection, milliseconds_since(start));
  return {};
}

Result<Response> search(const Services& services, const Request& request) {
  const auto start = Clock::now();
  ASSIGN_OR_RETURN(const auto target, target_of(services, request, Body::kJsonOrBinary, {"consistency"}));
  const auto parse = target.body == BodyKind::kBinary ? parse_binary_search : parse_search;
  auto query = parse(request.body, target.shape.dimension, services.limits);
  if (!query) return std::move(query).error();
  std::string body;
  RETURN_IF_ERROR(run_search(services, request, target, *query, start, body));
  return json_response(std::move(body));
}

Result<Response> search_batch(const Services& services, const Request& request) {
  ASSIGN_OR_RETURN(const auto target, target_of(services, request, Body::kJson, {"consistency"}));
  ASSIGN_OR_RETURN(auto queries, parse_search_batch(request.body, target.shape.dimension, services.limits));
  std::string body = "{\"results\":[";
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (i > 0) body += ',';
    const auto outcome = run_search(services, request, target, queries[i], Clock::now(), body);
    if (outcome) continue;
    if (outcome.error().type == ErrorType::kSessionLost) return outcome.error();  // of all of them alike
    body += "{\"error\":";
    body += error_response(outcome.error(), request.request_id).body;
    body += '}';
  }
  body += "]}";
  return json_response(std::move(body));
}

}  // namespace

std::vector<Route> search_routes(const Services& services) {
  const auto* s = &services;
  const std::string base = "/collections/{name}/search";
  // With all shards here a search runs to its end on the thread that read it; one that asks other nodes waits.
  const auto run_on = services.cluster.alone() ? RunOn::kIoThread : RunOn::kRequestLane;
  return {
      {Method::kPost, base, run_on, [s](const Request& r) { return answer(r, search(*s, r)); }},
      {Method::kPost, base + "/batch", run_on, [s](const Request& r) { return answer(r, search_batch(*s, r)); }},
  };
}

}  // namespace vectorizer::rest
