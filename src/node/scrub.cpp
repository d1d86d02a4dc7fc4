#include "scrub.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "vectorizer/base/clock.hpp"

namespace vectorizer::node {
namespace {

/// How often a slice that differs is read again until it is certain or gone, and the pause before: the copies come to
/// be at the same place, or writes show which of them is behind.
constexpr int kAttempts = 20;
constexpr std::chrono::milliseconds kAttemptPause{250};

void wait(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, time, [] { return false; });
}

/// More than the primary has in it: what a wrong copy has beyond that is not needed to see that it is wrong.
std::uint64_t allowed(std::uint64_t ours) {
  return 2 * ours + 1024;
}

}  // namespace

Scrub::Scrub(const ScrubOptions& options, ScrubPorts ports, MetricsRegistry& metrics)
    : options_(options),
      ports_(std::move(ports)),
      points_(metrics.counter("vectorizer_scrub_points_total", "Vectors of shards led here that the scrub has read.")),
      bytes_(metrics.counter("vectorizer_scrub_bytes_total", "Bytes of them.")),
      compared_(metrics.counter("vectorizer_scrub_slices_compared_total",
                                "Parts of copies on other nodes that were compared with the one here.")),
      differences_(metrics.counter("vectorizer_scrub_differences_total",
                                   "Copies that did not hold what others did, as the primary here found.")),
      rounds_done_(metrics.counter("vectorizer_scrub_rounds_total", "Rounds over all shards led here.")),
      ended_at_(metrics.gauge("vectorizer_scrub_last_round_timestamp_seconds",
                              "When the last round ended, in seconds since 1970; 0 for never.")) {}

void Scrub::start() {
  if (options_.interval.count() == 0) return;
  // Not at once: a node that starts has better things to read.
  rounds_.start(options_.interval, [this, first = true](const std::stop_token& stop) mutable {
    if (std::exchange(first, false)) return;
    round(stop);
  });
}

void Scrub::round(const std::stop_token& stop) {
  for (const auto& shard : ports_.led_here()) {
    if (stop.stop_requested()) return;
    scrub(shard, stop);
  }
  rounds_done_.Increment();
  ended_at_.Set(static_cast<double>(wall_ms()) / 1000);
}

void Scrub::scrub(const ScrubbedShard& shard, const std::stop_token& stop) {
  peer::SliceOrder order;
  order.max_points = options_.slice_points;
  order.max_bytes = options_.slice_bytes;
  auto left = shard;
  for (bool more = true; more && !stop.stop_requested() && ports_.leads(left);) {
    const auto ours = ports_.read(shard.shard, order);
    if (!ours) {
      // Damage has been told by who found it; whatever else this is, the next round comes.
      spdlog::warn("shard {}: the scrub ends here: {}", shard.shard.value(), ours.error().message);
      return;
    }
    auto compared = order;
    if (!ours->complete) compared.until = ours->last;
    compared.max_points = allowed(ours->points);
    compared.max_bytes = allowed(ours->bytes);
    const auto differences = compare_slice(left, compared, *ours, stop);
    if (!differences.empty()) {
      condemn(left, differences);
      if (differences.size() > 1) return;  // who is right was asked of all of them
      left.others.erase(left.others.begin() + static_cast<std::ptrdiff_t>(differences.begin()->first));
    }
    points_.Increment(static_cast<double>(ours->points));
    bytes_.Increment(static_cast<double>(ours->bytes));
    order.after = ours->last;
    more = !ours->complete;
    pace(ours->bytes, stop);
  }
}

std::map<std::size_t, PointDifference> Scrub::compare_slice(const ScrubbedShard& shard, const peer::SliceOrder& order,
                                                            const peer::CopySlice& ours, const std::stop_token& stop) {
  std::map<std::size_t, PointDifference> differences;
  for (std::size_t i = 0; i < shard.others.size() && !stop.stop_requested(); ++i) {
    const auto theirs = ports_.ask(shard.others[i].node, shard.shard, order);
    if (!theirs) {
      spdlog::debug("shard {}: node '{}' was not compared: {}", shard.shard.value(), shard.others[i].node.value(),
                    theirs.error().message);
      continue;
    }
    compared_.Increment();
    const bool equal =
        theirs->complete && theirs->points == ours.points && theirs->high == ours.high && theirs->low == ours.low;
    if (equal) continue;
    if (auto difference = settle(shard, shard.others[i], order, stop)) differences.emplace(i, *std::move(difference));
  }
  return differences;
}

std::optional<PointDifference> Scrub::settle(const ScrubbedShard& shard, const ScrubbedCopy& other,
                                             peer::SliceOrder order, const std::stop_token& stop) {
  order.listed = true;
  std::vector<peer::SlicePoint> doubtful;
  std::uint64_t sequence = 0;
  for (int attempt = 0; attempt < kAttempts && !stop.stop_requested() && ports_.leads(shard); ++attempt) {
    if (attempt > 0) wait(kAttemptPause, stop);
    const auto theirs = ports_.ask(other.node, shard.shard, order);
    if (!theirs) return std::nullopt;
    // What is written here meanwhile may be more than the slice had: ours goes as far as theirs, at least.
    auto own = order;
    own.max_points = allowed(theirs->points + order.max_points);
    own.max_bytes = allowed(theirs->bytes + order.max_bytes);
    const auto ours = ports_.read(shard.shard, own);
    if (!ours) return std::nullopt;
    auto result = compare(*ours, *theirs, doubtful, sequence);
    if (result.too_early) continue;
    if (result.difference) return ports_.leads(shard) ? result.difference : std::nullopt;
    if (result.doubtful.empty()) return std::nullopt;
    doubtful = std::move(result.doubtful);
    sequence = ours->sequence;
  }
  return std::nullopt;
}

void Scrub::condemn(const ScrubbedShard& shard, const std::map<std::size_t, PointDifference>& differences) {
  differences_.Increment(static_cast<double>(differences.size()));
  const auto& first = differences.begin()->second;
  const bool others_agree = differences.size() > 1 && differences.size() == shard.others.size() &&
                            std::all_of(differences.begin(), differences.end(), [&](const auto& each) {
                              return each.second.id == first.id && each.second.theirs == first.theirs;
                            });
  const auto condemn_one = [&](std::uint64_t copy, const std::string& why) {
    if (const auto done = ports_.quarantine(shard, copy, why); !done) {
      spdlog::error("shard {}: copy {} differs ({}), and is used all the same: {}", shard.shard.value(), copy, why,
                    done.error().message);
    }
  };
  if (others_agree) {
    return condemn_one(shard.copy, fmt::format("all other copies agree that it is wrong: {}", first.text()));
  }
  for (const auto& [index, difference] : differences) {
    condemn_one(shard.others[index].copy, difference.text());
  }
}

void Scrub::pace(std::uint64_t bytes, const std::stop_token& stop) {
  const auto rate = std::max<std::uint64_t>(options_.bytes_per_second, 1);
  wait(std::chrono::milliseconds(bytes * 1000 / rate), stop);
}

}  // namespace vectorizer::node
