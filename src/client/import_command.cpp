#include <fmt/format.h>

#include <cstdio>

#include "api.hpp"
#include "command_line.hpp"
#include "importer.hpp"
#include "interrupt.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

struct ImportOptions {
  ServerOptions server;
  ImportSettings settings;
  std::string file;
  std::string payload;
  bool create = false;
  std::string metric = "cosine";
  std::optional<std::size_t> shards;
  bool resume = true;
  std::string state_directory = ".";
};

void add_options(CLI::App& app, ImportOptions& options) {
  auto& settings = options.settings;
  app.add_option("file", options.file, ".fvecs, .bvecs, .npy or .jsonl, each also with .gz")->required();
  app.add_option("-c,--collection", settings.collection, "Where the vectors go")->required()->check(collection_name());
  app.add_option("--payload", options.payload, ".jsonl or .jsonl.gz: line i is the payload of row i");
  auto* create = app.add_flag("--create", options.create, "Create the collection; one that fits is accepted");
  app.add_option("--metric", options.metric, "Of the new collection")
      ->check(CLI::IsMember({"cosine", "euclidean", "dot"}))
      ->needs(create)
      ->capture_default_str();
  app.add_option("--shards", options.shards, "Of the new collection; default: the server's choice")
      ->check(CLI::Range(1, 65536))
      ->needs(create);
  app.add_option("--batch", settings.batch, "Vectors per request")->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--connections", settings.connections, "Requests in flight")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--id-offset", settings.id_offset, "Row i gets the id i + this")->capture_default_str();
  app.add_option("--limit", settings.limit, "Only the first rows of the file");
  app.add_option("--retries", settings.retry.max_retries, "Of one request")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_flag("--resume,!--no-resume", options.resume, "Go on where an interrupted import stopped (default)");
  app.add_option("--state-dir", options.state_directory, "Where the state of an unfinished import is kept")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  options.server.add_to(app);
}

/// Finds or creates the collection: true if it is new. An error if its dimension is not the file's.
Result<bool> prepare_collection(const ImportOptions& options, std::size_t dimension, const std::atomic<bool>& stop) {
  const auto& settings = options.settings;
  HttpConnection connection(settings.url, settings.api_key, settings.timeout);
  RetryingConnection server(connection, settings.retry, stop);
  if (options.create) {
    ASSIGN_OR_RETURN(const bool created,
                     create_collection(server, {settings.collection, dimension, options.metric, options.shards}));
    fmt::print(stderr, "import: collection {} {}\n", settings.collection, created ? "created" : "exists");
    return created;
  }
  ASSIGN_OR_RETURN(const auto info, get_collection(server, settings.collection));
  if (info.dimension == dimension) return false;
  return Error{ErrorType::kDimensionMismatch, fmt::format("{}: dimension {}, but collection {} has {}", options.file,
                                                          dimension, settings.collection, info.dimension)};
}

/// Takes back a collection that was created for vectors of which none has come.
void take_back(const ImportOptions& options) {
  const auto& settings = options.settings;
  const std::atomic<bool> go_on = false;  // a signal that ended the import is no reason to leave it
  HttpConnection connection(settings.url, settings.api_key, settings.timeout);
  RetryingConnection server(connection, settings.retry, go_on);
  const auto dropped = drop_if_empty(server, settings.collection);
  if (!dropped) {
    fmt::print(stderr, "import: collection {} is left behind: {}\n", settings.collection, dropped.error().message);
  } else if (*dropped) {
    fmt::print(stderr, "import: collection {} removed again\n", settings.collection);
  }
}

/// The rows that an earlier run has done; 0 to start from the beginning.
Result<std::uint64_t> rows_done(const ImportOptions& options, const ImportState& state,
                                const std::filesystem::path& file) {
  if (!options.resume) return std::uint64_t{0};
  ASSIGN_OR_RETURN(const auto earlier, load_state(file));
  if (!earlier) return std::uint64_t{0};
  if (const auto difference = earlier->difference(state); !difference.empty()) {
    fmt::print(stderr, "import: {} is not used: {}; starting from row 0\n", file.string(), difference);
    return std::uint64_t{0};
  }
  if (earlier->rows > 0) fmt::print(stderr, "import: resuming at row {}\n", earlier->rows);
  return earlier->rows;
}

void print_summary(const ImportSummary& summary, double seconds) {
  fmt::print("{} vectors in {:.1f} s, {:.0f}/s, {} retries, {} failed batches\n", summary.vectors, seconds,
             static_cast<double>(summary.vectors) / std::max(seconds, 1e-9), summary.retries, summary.failed_batches);
}

Result<int> import_file(const ImportOptions& options, const std::string& command) {
  const auto& stop = stop_on_signal();
  ASSIGN_OR_RETURN(auto vectors, open_vectors(options.file));
  std::optional<PayloadReader> payloads;
  if (!options.payload.empty()) {
    ASSIGN_OR_RETURN(payloads, PayloadReader::open(options.payload));
  }
  ASSIGN_OR_RETURN(auto state, describe_import(options.file, options.payload));
  state.url = options.settings.url.text();
  state.collection = options.settings.collection;
  state.id_offset = options.settings.id_offset;
  const auto file = state_path(options.state_directory, state);
  ASSIGN_OR_RETURN(state.rows, rows_done(options, state, file));
  ASSIGN_OR_RETURN(const bool created, prepare_collection(options, vectors->dimension(), stop));

  const auto start = std::chrono::steady_clock::now();
  Importer importer(options.settings, *vectors, std::move(payloads), std::move(state), file, stop);
  const auto outcome = importer.run();
  print_summary(importer.summary(), std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (importer.finished()) return kExitDone;
  if (created && importer.summary().vectors == 0) take_back(options);
  if (!outcome) return outcome.error();
  if (!std::filesystem::exists(file)) return report_failure(command, "interrupted before anything was sent");
  return report_failure(command, fmt::format("interrupted; the same command goes on, by {}", file.string()));
}

}  // namespace

std::shared_ptr<void> describe_import(CLI::App& app) {
  auto options = std::make_shared<ImportOptions>();
  add_options(app, *options);
  return options;
}

int run_import(int argc, char** argv) {
  ImportOptions options;
  CLI::App app("Sends a file of vectors to a collection.", argv[0]);
  add_options(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  options.settings.url = *parse_url(options.server.url);
  options.settings.api_key = options.server.api_key;
  options.settings.timeout = options.server.timeout();
  const auto status = import_file(options, argv[0]);
  return status ? *status : report_failure(argv[0], status.error().message);
}

}  // namespace vectorizer::client
