#include "vectorizer/base/result.hpp"

#include <fmt/format.h>

#include "vectorizer/base/json_text.hpp"

namespace vectorizer {
namespace {

struct Row {
  std::string_view name;
  int status;
};

// A switch, not an array: -Wswitch finds the enumerator that someone forgot.
Row row(ErrorType type) {
  switch (type) {
    case ErrorType::kBadJson:
      return {"bad_json", 400};
    case ErrorType::kValidation:
      return {"validation_error", 400};
    case ErrorType::kDimensionMismatch:
      return {"dimension_mismatch", 400};
    case ErrorType::kUnauthorized:
      return {"unauthorized", 401};
    case ErrorType::kForbidden:
      return {"forbidden", 403};
    case ErrorType::kCollectionNotFound:
      return {"collection_not_found", 404};
    case ErrorType::kVectorNotFound:
      return {"vector_not_found", 404};
    case ErrorType::kNodeNotFound:
      return {"node_not_found", 404};
    case ErrorType::kNotFound:
      return {"not_found", 404};
    case ErrorType::kMethodNotAllowed:
      return {"method_not_allowed", 405};
    case ErrorType::kCollectionAlreadyExists:
      return {"collection_already_exists", 409};
    case ErrorType::kNodeAlreadyExists:
      return {"node_already_exists", 409};
    case ErrorType::kConflict:
      return {"conflict", 409};
    case ErrorType::kSessionLost:
      return {"session_lost", 409};
    case ErrorType::kPayloadTooLarge:
      return {"payload_too_large", 413};
    case ErrorType::kUnsupportedMediaType:
      return {"unsupported_media_type", 415};
    case ErrorType::kOverloaded:
      return {"overloaded", 429};
    case ErrorType::kInternal:
      return {"internal_error", 500};
    case ErrorType::kShardUnavailable:
      return {"shard_unavailable", 503};
    case ErrorType::kNoActiveNodes:
      return {"no_active_nodes", 503};
    case ErrorType::kNodeUnreachable:
      return {"node_unreachable", 503};
    case ErrorType::kNotEnoughReplicas:
      return {"not_enough_replicas", 503};
    case ErrorType::kNoLeader:
      return {"no_leader", 503};
    case ErrorType::kStorageFull:
      return {"storage_full", 503};
    case ErrorType::kShuttingDown:
      return {"shutting_down", 503};
    case ErrorType::kPartialWrite:
      return {"partial_write", 503};
    case ErrorType::kTimeout:
      return {"timeout", 504};
  }
  return {"internal_error", 500};
}

}  // namespace

std::string_view error_type_name(ErrorType type) {
  return row(type).name;
}
int http_status(ErrorType type) {
  return row(type).status;
}

Error& Error::with(std::string_view key, std::string_view value) & {
  details = details.empty() ? "{" : details.substr(0, details.size() - 1) + ",";
  append_json_string(details, key);
  details += ':';
  append_json_string(details, value);
  details += '}';
  return *this;
}

Error& Error::with(std::string_view key, std::int64_t value) & {
  details = details.empty() ? "{" : details.substr(0, details.size() - 1) + ",";
  append_json_string(details, key);
  details += fmt::format(":{}}}", value);
  return *this;
}

Error invalid_field(std::string_view field, std::string_view reason) {
  return Error{ErrorType::kValidation, fmt::format("{}: {}", field, reason)}
      .with("field", field)
      .with("reason", reason);
}

}  // namespace vectorizer
