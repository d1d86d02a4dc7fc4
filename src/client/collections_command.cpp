#include <fmt/format.h>

#include "cluster_views.hpp"
#include "server_call.hpp"
#include "vectorizer/client/commands.hpp"
#include "verbs.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

struct CollectionsOptions {
  ViewOptions view;
  std::string name;
  std::size_t dimension = 0;
  std::string metric = "cosine", quantization, storage;
  std::optional<std::size_t> shards, replication_factor, min_in_sync, m, ef_construction;
};

std::string target_of(const CollectionsOptions& options) {
  return "/collections/" + path_segment(options.name);
}

std::string number_text(const json& value) {
  return value.is_null() ? "-" : value.dump();
}

std::string list_screen(const json& answer, const Terminal& terminal) {
  const auto& all = member_at(answer, "collections");
  if (all.empty()) return "no collections\n";
  Table table({{"COLLECTION"},
               {"STATUS"},
               {"DIMENSION", true},
               {"METRIC", false, true},
               {"VECTORS", true},
               {"INDEXED", true, true},
               {"SHARDS", true, true},
               {"COPIES", true, true}});
  for (const auto& row : all) {
    const auto status = text_at(row, "status");
    table.add({text_at(row, "name"),
               {status, tone_of(status)},
               number_text(member_at(row, "dimension")),
               text_at(row, "metric"),
               count_text(number_at(row, "vector_count")),
               count_text(number_at(row, "indexed_vector_count")),
               number_text(member_at(member_at(row, "shards"), "total")),
               number_text(member_at(member_at(row, "sharding"), "replication_factor"))});
  }
  return table.text(terminal);
}

std::string one_screen(const json& row, const Terminal& terminal) {
  Sheet sheet;
  const auto status = text_at(row, "status");
  sheet.add("collection", text_at(row, "name"));
  sheet.add("status", {status, tone_of(status)});
  sheet.add("dimension", number_text(member_at(row, "dimension")));
  sheet.add("metric", text_at(row, "metric"));
  sheet.add("vectors", fmt::format("{}, {} in the graph", count_text(number_at(row, "vector_count")),
                                   count_text(number_at(row, "indexed_vector_count"))));
  const auto& shards = member_at(row, "shards");
  sheet.add("shards", fmt::format("{}, {} active, {} under-replicated", number_at(shards, "total"),
                                  number_at(shards, "active"), number_at(shards, "under_replicated")));
  const auto& sharding = member_at(row, "sharding");
  sheet.add("copies", fmt::format("{}, a write waits for {}", number_text(member_at(sharding, "replication_factor")),
                                  number_text(member_at(sharding, "min_in_sync"))));
  const auto& hnsw = member_at(row, "hnsw");
  sheet.add("hnsw",
            fmt::format("m {}, ef_construction {}, ef_search {}", number_text(member_at(hnsw, "m")),
                        number_text(member_at(hnsw, "ef_construction")), number_text(member_at(hnsw, "ef_search"))));
  sheet.add("quantization", text_at(member_at(row, "quantization"), "type"));
  sheet.add("storage", text_at(row, "storage"));
  sheet.add("created", text_at(row, "created_at"));
  return sheet.text(terminal);
}

int list(const CollectionsOptions& /*options*/, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, "/collections");
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", list_screen(*answer, call.terminal()));
  return kExitDone;
}

int show(const CollectionsOptions& options, ServerCall& call) {
  const auto answer = call.ask(http::verb::get, target_of(options));
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", one_screen(*answer, call.terminal()));
  return kExitDone;
}

json wanted(const CollectionsOptions& options) {
  json body = {{"name", options.name}, {"dimension", options.dimension}, {"metric", options.metric}};
  const auto put = [&body](const char* group, const char* key, const std::optional<std::size_t>& value) {
    if (value) body[group][key] = *value;
  };
  put("sharding", "shard_count", options.shards);
  put("sharding", "replication_factor", options.replication_factor);
  put("sharding", "min_in_sync", options.min_in_sync);
  put("hnsw", "m", options.m);
  put("hnsw", "ef_construction", options.ef_construction);
  if (!options.quantization.empty()) body["quantization"]["type"] = options.quantization;
  if (!options.storage.empty()) body["storage"] = options.storage;
  return body;
}

int create(const CollectionsOptions& options, ServerCall& call) {
  const auto answer = call.ask(http::verb::post, "/collections", wanted(options));
  if (!answer) return call.status();
  if (call.shown_as_json()) return kExitDone;
  fmt::print("{}", one_screen(member_at(*answer, "collection"), call.terminal()));
  const auto note = text_at(*answer, "note");
  if (note.empty()) return kExitDone;
  Sheet sheet;
  sheet.add("note", {note, Tone::kWarning});
  fmt::print("{}", sheet.text(call.terminal()));
  return kExitDone;
}

int remove(const CollectionsOptions& options, ServerCall& call) {
  if (!options.view.yes) {
    const auto there = call.ask(http::verb::get, target_of(options));
    if (!there) return call.status();
    const auto question = fmt::format("Delete collection {} with its {} vectors?", options.name,
                                      count_text(number_at(*there, "vector_count")));
    if (!call.confirmed(question)) return call.status();
  }
  const auto answer = call.ask(http::verb::delete_, target_of(options));
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("collection {} is deleted\n", options.name);
  return kExitDone;
}

void define_new(CLI::App& verb, CollectionsOptions& options) {
  verb.add_option("name", options.name, "Of the new collection")->required()->check(collection_name());
  verb.add_option("--dimension", options.dimension, "Numbers of a vector")->required()->check(CLI::Range(1, 65536));
  verb.add_option("--metric", options.metric, "What near means")
      ->check(CLI::IsMember({"cosine", "euclidean", "dot"}))
      ->capture_default_str();
  verb.add_option("--shards", options.shards, "Default: 1 on a single node, 2 for each node of a cluster")
      ->check(CLI::Range(1, 1024));
  verb.add_option("--replication-factor", options.replication_factor, "Copies of each shard; default: 2 in a cluster")
      ->check(CLI::Range(1, 7));
  verb.add_option("--min-in-sync", options.min_in_sync, "Copies that must have a write before it is answered")
      ->check(CLI::Range(1, 7));
  verb.add_option("--hnsw-m", options.m, "Links of a vector in the graph")->check(CLI::Range(2, 128));
  verb.add_option("--hnsw-ef-construction", options.ef_construction, "Effort of building the graph")
      ->check(CLI::Range(4, 4096));
  verb.add_option("--quantization", options.quantization, "Of what is held in memory")
      ->check(CLI::IsMember({"none", "int8"}));
  verb.add_option("--storage", options.storage, "Where vectors are held")->check(CLI::IsMember({"memory", "mmap"}));
}

void define(Verbs<CollectionsOptions>& verbs, CollectionsOptions& options) {
  const auto add_name = [&options](CLI::App& verb) {
    verb.add_option("name", options.name, "Of the collection")->required()->check(collection_name());
  };
  verbs.add("list", "All collections", list);
  add_name(verbs.add("show", "One collection", show));
  define_new(verbs.add("create", "Create a collection", create), options);
  auto& drop = verbs.add("delete", "Delete a collection with all its vectors", remove);
  add_name(drop);
  options.view.add_confirmation_to(drop);
}

}  // namespace

std::shared_ptr<void> describe_collections(CLI::App& app) {
  return describe_verbs<CollectionsOptions>(app, define);
}

int run_collections(int argc, char** argv) {
  return run_verbs<CollectionsOptions>(argc, argv, "Lists, shows, creates and deletes collections.", define);
}

}  // namespace vectorizer::client
