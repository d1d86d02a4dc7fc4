#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace vectorizer::client {

/// One line of progress: rows done, rate, and how long the rest will take at this rate.
/// `fraction` of the file was done after `seconds`, `start_fraction` of it before this run.
std::string progress_text(std::uint64_t rows, double seconds, double start_fraction, double fraction);
/// `width` characters in brackets, filled to `fraction`.
std::string progress_bar(double fraction, std::size_t width);
/// "1:02:03", or "4:05" below an hour.
std::string duration_text(double seconds);

/// Shows progress on stderr: a bar that is redrawn on a terminal, a line every few seconds elsewhere.
/// Not thread-safe.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  Progress(std::string label, std::FILE* out, bool terminal, double start_fraction);
  void update(std::uint64_t rows, double fraction);
  /// Leaves the terminal on a fresh line.
  void finish();

 private:
  const std::string label_;
  std::FILE* const out_;
  const bool terminal_;
  const double start_fraction_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool drawn_ = false;
};

/// Progress on stderr, a bar if that is a terminal.
Progress stderr_progress(std::string label, double start_fraction);

}  // namespace vectorizer::client
