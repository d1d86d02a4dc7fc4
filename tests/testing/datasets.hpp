#pragma once

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Real vectors with exact ground truth for tests and benchmarks, and a seeded stand-in where they are not installed.
namespace vectorizer::testing {

/// Rows of equal length, one after the other.
template <typename T>
struct Matrix {
  std::size_t dimension = 0;
  std::vector<T> values;

  std::size_t rows() const { return dimension == 0 ? 0 : values.size() / dimension; }
  std::span<const T> row(std::size_t index) const { return {values.data() + index * dimension, dimension}; }
};

/// Reads a .fvecs, .bvecs or .ivecs file, also gzipped (zlib reads either): each row is an int32 dimension, then that
/// many `Stored` values. Throws std::runtime_error naming the file, which fails the test that asked.
template <typename Stored, typename T>
Matrix<T> read_vecs(const std::filesystem::path& file, std::size_t max_rows = SIZE_MAX) {
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> input(gzopen(file.c_str(), "rb"), &gzclose);
  if (!input) throw std::runtime_error("cannot open " + file.string());
  Matrix<T> matrix;
  std::vector<Stored> row;
  for (std::size_t count = 0; count < max_rows; ++count) {
    std::int32_t dimension = 0;
    const int got = gzread(input.get(), &dimension, sizeof dimension);
    if (got == 0) break;
    const bool sane = got == sizeof dimension && dimension > 0 && dimension <= 65536 &&
                      (matrix.dimension == 0 || matrix.dimension == static_cast<std::size_t>(dimension));
    if (!sane) throw std::runtime_error("bad row header in " + file.string());
    matrix.dimension = static_cast<std::size_t>(dimension);
    row.resize(matrix.dimension);
    const auto bytes = static_cast<unsigned>(row.size() * sizeof(Stored));
    if (gzread(input.get(), row.data(), bytes) != static_cast<int>(bytes)) {
      throw std::runtime_error("truncated row in " + file.string());
    }
    for (const Stored value : row) matrix.values.push_back(static_cast<T>(value));
  }
  return matrix;
}

inline Matrix<float> read_fvecs(const std::filesystem::path& file, std::size_t max_rows = SIZE_MAX) {
  return read_vecs<float, float>(file, max_rows);
}
/// Bytes become floats 0..255.
inline Matrix<float> read_bvecs(const std::filesystem::path& file, std::size_t max_rows = SIZE_MAX) {
  return read_vecs<std::uint8_t, float>(file, max_rows);
}
inline Matrix<std::int32_t> read_ivecs(const std::filesystem::path& file, std::size_t max_rows = SIZE_MAX) {
  return read_vecs<std::int32_t, std::int32_t>(file, max_rows);
}

/// Where the data sets are: $VECTORIZER_TEST_DATA, else ../shared/data beside the source tree.
inline std::optional<std::filesystem::path> data_directory() {
  std::vector<std::filesystem::path> places;
  if (const char* set = std::getenv("VECTORIZER_TEST_DATA")) places.emplace_back(set);
#ifdef VECTORIZER_SOURCE_DIR
  places.push_back(std::filesystem::path(VECTORIZER_SOURCE_DIR) / ".." / "shared" / "data");
#endif
  for (const auto& place : places) {
    std::error_code ignored;
    if (std::filesystem::is_directory(place, ignored)) return place;
  }
  return std::nullopt;
}

/// `<directory>/<stem>` with one of the suffixes that exist there, e.g. "fashion3k.base" -> ".bvecs.gz".
inline std::optional<std::filesystem::path> find_data_file(std::string_view stem) {
  const auto directory = data_directory();
  if (!directory) return std::nullopt;
  for (const char* suffix :
       {".fvecs", ".fvecs.gz", ".bvecs", ".bvecs.gz", ".ivecs", ".ivecs.gz", ".jsonl", ".jsonl.gz"}) {
    const auto file = *directory / (std::string(stem) + suffix);
    std::error_code ignored;
    if (std::filesystem::is_regular_file(file, ignored)) return file;
  }
  return std::nullopt;
}

/// Base vectors, queries and, per query, the ids of the nearest base vectors in ascending order of (distance, id).
struct DataSet {
  std::string name;
  Matrix<float> base, queries;
  Matrix<std::int32_t> truth_euclidean, truth_cosine;
  bool generated = false;  ///< a seeded stand-in: the real set is not installed
};

inline double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

inline double inner_product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// 1 - cosine similarity; 1 when either vector is zero.
inline double cosine_distance(std::span<const float> a, std::span<const float> b) {
  const double norms = std::sqrt(inner_product(a, a) * inner_product(b, b));
  return norms > 0 ? 1 - inner_product(a, b) / norms : 1;
}

/// The `k` nearest rows of `base` by `distance(query, row)` in double precision, ties by the smaller id.
template <typename Distance>
std::vector<std::int32_t> nearest_rows(const Matrix<float>& base, std::span<const float> query, std::size_t k,
                                       Distance distance) {
  std::vector<std::pair<double, std::int32_t>> all(base.rows());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = {distance(query, base.row(i)), static_cast<std::int32_t>(i)};
  k = std::min(k, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k), all.end());
  std::vector<std::int32_t> ids(k);
  for (std::size_t i = 0; i < k; ++i) ids[i] = all[i].second;
  return ids;
}

