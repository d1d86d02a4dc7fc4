#include "api.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;

}  // namespace

std::string collection_path(const std::string& collection, const std::string& below) {
  return "/collections/" + collection + below;
}

Result<CollectionInfo> get_collection(RetryingConnection& server, const std::string& collection) {
  ASSIGN_OR_RETURN(const std::string body, server.call({http::verb::get, collection_path(collection), "", ""}));
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const bool valid = json.is_object() && json.contains("dimension") && json["dimension"].is_number_unsigned() &&
                     json.contains("metric") && json["metric"].is_string();
  if (!valid) {
    return Error{ErrorType::kInternal,
                 fmt::format("the server described collection '{}' in an unknown way", collection)};
  }
  return CollectionInfo{json["dimension"].get<std::size_t>(), json["metric"].get<std::string>(),
                        json.value("vector_count", std::uint64_t{0})};
}

Result<bool> create_collection(RetryingConnection& server, const NewCollection& wanted) {
  nlohmann::json body = {{"name", wanted.name}, {"dimension", wanted.dimension}, {"metric", wanted.metric}};
  if (wanted.shards) body["sharding"] = {{"shard_count", *wanted.shards}};
  const auto created = server.call({http::verb::post, "/collections", body.dump(), ""});
  if (created) return true;
  if (created.error().type != ErrorType::kConflict) return created.error();
  ASSIGN_OR_RETURN(const auto existing, get_collection(server, wanted.name));
  if (existing.dimension != wanted.dimension || existing.metric != wanted.metric) {
    return Error{ErrorType::kConflict,
                 fmt::format("collection '{}' exists with dimension {} and metric {}; asked for {} and {}", wanted.name,
                             existing.dimension, existing.metric, wanted.dimension, wanted.metric)};
  }
  return false;
}

Result<bool> drop_if_empty(RetryingConnection& server, const std::string& collection) {
  ASSIGN_OR_RETURN(const auto info, get_collection(server, collection));
  if (info.vectors > 0) return false;
  ASSIGN_OR_RETURN(const auto dropped, server.call({http::verb::delete_, collection_path(collection), "", ""}));
  return true;
}

}  // namespace vectorizer::client
