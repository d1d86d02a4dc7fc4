#include "importer.hpp"

#include <fmt/format.h>

#include <random>
#include <thread>
#include <utility>

#include "api.hpp"
#include "base64.hpp"

namespace vectorizer::client {
namespace {

/// A batch ends early when its body would grow beyond this; servers take 64 MiB.
constexpr std::size_t kMaxBatchBytes = std::size_t{16} << 20;
constexpr std::chrono::seconds kSaveInterval{1};

/// Names this run in idempotency keys: another run of the same rows is another write.
std::string random_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

}  // namespace

std::string upsert_body(const std::vector<Record>& records, std::uint64_t first_id) {
  std::string body = R"({"vectors":[)";
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    body += i == 0 ? R"({"id":)" : R"(,{"id":)";
    body += record.id ? *record.id : std::to_string(first_id + i);
    body += R"(,"vector":")";
    append_base64(body, record.vector);
    body += '"';
    if (!record.payload.empty()) {
      body += R"(,"payload":)";
      body += record.payload;
    }
    body += '}';
  }
  body += "]}";
  return body;
}

Importer::Importer(const ImportSettings& settings, VectorReader& vectors, std::optional<PayloadReader> payloads,
                   ImportState state, std::filesystem::path state_file, const std::atomic<bool>& stop)
    : settings_(settings),
      state_file_(std::move(state_file)),
      run_id_(random_id()),
      stop_(stop),
      vectors_(vectors),
      payloads_(std::move(payloads)),
      state_(std::move(state)),
      watermark_(state_.rows) {}

Result<bool> Importer::read_record(Record& record) {
  if (settings_.limit && next_row_ >= *settings_.limit) return false;
  ASSIGN_OR_RETURN(const bool more, vectors_.next(record));
  if (payloads_) {
    std::string payload;
    ASSIGN_OR_RETURN(const bool has_payload, payloads_->next(payload));
    if (more && !has_payload) return row_error(payloads_->name(), next_row_, "the payload is missing");
    if (!more && has_payload) {
      return row_error(payloads_->name(), next_row_, "a payload for which there is no vector");
    }
    if (more && !record.payload.empty()) {
      return row_error(payloads_->name(), next_row_, "the row has a payload in the file of vectors too");
    }
    record.payload = std::move(payload);
  }
  if (more) ++next_row_;
  return more;
}

Result<void> Importer::skip_rows() {
  Record record;
  while (next_row_ < state_.rows && !stop_.load()) {
    ASSIGN_OR_RETURN(const bool more, read_record(record));
    if (!more) break;
  }
  fraction_ = vectors_.fraction();
  return {};
}

Result<void> Importer::fill(Batch& batch) {
  std::size_t bytes = 0;
  while (batch.records.size() < settings_.batch && bytes < kMaxBatchBytes) {
    Record record;
    ASSIGN_OR_RETURN(const bool more, read_record(record));
    if (!more) {
      at_end_ = true;
      break;
    }
    bytes += record.vector.size() * 16 / 3 + record.payload.size();
    batch.records.push_back(std::move(record));
  }
  return {};
}

Importer::Batch Importer::take_batch() {
  const std::lock_guard lock(read_mutex_);
  if (stop_.load()) halted_ = true;
  Batch batch;
  if (halted_ || at_end_) return batch;
  batch.first = next_row_;
  if (const auto filled = fill(batch); !filled) {
    fail(filled.error());
    batch.records.clear();
  }
  fraction_ = vectors_.fraction();
  return batch;
}

void Importer::work() {
  HttpConnection connection(settings_.url, settings_.api_key, settings_.timeout);
  RetryingConnection server(connection, settings_.retry, halted_);
  for (Batch batch = take_batch(); !batch.records.empty(); batch = take_batch()) {
    const HttpRequest request{boost::beast::http::verb::post, collection_path(settings_.collection, "/vectors"),
                              upsert_body(batch.records, batch.first + settings_.id_offset),
                              fmt::format("import-{}-{}", run_id_, batch.first)};
    auto reply = server.call(request);
    if (reply) {
      complete(batch);
      continue;
    }
    const std::lock_guard lock(progress_mutex_);
    // Retries that a stop cut short are no failure: the rows go again with the next run.
    if (!stop_.load() && !error_) ++summary_.failed_batches;
    if (!stop_.load() && !error_) {
      error_ = Error{reply.error().type, fmt::format("rows {} to {}: {}", batch.first,
                                                     batch.first + batch.records.size() - 1, reply.error().message)};
    }
    halted_ = true;
    break;
  }
  const std::lock_guard lock(progress_mutex_);
  summary_.retries += server.retries();
}

void Importer::complete(const Batch& batch) {
  const std::lock_guard lock(progress_mutex_);
  watermark_.complete(batch.first, batch.records.size());
  summary_.vectors += batch.records.size();
  progress_->update(summary_.vectors, fraction_.load());
  const auto now = std::chrono::steady_clock::now();
  if (now - saved_ < kSaveInterval) return;
  saved_ = now;
  state_.rows = watermark_.rows();
  if (const auto saved = save_state(state_file_, state_); !saved && !error_) {
    error_ = saved.error();
    halted_ = true;
  }
}

void Importer::fail(Error error) {
  const std::lock_guard lock(progress_mutex_);
  if (!error_) error_ = std::move(error);
  halted_ = true;
}

Result<void> Importer::run() {
  RETURN_IF_ERROR(skip_rows());
  if (!stop_.load()) RETURN_IF_ERROR(save_state(state_file_, state_));
  saved_ = std::chrono::steady_clock::now();
  progress_.emplace(stderr_progress("import", fraction_.load()));
  std::atomic<bool> running = true;
  // The workers watch one flag for errors and for signals; this thread carries the signal over.
  std::thread watch([&] {
    while (running.load() && !halted_.load()) {
      if (stop_.load()) halted_ = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < settings_.connections; ++i) workers.emplace_back([this] { work(); });
  for (auto& worker : workers) worker.join();
  running = false;
  watch.join();
  progress_->finish();
  state_.rows = watermark_.rows();
  finished_ = at_end_ && !error_ && state_.rows == next_row_;
  Result<void> saved;
  if (finished_ || state_.rows == 0) {
    std::error_code ignored;
    std::filesystem::remove(state_file_, ignored);
  } else {
    saved = save_state(state_file_, state_);
  }
  if (error_) return *error_;
  return saved;
}

}  // namespace vectorizer::client