/// Normally distributed vectors around `clusters` centres; the same for the same arguments.
inline Matrix<float> generated_vectors(std::size_t rows, std::size_t dimension, std::uint32_t seed,
                                       std::size_t clusters = 20) {
  std::mt19937 centre_random(7);  // its own seed, so that queries fall into the clusters of the base
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix<float> centres{dimension, {}};
  for (std::size_t i = 0; i < clusters * dimension; ++i) centres.values.push_back(normal(centre_random));
  Matrix<float> matrix{dimension, {}};
  matrix.values.reserve(rows * dimension);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto centre = centres.row(random() % clusters);
    for (std::size_t j = 0; j < dimension; ++j) matrix.values.push_back(centre[j] + 0.5F * normal(random));
  }
  return matrix;
}

inline DataSet generated_data_set(std::string name, std::size_t rows, std::size_t dimension, std::size_t queries) {
  DataSet set{std::move(name), generated_vectors(rows, dimension, 1), generated_vectors(queries, dimension, 2), {}, {}};
  set.generated = true;
  set.truth_euclidean.dimension = set.truth_cosine.dimension = std::min<std::size_t>(100, rows);
  for (std::size_t i = 0; i < queries; ++i) {
    const auto euclidean = nearest_rows(set.base, set.queries.row(i), 100, squared_distance);
    const auto cosine = nearest_rows(set.base, set.queries.row(i), 100, cosine_distance);
    set.truth_euclidean.values.insert(set.truth_euclidean.values.end(), euclidean.begin(), euclidean.end());
    set.truth_cosine.values.insert(set.truth_cosine.values.end(), cosine.begin(), cosine.end());
  }
  return set;
}

/// Loads "fashion3k", "emoji2vec", "deep2k" or "mnist". Where the files are missing it generates a set of about the
/// same shape (2,000 rows at most) and says so on stderr.
inline DataSet load_data_set(const std::string& name) {
  const auto queries = find_data_file(name + (name == "mnist" ? ".query1k" : ".query"));
  const auto base = find_data_file(name + ".base");
  const auto euclidean = find_data_file(name + ".gt_l2");
  const auto cosine = find_data_file(name + ".gt_cos");
  if (!queries || !base || !euclidean || !cosine) {
    std::cerr << "[data] " << name << " is not installed (set VECTORIZER_TEST_DATA): using seeded generated vectors\n";
    const std::size_t dimension = name == "emoji2vec" ? 300 : name == "deep2k" ? 96 : 784;
    return generated_data_set(name, 2000, dimension, 100);
  }
  const auto read = [](const std::filesystem::path& file) {
    return file.string().find(".bvecs") != std::string::npos ? read_bvecs(file) : read_fvecs(file);
  };
  return DataSet{name, read(*base), read(*queries), read_ivecs(*euclidean), read_ivecs(*cosine)};
}

}  // namespace vectorizer::testing
