#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "api.hpp"
#include "command_line.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

struct ExportOptions {
  ServerOptions server;
  std::string collection;
  std::string output = "-";
  std::string format = "jsonl";
  std::size_t batch = 500;
};

/// Where the rows go: stdout, or a file that gets its name only when it is whole. What is there and is no regular file,
/// such as a pipe or /dev/null, is written to and not replaced.
class Output {
 public:
  static Result<Output> open(const std::string& path) {
    Output output(path);
    if (path == "-") return output;
    std::error_code ignored;
    const auto there = std::filesystem::status(path, ignored);
    output.in_place_ = std::filesystem::exists(there) && !std::filesystem::is_regular_file(there);
    output.file_.reset(std::fopen(output.partial().c_str(), "wb"));
    if (!output.file_) return output.write_error();
    return output;
  }
  Result<void> write(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stream()) != bytes.size()) return write_error();
    return {};
  }
  Result<void> finish() {
    if (std::fflush(stream()) != 0) return write_error();
    if (!file_) return {};
    if (std::fclose(file_.release()) != 0) return write_error();
    if (in_place_) return {};
    std::error_code failed;
    std::filesystem::rename(partial(), path_, failed);
    if (failed) return Error{ErrorType::kInternal, fmt::format("{}: {}", path_, failed.message())};
    return {};
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit Output(std::string path) : path_(std::move(path)) {}
  std::FILE* stream() const { return file_ ? file_.get() : stdout; }
  std::string partial() const { return in_place_ ? path_ : path_ + ".partial"; }
  Error write_error() const {
    return Error{ErrorType::kInternal, fmt::format("{}: cannot write: {}", path_, std::strerror(errno))};
  }

  std::string path_;
  bool in_place_ = false;
  std::unique_ptr<std::FILE, Close> file_;
};

Result<std::string> to_fvecs(const nlohmann::json& vector) {
  if (!vector.is_array()) return Error{ErrorType::kInternal, "the server sent a vector that is not an array"};
  std::string out;
  const auto append = [&out](const auto& value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  append(static_cast<std::int32_t>(vector.size()));
  for (const auto& element : vector) {
    if (!element.is_number()) return Error{ErrorType::kInternal, "the server sent a vector that is not of numbers"};
    append(element.get<float>());
  }
  return out;
}

Result<std::string> to_row(const nlohmann::json& point, const std::string& format) {
  if (!point.is_object() || !point.contains("id") || !point.contains("vector")) {
    return Error{ErrorType::kInternal, "the server sent a point without an id or a vector"};
  }
  if (format == "fvecs") return to_fvecs(point["vector"]);
  nlohmann::json row = {{"id", point["id"]}, {"vector", point["vector"]}};
  if (point.contains("payload") && point["payload"].is_object()) row["payload"] = point["payload"];
  return row.dump() + "\n";
}

struct Page {
  nlohmann::json vectors;
  nlohmann::json next_cursor;
};

Result<Page> fetch_page(RetryingConnection& server, const ExportOptions& options, const nlohmann::json& cursor) {
  nlohmann::json body = {{"limit", options.batch}, {"with_vector", true}, {"with_payload", options.format == "jsonl"}};
  if (!cursor.is_null()) body["cursor"] = cursor;
  const HttpRequest request{boost::beast::http::verb::post, collection_path(options.collection, "/vectors/scroll"),
                            body.dump(), ""};
  ASSIGN_OR_RETURN(const auto reply, server.call(request));
  auto json = nlohmann::json::parse(reply, nullptr, false);
  if (!json.is_object() || !json.contains("vectors") || !json["vectors"].is_array() || !json.contains("next_cursor")) {
    return Error{ErrorType::kInternal, "the server answered the scroll in an unknown way"};
  }
  return Page{std::move(json["vectors"]), std::move(json["next_cursor"])};
}

Result<std::uint64_t> export_collection(const ExportOptions& options, bool& ids_are_rows) {
  const auto& stop = stop_on_signal();
  HttpConnection connection(*parse_url(options.server.url), options.server.api_key, options.server.timeout());
  RetryingConnection server(connection, RetryPolicy{}, stop);
  ASSIGN_OR_RETURN(auto output, Output::open(options.output));
  auto progress = stderr_progress("export", 0);
  std::uint64_t rows = 0;
  nlohmann::json cursor;
  do {
    if (stop.load()) return Error{ErrorType::kShuttingDown, "interrupted"};
    ASSIGN_OR_RETURN(auto page, fetch_page(server, options, cursor));
    for (const auto& point : page.vectors) {
      ASSIGN_OR_RETURN(const auto row, to_row(point, options.format));
      RETURN_IF_ERROR(output.write(row));
      ids_are_rows = ids_are_rows && point["id"] == rows;
      ++rows;
    }
    if (page.next_cursor == cursor && !cursor.is_null()) {
      return Error{ErrorType::kInternal, "the server's cursor does not advance"};
    }
    cursor = std::move(page.next_cursor);
    progress.update(rows, 0);
  } while (!cursor.is_null());
  progress.finish();
  RETURN_IF_ERROR(output.finish());
  return rows;
}

void add_options(CLI::App& app, ExportOptions& options) {
  app.add_option("-c,--collection", options.collection, "What to read")->required()->check(collection_name());
  app.add_option("-o,--output", options.output, "A file, or - for stdout")->capture_default_str();
  app.add_option("--format", options.format, "jsonl keeps ids and payloads; fvecs only the vectors")
      ->check(CLI::IsMember({"jsonl", "fvecs"}))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "Vectors per request")->check(CLI::Range(1, 10000))->capture_default_str();
  options.server.add_to(app);
}

}  // namespace

std::shared_ptr<void> describe_export(CLI::App& app) {
  auto options = std::make_shared<ExportOptions>();
  add_options(app, *options);
  return options;
}

int run_export(int argc, char** argv) {
  ExportOptions options;
  CLI::App app("Writes all vectors of a collection, in the order of their ids.", argv[0]);
  add_options(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  bool ids_are_rows = true;
  const auto rows = export_collection(options, ids_are_rows);
  if (!rows) return report_failure(argv[0], rows.error().message);
  fmt::print(stderr, "{} vectors\n", *rows);
  if (options.format == "fvecs" && !ids_are_rows) {
    fmt::print(stderr, "note: the ids are not 0, 1, 2, ...; a .fvecs file does not keep them\n");
  }
  return kExitDone;
}

}  // namespace vectorizer::client
