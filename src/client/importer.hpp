#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "import_state.hpp"
#include "progress.hpp"
#include "retry.hpp"
#include "vector_reader.hpp"
#include "watermark.hpp"

namespace vectorizer::client {

struct ImportSettings {
  Url url;
  std::string api_key;
  std::string collection;
  std::size_t batch = 100;
  std::size_t connections = 4;
  std::uint64_t id_offset = 0;
  std::optional<std::uint64_t> limit;  ///< of rows, counted from the start of the file
  std::chrono::milliseconds timeout{60'000};
  RetryPolicy retry;
};

struct ImportSummary {
  std::uint64_t vectors = 0;  ///< sent and acknowledged by this run
  std::uint64_t retries = 0;
  std::uint64_t failed_batches = 0;
};

/// Sends the rows of a file in batches over several connections. Row i gets the id i + id_offset unless the file names
/// one. The first error stops everything after the requests in flight; the state then says where to go on.
class Importer {
 public:
  /// `state.rows` rows are skipped. The state is saved to `state_file` at most once a second, and when the run ends.
  Importer(const ImportSettings& settings, VectorReader& vectors, std::optional<PayloadReader> payloads,
           ImportState state, std::filesystem::path state_file, const std::atomic<bool>& stop);

  /// No state is left when this succeeds, or when there is no row to go on after. Without an error, and with `stop`
  /// set, it was interrupted.
  Result<void> run();
  const ImportSummary& summary() const { return summary_; }
  bool finished() const { return finished_; }

 private:
  struct Batch {
    std::uint64_t first = 0;
    std::vector<Record> records;
  };

  Result<void> skip_rows();
  Result<bool> read_record(Record& record);
  /// The next rows of the file; none at its end, or when the run is over.
  Batch take_batch();
  Result<void> fill(Batch& batch);
  void work();
  void complete(const Batch& batch);
  void fail(Error error);

  const ImportSettings& settings_;
  const std::filesystem::path state_file_;
  const std::string run_id_;
  const std::atomic<bool>& stop_;
  std::atomic<bool> halted_ = false;  // stop_ was seen, or something failed

  std::mutex read_mutex_;  // guards the members up to progress_mutex_; taken before it
  VectorReader& vectors_;
  std::optional<PayloadReader> payloads_;
  std::uint64_t next_row_ = 0;
  bool at_end_ = false;
  std::atomic<double> fraction_ = 0;

  std::mutex progress_mutex_;  // guards the rest
  ImportState state_;
  Watermark watermark_;
  ImportSummary summary_;
  std::optional<Error> error_;
  std::optional<Progress> progress_;
  std::chrono::steady_clock::time_point saved_;
  bool finished_ = false;
};

/// The body of an upsert of `records`, of which the first is row `first` of the file.
std::string upsert_body(const std::vector<Record>& records, std::uint64_t first_id);

}  // namespace vectorizer::client
