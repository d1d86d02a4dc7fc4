#include "kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace vectorizer::index {
namespace {

std::vector<std::size_t> sizes() {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size <= 200; ++size) sizes.push_back(size);
  for (const std::size_t size : {255, 256, 257, 300, 383, 511, 769, 784, 1023, 1536, 4099, 65535, 65536}) {
    sizes.push_back(size);
  }
  return sizes;
}

template <typename T>
std::vector<T> random_integers(std::size_t size, int low, int high, std::mt19937& random) {
  std::uniform_int_distribution<int> value(low, high);
  std::vector<T> values(size);
  for (T& element : values) element = static_cast<T>(value(random));
  return values;
}

class KernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels() const { return *GetParam(); }
  std::mt19937 random_{11};
};

TEST_P(KernelsTest, IntegerProductsAreExact) {
  for (const std::size_t size : sizes()) {
    const auto a = random_integers<std::uint8_t>(size, 0, 255, random_);
    const auto b = random_integers<std::uint8_t>(size, 0, 255, random_);
    const auto q = random_integers<std::int8_t>(size, -128, 127, random_);
    std::int64_t signed_sum = 0;
    std::uint64_t unsigned_sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      signed_sum += std::int64_t{a[i]} * q[i];
      unsigned_sum += std::uint64_t{a[i]} * b[i];
    }
    ASSERT_EQ(kernels().dot_u8_s8(a.data(), q.data(), size), signed_sum) << size;
    ASSERT_EQ(kernels().dot_u8_u8(a.data(), b.data(), size), unsigned_sum) << size;
  }
}

TEST_P(KernelsTest, ExtremeBytesDoNotSaturateOrOverflow) {
  for (const std::size_t size : sizes()) {
    const std::vector<std::uint8_t> most(size, 255);
    const std::vector<std::int8_t> lowest(size, -128);
    const std::vector<std::int8_t> highest(size, 127);
    const auto count = static_cast<std::int64_t>(size);
    ASSERT_EQ(kernels().dot_u8_s8(most.data(), lowest.data(), size), count * 255 * -128) << size;
    ASSERT_EQ(kernels().dot_u8_s8(most.data(), highest.data(), size), count * 255 * 127) << size;
    ASSERT_EQ(kernels().dot_u8_u8(most.data(), most.data(), size), count * 255 * 255) << size;
  }
}

TEST_P(KernelsTest, FloatSumsAgreeWithDoublePrecision) {
  std::normal_distribution<float> value;
  for (const std::size_t size : sizes()) {
    std::vector<float> a(size);
    std::vector<float> b(size);
    for (std::size_t i = 0; i < size; ++i) {
      a[i] = value(random_);
      b[i] = value(random_);
    }
    double dot = 0;
    double absolute = 0;
    double squared = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double x = a[i];
      const double y = b[i];
      dot += x * y;
      absolute += std::abs(x * y);
      squared += (x - y) * (x - y);
    }
    const double steps = 1 + std::sqrt(static_cast<double>(size));
    ASSERT_NEAR(kernels().dot_f32(a.data(), b.data(), size), dot, 1e-7 * steps * absolute) << size;
    ASSERT_NEAR(kernels().squared_distance_f32(a.data(), b.data(), size), squared, 1e-7 * steps * squared) << size;
  }
}

TEST_P(KernelsTest, UnalignedInputsAndBytesPastTheEndDoNotCount) {
  for (const std::size_t size : {1U, 31U, 63U, 65U, 100U, 127U, 130U}) {
    for (std::size_t shift = 0; shift < 5; ++shift) {
      std::vector<std::uint8_t> a(size + shift + 64, 200);
      std::vector<std::int8_t> q(size + shift + 64, 100);
      std::vector<float> x(size + shift + 64, 1e30F);
      for (std::size_t i = 0; i < size; ++i) {
        a[shift + i] = 1;
        q[shift + i] = 2;
        x[shift + i] = 3;
      }
      const auto count = static_cast<std::int64_t>(size);
      EXPECT_EQ(kernels().dot_u8_s8(a.data() + shift, q.data() + shift, size), count * 2);
      EXPECT_EQ(kernels().dot_u8_u8(a.data() + shift, a.data() + shift, size), count);
      EXPECT_EQ(kernels().dot_f32(x.data() + shift, x.data() + shift, size), static_cast<float>(count * 9));
      EXPECT_EQ(kernels().squared_distance_f32(x.data() + shift, x.data() + shift, size), 0.0F);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, KernelsTest, ::testing::ValuesIn(supported_kernels().begin(), supported_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST(KernelsChoice, PicksTheFirstSupportedSetAndAlwaysHasThePortableOne) {
  EXPECT_EQ(&kernels(), supported_kernels().front());
  EXPECT_EQ(supported_kernels().back(), &kPortableKernels);
}

}  // namespace
}  // namespace vectorizer::index
