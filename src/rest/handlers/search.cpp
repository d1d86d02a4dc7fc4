#include <chrono>

#include "handlers.hpp"
#include "handlers/request_checks.hpp"
#include "json/binary_body.hpp"
#include "json/reply.hpp"
#include "json/search_body.hpp"

namespace vectorizer::rest {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Runs one search and appends its reply to `out`. Its time runs from the arrival of the request.
Result<void> run_search(const Services& services, const Request& request, const std::string& collection,
                        SearchQuery& query, Clock::time_point start, std::string& out) {
  query.deadline = Deadline(request.received, query.timeout_ms.value_or(services.server.read_timeout_ms));
  ASSIGN_OR_RETURN(const auto reply, services.data.search(collection, query));
  append_search_reply(out, reply, query.projection, milliseconds_since(start));
  return {};
}

Result<Response> search(const Services& services, const Request& request) {
  const auto start = Clock::now();
  RETURN_IF_ERROR(check_query(request, {"consistency"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  ASSIGN_OR_RETURN(const auto shape, services.data.shape(collection));
  ASSIGN_OR_RETURN(const auto kind, body_kind(request, true));
  auto query = kind == BodyKind::kBinary ? parse_binary_search(request.body, shape.dimension, services.limits)
                                         : parse_search(request.body, shape.dimension, services.limits);
  if (!query) return std::move(query).error();
  std::string body;
  RETURN_IF_ERROR(run_search(services, request, collection, *query, start, body));
  return json_response(std::move(body));
}

Result<Response> search_batch(const Services& services, const Request& request) {
  RETURN_IF_ERROR(check_query(request, {"consistency"}));
  RETURN_IF_ERROR(check_read(request));
  ASSIGN_OR_RETURN(const auto collection, collection_of(request));
  ASSIGN_OR_RETURN(const auto shape, services.data.shape(collection));
  RETURN_IF_ERROR(check_json_body(request));
  ASSIGN_OR_RETURN(auto queries, parse_search_batch(request.body, shape.dimension, services.limits));
  std::string body = "{\"results\":[";
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (i > 0) body += ',';
    const auto outcome = run_search(services, request, collection, queries[i], Clock::now(), body);
    if (outcome) continue;
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
  return {
      {Method::kPost, base, RunOn::kIoThread, [s](const Request& r) { return answer(r, search(*s, r)); }},
      {Method::kPost, base + "/batch", RunOn::kIoThread,
       [s](const Request& r) { return answer(r, search_batch(*s, r)); }},
  };
}

}  // namespace vectorizer::rest
