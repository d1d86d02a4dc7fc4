#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace vectorizer::client {
namespace {

constexpr std::chrono::milliseconds kRedraw{200};
constexpr std::chrono::seconds kLine{5};
constexpr std::size_t kBarWidth = 30;

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(0.0, seconds) + 0.5);
  const auto hours = whole / 3600;
  const auto minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string progress_bar(double fraction, std::size_t width) {
  const auto filled = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width));
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
}

std::string progress_text(std::uint64_t rows, double seconds, double start_fraction, double fraction) {
  const double rate = seconds > 0 ? static_cast<double>(rows) / seconds : 0;
  std::string text = fmt::format("{:3.0f}% {} vectors, {:.0f}/s", fraction * 100, rows, rate);
  const double done = fraction - start_fraction;
  if (done > 0 && fraction < 1) text += fmt::format(", {} left", duration_text(seconds * (1 - fraction) / done));
  return text;
}

Progress::Progress(std::string label, std::FILE* out, bool terminal, double start_fraction)
    : label_(std::move(label)), out_(out), terminal_(terminal), start_fraction_(start_fraction) {}

void Progress::update(std::uint64_t rows, double fraction) {
  const auto now = Clock::now();
  if (now - shown_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLine))) return;
  shown_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string text = progress_text(rows, seconds, start_fraction_, fraction);
  if (terminal_) {
    fmt::print(out_, "\r{} {} {}\x1b[K", label_, progress_bar(fraction, kBarWidth), text);
    std::fflush(out_);
  } else {
    fmt::print(out_, "{}: {}\n", label_, text);
  }
}

void Progress::finish() {
  if (terminal_ && drawn_) fmt::print(out_, "\n");
  drawn_ = false;
}

Progress stderr_progress(std::string label, double start_fraction) {
  return Progress(std::move(label), stderr, isatty(STDERR_FILENO) == 1, start_fraction);
}

}  // namespace vectorizer::client
