#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
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

  /// The text exposition format, version 0.0.4.
  std::string expose() const;

 private:
  prometheus::Registry registry_;
};

/// Buckets in seconds for latencies from 50 µs to 10 s.
const std::vector<double>& latency_buckets();

}  // namespace vectorizer
