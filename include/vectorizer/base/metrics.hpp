#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace vectorizer {

/// The process's metrics. Each module has one struct of families built from here; names and help texts are listed in
/// docs/metrics.md. Labels are bounded: collection, route, status, shard; never a vector id. Thread-safe.
class MetricsRegistry {
 public:
  using Counter = prometheus::Counter;
  using Gauge = prometheus::Gauge;
  using Histogram = prometheus::Histogram;
  using Labels = std::map<std::string, std::string>;

  prometheus::Family<Counter>& counters(const std::string& name, const std::string& help);
  prometheus::Family<Gauge>& gauges(const std::string& name, const std::string& help);
  prometheus::Family<Histogram>& histograms(const std::string& name, const std::string& help);

  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                       const Labels& labels = {});

  /// Series that leave the exposition with their last holder, like those of a collection. Holders of the same labels
  /// share one. They must not outlive the registry.
  std::shared_ptr<Counter> shared_counter(const std::string& name, const std::string& help, const Labels& labels);
  std::shared_ptr<Histogram> shared_histogram(const std::string& name, const std::string& help,
                                              const std::vector<double>& buckets, const Labels& labels);

  /// Called before each exposition, to let series go. Whatever it uses must live as long as somebody exposes. Register
  /// before that.
  void before_exposition(std::function<void()> hook) { hooks_.push_back(std::move(hook)); }
  /// The text exposition format, version 0.0.4.
  std::string expose() const;

 private:
  template <typename Metric>
  std::shared_ptr<Metric> share(prometheus::Family<Metric>& family, Metric& series);

  prometheus::Registry registry_;
  std::mutex shared_mutex_;
  std::map<const void*, std::size_t> holders_;  // of shared series; guarded by shared_mutex_
  std::vector<std::function<void()>> hooks_;    // last: what they hold may hold series
};

/// Buckets in seconds for latencies from 50 µs to 10 s.
const std::vector<double>& latency_buckets();

}  // namespace vectorizer
