#include "dispatch.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "url.hpp"

namespace vectorizer::rest {
namespace {

// POST is also how searches and reads with a body come; those run again.
bool is_idempotent_write(const Route& route) {
  if (route.method == Method::kGet || !route.pattern.starts_with("/collections")) return false;
  const auto last = route.pattern.substr(route.pattern.rfind('/') + 1);
  return last != "search" && last != "batch" && last != "get" && last != "scroll" && last != "count";
}

}  // namespace

Dispatcher::Dispatcher(const config::ServerSettings& settings, std::vector<Route> routes, HttpMetrics& metrics)
    : settings_(settings),
      metrics_(metrics),
      router_(std::move(routes)),
      lane_("request", std::max(1U, settings.request_threads), settings.queue_limit) {
  for (const auto& route : router_.routes()) {
    Row row;
    row.metrics = metrics.route(route.pattern, route.method);
    if (route.method == Method::kGet) row.head_metrics = metrics.route(route.pattern, Method::kHead);
    row.idempotent_write = is_idempotent_write(route);
    rows_.push_back(std::move(row));
  }
  for (std::size_t i = 0; i < std::size(unmatched_); ++i) {
    unmatched_[i] = metrics.route("unmatched", static_cast<Method>(i));
  }
}

std::optional<Response> Dispatcher::dispatch(Request& request, const Result<void>& bad_query, Completion done) {
  Call call;
  call.started = request.received = Clock::now();
  const auto found = router_.match(request.method, request.path, request.params);
  if (!found) return fail(request, call, found.error());
  call.route = &router_.routes()[*found];
  call.row = &rows_[*found];
  if (!bad_query) return fail(request, call, bad_query.error());
  if (const auto refused = check_media_type(request)) return fail(request, call, *refused);
  if (call.row->idempotent_write && request.has_idempotency_key) {
    if (auto answer = claim_key(request, call)) return answer;
  }
  if (call.route->run_on == RunOn::kIoThread) return run(request, call);
  return enqueue(request, call, std::move(done));
}

std::optional<Error> Dispatcher::check_media_type(const Request& request) const {
  const std::string& type = request.content_type;
  if (type.empty() || type == "application/json" || type == "application/octet-stream") return std::nullopt;
  if (request.body.empty() && (request.method == Method::kGet || request.method == Method::kHead)) return std::nullopt;
  // A bare `curl -d` says it is a form. So does a form on someone's web page, which must not write here: a browser that
  // sends one adds an Origin.
  const bool form = type == "application/x-www-form-urlencoded";
  if (form && !request.has_origin) return std::nullopt;
  return Error{ErrorType::kUnsupportedMediaType,
               form ? std::string("a form from a web page is not read as JSON; send application/json")
                    : fmt::format("{} is not supported; send application/json", printable_path(type))}
      .with("content_type", printable_path(type));
}

std::optional<Response> Dispatcher::claim_key(Request& request, Call& call) {
  const std::string& key = request.idempotency_key;
  if (!IdempotencyCache::valid_key(key)) {
    return fail(request, call, invalid_field("Idempotency-Key", "must be 1 to 128 printable ASCII characters"));
  }
  std::string target = request.path;
  for (const auto& [name, value] : request.query) target += fmt::format("\n{}={}", name, value);
  const auto fingerprint = IdempotencyCache::fingerprint(request, target);
  request.fingerprint = fingerprint.first;
  auto claim = idempotency_.begin(key, fingerprint, call.started);
  switch (claim.verdict) {
    case IdempotencyCache::Verdict::kRun:
      call.claimed = true;
      return std::nullopt;
    case IdempotencyCache::Verdict::kReplay:
      claim.response.headers.emplace_back("Idempotency-Replayed", "true");
      return finish(request, call, std::move(claim.response));
    case IdempotencyCache::Verdict::kMismatch:
      return fail(request, call,
                  Error{ErrorType::kConflict, "this Idempotency-Key was used for another request"}
                      .with("idempotency_key", key)
                      .with("reason", "mismatch"));
    case IdempotencyCache::Verdict::kRunning:
      break;
  }
  return fail(request, call,
              Error{ErrorType::kConflict, "a request with this Idempotency-Key is still running; retry later"}
                  .with("idempotency_key", key)
                  .with("reason", "running"));
}

std::optional<Response> Dispatcher::enqueue(Request& request, const Call& call, Completion done) {
  const bool queued = lane_.try_post([this, &request, call, done = std::move(done)]() mutable {
    // `request` may be gone as soon as `done` has been called.
    done(stopping_ ? fail(request, call, Error{ErrorType::kShuttingDown, "this node is shutting down"})
                   : run(request, call));
  });
  if (queued) return std::nullopt;
  if (stopping_) return fail(request, call, Error{ErrorType::kShuttingDown, "this node is shutting down"});
  metrics_.rejected(Rejection::kQueueFull);
  return fail(request, call,
              Error{ErrorType::kOverloaded, "too many requests wait already; retry later"}
                  .with("queue", "request")
                  .with("depth", lane_.depth())
                  .with("limit", lane_.queue_limit()));
}

Response Dispatcher::run(const Request& request, const Call& call) {
  try {
    return finish(request, call, call.route->handler(request));
  } catch (const std::exception& failure) {
    return fail(request, call, Error{ErrorType::kInternal, fmt::format("a handler threw: {}", failure.what())});
  } catch (...) {
    return fail(request, call, Error{ErrorType::kInternal, "a handler threw something that is no exception"});
  }
}

Response Dispatcher::fail(const Request& request, const Call& call, const Error& error) {
  Response response = error_response(error, request.request_id);
  if (error.type == ErrorType::kMethodNotAllowed) {
    std::string names;
    for (const Method method : router_.allowed(request.path)) {
      if (!names.empty()) names += ", ";
      names += method_name(method);
    }
    if (!names.empty()) response.headers.emplace_back("Allow", std::move(names));
  }
  return finish(request, call, std::move(response));
}

Response Dispatcher::finish(const Request& request, const Call& call, Response response) {
  const auto now = Clock::now();
  if (call.claimed) idempotency_.finish(request.idempotency_key, response, now);
  const double seconds = std::chrono::duration<double>(now - call.started).count();
  RouteMetrics* metrics = unmatched_[static_cast<std::size_t>(request.method)].get();
  if (call.row != nullptr) {
    const bool head = request.method == Method::kHead && call.row->head_metrics;
    metrics = head ? call.row->head_metrics.get() : call.row->metrics.get();
  }
  metrics->answered(response.status, seconds);
  const auto level = response.status >= 500 ? spdlog::level::warn : spdlog::level::debug;
  if (spdlog::should_log(level)) {
    spdlog::log(level, "{} {} {} {:.3f} ms request_id={}", method_name(request.method), printable_path(request.path),
                response.status, seconds * 1e3, request.request_id);
  }
  return response;
}

void Dispatcher::stop() {
  draining_ = true;
  stopping_ = true;
  lane_.stop();
}

}  // namespace vectorizer::rest
