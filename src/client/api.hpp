#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "retry.hpp"

namespace vectorizer::client {

/// What an import needs to know of a collection.
struct CollectionInfo {
  std::size_t dimension = 0;
  std::string metric;
  std::uint64_t vectors = 0;
};

/// The path of a collection, or of something below it ("/vectors").
std::string collection_path(const std::string& collection, const std::string& below = "");

/// not_found when there is none of that name.
Result<CollectionInfo> get_collection(RetryingConnection& server, const std::string& collection);

struct NewCollection {
  std::string name;
  std::size_t dimension = 0;
  std::string metric;
  std::optional<std::size_t> shards;  ///< the server's default without
};

/// Creates the collection. One that exists is accepted if it has the same dimension and metric; false then.
Result<bool> create_collection(RetryingConnection& server, const NewCollection& wanted);

/// Drops a collection if there is no vector in it; true then.
Result<bool> drop_if_empty(RetryingConnection& server, const std::string& collection);

}  // namespace vectorizer::client
