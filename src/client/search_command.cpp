#include <fmt/format.h>

#include "query_vector.hpp"
#include "server_call.hpp"
#include "table.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

struct SearchOptions {
  ViewOptions view;
  std::string collection, vector, vector_file, id, filter, consistency;
  std::size_t limit = 10, offset = 0;
  std::optional<std::size_t> ef;
  std::optional<double> score_threshold;
  bool exact = false, with_vector = false, no_payload = false, allow_partial = false;
};

CLI::Validator filter_text() {
  return {[](const std::string& text) -> std::string {
            return json::parse(text, nullptr, false).is_object() ? "" : "a filter is a JSON object";
          },
          "JSON"};
}

CLI::Validator vector_text() {
  return {[](const std::string& text) {
            const auto vector = parse_vector(text);
            return vector ? std::string() : vector.error().message;
          },
          "NUMBERS"};
}

CLI::Validator id_text() {
  return {[](const std::string& text) {
            const auto id = parse_point_id(text);
            return id ? std::string() : id.error().message;
          },
          "ID"};
}

void add_options(CLI::App& app, SearchOptions& options) {
  app.add_option("-c,--collection", options.collection, "Where to search")->required()->check(collection_name());
  auto* query = app.add_option_group("query", "What to search for, one of");
  query->add_option("--vector", options.vector, "\"[0.1, 0.2]\", or 0.1,0.2")->check(vector_text());
  query->add_option("--vector-file", options.vector_file, "A file with the same in it, or - for stdin");
  query->add_option("--id", options.id, "A point of the collection; it is not among what is found")->check(id_text());
  query->require_option(1);
  app.add_option("--filter", options.filter, "As in the REST API: '{\"must\": [...]}'")->check(filter_text());
  app.add_option("-n,--limit", options.limit, "At most so many")->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--offset", options.offset, "Leave out so many of the nearest")->check(CLI::Range(0, 9999));
  app.add_option("--score-threshold", options.score_threshold, "A minimum; for euclidean a maximum");
  app.add_option("--ef", options.ef, "Effort; default: the collection's ef_search")->check(CLI::Range(1, 10000));
  app.add_flag("--exact", options.exact, "Compare with every vector");
  app.add_option("--consistency", options.consistency, "Which copies may answer")
      ->check(CLI::IsMember({"any", "primary"}));
  app.add_flag("--allow-partial", options.allow_partial,
               "Also without the shards that do not answer; exit status 3 then");
  app.add_flag("--with-vector", options.with_vector, "With --json: the vectors too")->needs("--json");
  app.add_flag("--no-payload", options.no_payload, "Without payloads");
  app.footer(kExitStatusText);
}

/// The vector of a point. Nothing if there is none, which `call` explains.
std::optional<json> vector_of_point(ServerCall& call, const SearchOptions& options, const json& id) {
  const auto text = id.is_string() ? id.get<std::string>() : id.dump();
  const auto target = fmt::format("/collections/{}/vectors/{}{}", path_segment(options.collection), path_segment(text),
                                  id.is_string() ? "?id_type=string" : "");
  const auto point = call.ask(http::verb::get, target);
  if (!point) return std::nullopt;
  const auto& vector = member_at(*point, "vector");
  if (vector.is_array()) return vector;
  call.fail(kExitFailed, "the server gave the point without its vector");
  return std::nullopt;
}

/// The body of the search, or nothing after an explained failure.
std::optional<json> search_body(ServerCall& call, const SearchOptions& options) {
  json body = {{"limit", options.limit}, {"offset", options.offset}, {"with_payload", !options.no_payload}};
  if (!options.filter.empty()) body["filter"] = json::parse(options.filter, nullptr, false);
  if (!options.id.empty()) {
    const json id = *parse_point_id(options.id);
    auto vector = vector_of_point(call, options, id);
    if (!vector) return std::nullopt;
    body["vector"] = std::move(*vector);
    json without = {{"must_not", {{{"has_id", {id}}}}}};
    if (body.contains("filter")) without["must"] = {body["filter"]};
    body["filter"] = std::move(without);
  } else if (!options.vector.empty()) {
    body["vector"] = *parse_vector(options.vector);
  } else {
    auto vector = read_vector(options.vector_file);
    if (!vector) {
      call.fail(kExitUsage, "--vector-file: " + vector.error().message);
      return std::nullopt;
    }
    body["vector"] = *vector;
  }
  if (options.with_vector) body["with_vector"] = true;
  if (options.allow_partial) body["allow_partial"] = true;
  if (options.score_threshold) body["score_threshold"] = *options.score_threshold;
  if (options.exact) body["params"]["exact"] = true;
  if (options.ef) body["params"]["ef"] = *options.ef;
  if (!options.consistency.empty()) body["consistency"] = options.consistency;
  return body;
}

std::string id_shown(const json& id) {
  const bool like_a_number =
      id.is_string() && parse_point_id(id.get<std::string>()) && parse_point_id(id.get<std::string>())->is_number();
  return id.is_string() && !like_a_number ? id.get<std::string>() : id.dump();
}

std::string results_screen(const json& answer, const SearchOptions& options, const Terminal& terminal) {
  const auto& results = member_at(answer, "results");
  std::string out = "nothing found\n";
  if (!results.empty()) {
    Table table({{"#", true}, {"ID"}, {"SCORE", true}, {"PAYLOAD"}});
    std::size_t rank = options.offset;
    for (const auto& hit : results) {
      const auto& score = member_at(hit, "score");
      const auto& payload = member_at(hit, "payload");
      table.add({std::to_string(++rank), id_shown(member_at(hit, "id")),
                 score.is_number() ? fmt::format("{:.6g}", score.get<double>()) : "-",
                 payload.is_null() ? "" : payload.dump(-1, ' ', false, json::error_handler_t::replace)});
    }
    out = table.text(terminal);
  }
  const auto& shards = member_at(answer, "shards");
  for (const auto& failure : member_at(shards, "failures")) {
    Sheet sheet;
    sheet.add(fmt::format("shard {}", number_at(failure, "shard_id")),
              {text_at(failure, "error_type") + ": " + text_at(failure, "message"), Tone::kWarning});
    out += sheet.text(terminal);
  }
  return out;
}

}  // namespace

std::shared_ptr<void> describe_search(CLI::App& app) {
  auto options = std::make_shared<SearchOptions>();
  options->view.add_to(app);
  add_options(app, *options);
  return options;
}

int run_search(int argc, char** argv) {
  SearchOptions options;
  CLI::App app("Finds the nearest vectors of a collection.", argv[0]);
  options.view.add_to(app);
  add_options(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  ServerCall call(argv[0], options.view);
  const auto body = search_body(call, options);
  if (!body) return call.status();
  const auto target = fmt::format("/collections/{}/search", path_segment(options.collection));
  const auto answer = call.ask(http::verb::post, target, *body);
  if (!answer) return call.status();
  if (!call.shown_as_json()) fmt::print("{}", results_screen(*answer, options, call.terminal()));
  return number_at(member_at(*answer, "shards"), "failed") > 0 ? kExitDegraded : kExitDone;
}

}  // namespace vectorizer::client
