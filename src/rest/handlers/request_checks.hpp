#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "handlers.hpp"
#include "http.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/model/point_id.hpp"
#include "vectorizer/model/requests.hpp"
#include "vectorizer/model/session.hpp"

namespace vectorizer::rest {

// What every handler asks of a request before it looks at the body.

/// An unknown query parameter is an error that names it: a typo must not pass silently.
Result<void> check_query(const Request& request, std::initializer_list<std::string_view> allowed);
/// A boolean query parameter; `fallback` when it is absent.
Result<bool> query_flag(const Request& request, std::string_view name, bool fallback);

enum class BodyKind : std::uint8_t { kJson, kBinary };
/// What the body is by its Content-Type, or 415. A bare `curl -d` says it is a form and means JSON; a browser's form,
/// which has an Origin, is refused.
Result<BodyKind> body_kind(const Request& request, bool binary_allowed);
/// body_kind() for the routes that only take JSON.
Result<void> check_json_body(const Request& request);

/// The {name} of /collections/{name}…; a name that no collection can have is collection_not_found.
Result<std::string> collection_of(const Request& request);
/// The {id} of …/vectors/{id}, by `?id_type`.
Result<PointId> point_id_of(const Request& request);

/// The body that a request to the vectors of a collection may have.
enum class Body : std::uint8_t { kNone, kJson, kJsonOrBinary };

/// A collection that exists, for one request.
struct Target {
  std::string collection;
  coordinator::CollectionShape shape;
  ShardPositions session;                  ///< what X-Session-Token brought
  std::optional<Consistency> consistency;  ///< of the query string
  BodyKind body = BodyKind::kJson;
};

/// What all handlers under /collections/{name} check before they look at the body: query parameters, `?consistency`,
/// the session token, the collection and the type of the body.
Result<Target> target_of(const Services& services, const Request& request, Body body,
                         std::initializer_list<std::string_view> parameters);

/// Who may answer a read, by the query string or, without it there, by what the body says.
ReadFrom read_from(const Services& services, const Request& request, const Target& target, Consistency in_body);

/// `text` fit for a reply: what is not UTF-8 becomes '?'.
std::string printable(std::string_view text);

/// A JSON reply.
Response json_response(std::string body, int status = 200);
/// The reply, or the error in its one shape.
Response answer(const Request& request, Result<Response> outcome);

}  // namespace vectorizer::rest
