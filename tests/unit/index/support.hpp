#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "testing/datasets.hpp"
#include "testing/temporary_directory.hpp"
#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::index {

using testing::TemporaryDirectory;

inline IndexOptions options_for(std::size_t dimension, Metric metric, std::uint32_t graph_threshold = 0) {
  IndexOptions options;
  options.dimension = static_cast<std::uint32_t>(dimension);
  options.metric = metric;
  options.graph_threshold = graph_threshold;
  return options;
}

inline void add_rows(VectorIndex& index, const testing::Matrix<float>& rows) {
  for (std::size_t i = 0; i < rows.rows(); ++i) index.add(rows.row(i));
}

inline void index_all(VectorIndex& index) {
  while (index.index_pending(500) > 0) {
  }
}

inline std::vector<Slot> slots_of(const std::vector<Neighbor>& neighbors) {
  std::vector<Slot> slots;
  for (const Neighbor& neighbor : neighbors) slots.push_back(neighbor.slot);
  return slots;
}

/// How much of the true nearest the index finds, over all queries of a set.
inline double recall(const VectorIndex& index, const testing::DataSet& set, Metric metric, const SearchParams& params) {
  const auto& truth = metric == Metric::kEuclidean ? set.truth_euclidean : set.truth_cosine;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < set.queries.rows(); ++i) {
    const auto found = slots_of(index.search(set.queries.row(i), params));
    const std::unordered_set<Slot> slots(found.begin(), found.end());
    for (std::size_t j = 0; j < params.limit; ++j) hits += slots.count(static_cast<Slot>(truth.row(i)[j]));
  }
  return static_cast<double>(hits) / static_cast<double>(set.queries.rows() * params.limit);
}

/// The true distance between a query and a row, as Neighbor has it.
inline double true_distance(Metric metric, std::span<const float> query, std::span<const float> row) {
  if (metric == Metric::kEuclidean) return testing::squared_distance(query, row);
  return metric == Metric::kCosine ? testing::cosine_distance(query, row) : -testing::inner_product(query, row);
}

}  // namespace vectorizer::index
