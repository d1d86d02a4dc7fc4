#include "vectorizer/base/metrics.hpp"

#include <prometheus/text_serializer.h>

namespace vectorizer {

prometheus::Family<prometheus::Counter>& MetricsRegistry::counters(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
}
prometheus::Family<prometheus::Gauge>& MetricsRegistry::gauges(const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
}
prometheus::Family<prometheus::Histogram>& MetricsRegistry::histograms(const std::string& name,
                                                                       const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
}

prometheus::Counter& MetricsRegistry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return counters(name, help).Add(labels);
}
prometheus::Gauge& MetricsRegistry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return gauges(name, help).Add(labels);
}
prometheus::Histogram& MetricsRegistry::histogram(const std::string& name, const std::string& help,
                                                  const std::vector<double>& buckets, const Labels& labels) {
  return histograms(name, help).Add(labels, buckets);
}

template <typename Metric>
std::shared_ptr<Metric> MetricsRegistry::share(prometheus::Family<Metric>& family, Metric& series) {
  ++holders_[&series];
  return {&series, [this, &family](Metric* held) {
            const std::lock_guard lock(shared_mutex_);
            const auto found = holders_.find(held);
            if (--found->second > 0) return;
            holders_.erase(found);
            family.Remove(held);
          }};
}

std::shared_ptr<prometheus::Counter> MetricsRegistry::shared_counter(const std::string& name, const std::string& help,
                                                                     const Labels& labels) {
  auto& family = counters(name, help);
  const std::lock_guard lock(shared_mutex_);
  return share(family, family.Add(labels));
}
std::shared_ptr<prometheus::Histogram> MetricsRegistry::shared_histogram(const std::string& name,
                                                                         const std::string& help,
                                                                         const std::vector<double>& buckets,
                                                                         const Labels& labels) {
  auto& family = histograms(name, help);
  const std::lock_guard lock(shared_mutex_);
  return share(family, family.Add(labels, buckets));
}

std::string MetricsRegistry::expose() const {
  for (const auto& hook : hooks_) hook();
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

const std::vector<double>& latency_buckets() {
  static const std::vector<double> buckets{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                           0.05,    0.1,    0.25,    0.5,    1.0,   2.5,    5.0,   10.0};
  return buckets;
}

}  // namespace vectorizer
