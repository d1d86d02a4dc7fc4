#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "table.hpp"

namespace vectorizer::client {

/// The tone of a status of a cluster, node, collection, snapshot or migration.
Tone tone_of(const std::string& status);

std::string cluster_status_screen(const nlohmann::json& answer, const Terminal& terminal);
std::string nodes_screen(const nlohmann::json& answer, const Terminal& terminal);
std::string node_screen(const nlohmann::json& node, const Terminal& terminal);
/// Of /shard-distribution; `collection` alone unless it is empty.
std::string shards_screen(const nlohmann::json& answer, const std::string& collection, const Terminal& terminal);
std::string migrations_screen(const nlohmann::json& migrations, const Terminal& terminal);
/// What an order to the cluster has led to: its message, migrations, losses and note.
std::string change_screen(const nlohmann::json& answer, const Terminal& terminal);

}  // namespace vectorizer::client
