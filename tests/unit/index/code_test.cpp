#include "code.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "testing/datasets.hpp"

namespace vectorizer::index {
namespace {

using Vector = std::vector<float>;

Vector random_vector(std::size_t dimension, float offset, float spread, std::mt19937& random) {
  std::normal_distribution<float> value(offset, spread);
  Vector vector(dimension);
  for (float& element : vector) element = value(random);
  return vector;
}

double true_distance(Metric metric, const Vector& a, const Vector& b) {
  if (metric == Metric::kEuclidean) return testing::squared_distance(a, b);
  const double dot = testing::inner_product(a, b);
  return metric == Metric::kCosine ? 1 - dot : -dot;
}

/// What eight bits may cost: a per mille or two of the product of the norms of the centred vectors.
double tolerance(const Vector& a, const Vector& b) {
  std::vector<std::uint8_t> codes(a.size());
  const double product = std::sqrt(double{encode(a, codes.data()).squared_norm} * encode(b, codes.data()).squared_norm);
  return 0.02 * product + 1e-5 * std::sqrt(testing::inner_product(a, a) * testing::inner_product(b, b));
}

struct Encoded {
  explicit Encoded(const Vector& vector) : codes(vector.size()), meta(encode(vector, codes.data())) {}
  std::vector<std::uint8_t> codes;
  CodeMeta meta;
};

TEST(CodeSpace, QueryAndCodeDistancesAreCloseToTheTrueOnes) {
  std::mt19937 random(3);
  for (const Metric metric : {Metric::kCosine, Metric::kEuclidean, Metric::kDot}) {
    for (const std::size_t dimension : {2U, 3U, 7U, 64U, 100U, 129U, 784U, 1536U}) {
      const CodeSpace space(metric, dimension);
      for (int round = 0; round < 20; ++round) {
        const Vector a = random_vector(dimension, 0.3F, 1, random);
        const Vector b = random_vector(dimension, -0.2F, 2, random);
        const Encoded code_a(a);
        const Encoded code_b(b);
        std::vector<std::int8_t> query_codes(dimension);
        const QueryCode query = encode_query(a, query_codes.data());
        const double expected = true_distance(metric, a, b);
        EXPECT_NEAR(space.distance(query, code_b.codes.data(), code_b.meta), expected, tolerance(a, b)) << dimension;
        EXPECT_NEAR(space.distance(code_a.codes.data(), code_a.meta, code_b.codes.data(), code_b.meta), expected,
                    tolerance(a, b))
            << dimension;
      }
    }
  }
}

TEST(CodeSpace, ACommonOffsetCostsNoPrecision) {
  std::mt19937 random(4);
  const std::size_t dimension = 128;
  const CodeSpace space(Metric::kEuclidean, dimension);
  for (int round = 0; round < 20; ++round) {
    const Vector a = random_vector(dimension, 1000, 1, random);
    const Vector b = random_vector(dimension, 1000, 1, random);
    const Encoded code_a(a);
    const Encoded code_b(b);
    std::vector<std::int8_t> query_codes(dimension);
    const QueryCode query = encode_query(a, query_codes.data());
    const double expected = testing::squared_distance(a, b);  // about 2 * 128, beside norms of 1.28e8
    EXPECT_NEAR(space.distance(query, code_b.codes.data(), code_b.meta), expected, 0.02 * expected);
    EXPECT_NEAR(space.distance(code_a.codes.data(), code_a.meta, code_b.codes.data(), code_b.meta), expected,
                0.02 * expected);
  }
}

TEST(CodeSpace, ConstantAndZeroVectorsHaveExactDistances) {
  const std::size_t dimension = 10;
  const Encoded zero(Vector(dimension, 0.0F));
  const Encoded three(Vector(dimension, 3.0F));
  std::vector<std::int8_t> query_codes(dimension);
  const QueryCode two = encode_query(Vector(dimension, 2.0F), query_codes.data());
  EXPECT_FLOAT_EQ(CodeSpace(Metric::kEuclidean, dimension).distance(two, three.codes.data(), three.meta), 10);
  EXPECT_FLOAT_EQ(CodeSpace(Metric::kDot, dimension).distance(two, three.codes.data(), three.meta), -60);
  EXPECT_FLOAT_EQ(CodeSpace(Metric::kCosine, dimension).distance(two, zero.codes.data(), zero.meta), 1);
}

TEST(CodeSpace, HugeValuesGiveDistancesThatCanBeOrdered) {
  const std::size_t dimension = 8;
  Vector huge(dimension, 3e38F);
  huge[0] = -3e38F;
  const Encoded code(huge);
  std::vector<std::int8_t> query_codes(dimension);
  const QueryCode query = encode_query(huge, query_codes.data());
  for (const Metric metric : {Metric::kCosine, Metric::kEuclidean, Metric::kDot}) {
    const CodeSpace space(metric, dimension);
    EXPECT_FALSE(std::isnan(space.distance(query, code.codes.data(), code.meta)));
    EXPECT_FALSE(std::isnan(space.distance(code.codes.data(), code.meta, code.codes.data(), code.meta)));
  }
}

}  // namespace
}  // namespace vectorizer::index
