#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

// Target attributes, not compiler flags for the file: with flags, inline functions of the standard library that are
// compiled here could be the ones the linker keeps, and would then crash older processors.
#define VECTORIZER_AVX2 __attribute__((target("avx2,fma")))

namespace vectorizer::index {
namespace {

VECTORIZER_AVX2 inline std::int32_t sum_of(__m256i lanes) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return _mm_cvtsi128_si32(sum);
}

VECTORIZER_AVX2 inline float sum_of(__m256 lanes) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1));
  return _mm_cvtss_f32(sum);
}

VECTORIZER_AVX2 inline __m128i load16(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

// Bytes are widened to 16 bits first: maddubs would saturate.
VECTORIZER_AVX2 std::int32_t dot_u8_s8(const std::uint8_t* a, const std::int8_t* b, std::size_t size) {
  __m256i sum0 = _mm256_setzero_si256();
  __m256i sum1 = sum0;
  std::size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    sum0 = _mm256_add_epi32(
        sum0, _mm256_madd_epi16(_mm256_cvtepu8_epi16(load16(a + i)), _mm256_cvtepi8_epi16(load16(b + i))));
    sum1 = _mm256_add_epi32(
        sum1, _mm256_madd_epi16(_mm256_cvtepu8_epi16(load16(a + i + 16)), _mm256_cvtepi8_epi16(load16(b + i + 16))));
  }
  std::int32_t sum = sum_of(_mm256_add_epi32(sum0, sum1));
  for (; i < size; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
  return sum;
}

VECTORIZER_AVX2 std::uint32_t dot_u8_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  __m256i sum0 = _mm256_setzero_si256();
  __m256i sum1 = sum0;
  std::size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    sum0 = _mm256_add_epi32(
        sum0, _mm256_madd_epi16(_mm256_cvtepu8_epi16(load16(a + i)), _mm256_cvtepu8_epi16(load16(b + i))));
    sum1 = _mm256_add_epi32(
        sum1, _mm256_madd_epi16(_mm256_cvtepu8_epi16(load16(a + i + 16)), _mm256_cvtepu8_epi16(load16(b + i + 16))));
  }
  // The lanes wrap as unsigned numbers do, so the sum is right up to 2^32 although the instructions are signed.
  auto sum = static_cast<std::uint32_t>(sum_of(_mm256_add_epi32(sum0, sum1)));
  for (; i < size; ++i) sum += std::uint32_t{a[i]} * std::uint32_t{b[i]};
  return sum;
}

VECTORIZER_AVX2 float dot_f32(const float* a, const float* b, std::size_t size) {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = sum0;
  __m256 sum2 = sum0;
  __m256 sum3 = sum0;
  std::size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1);
    sum2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), sum2);
    sum3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), sum3);
  }
  for (; i + 8 <= size; i += 8) sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
  float sum = sum_of(_mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3)));
  for (; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

VECTORIZER_AVX2 inline __m256 add_square(const float* a, const float* b, __m256 sum) {
  const __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b));
  return _mm256_fmadd_ps(difference, difference, sum);
}

VECTORIZER_AVX2 float squared_distance_f32(const float* a, const float* b, std::size_t size) {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = sum0;
  __m256 sum2 = sum0;
  __m256 sum3 = sum0;
  std::size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    sum0 = add_square(a + i, b + i, sum0);
    sum1 = add_square(a + i + 8, b + i + 8, sum1);
    sum2 = add_square(a + i + 16, b + i + 16, sum2);
    sum3 = add_square(a + i + 24, b + i + 24, sum3);
  }
  for (; i + 8 <= size; i += 8) sum0 = add_square(a + i, b + i, sum0);
  float sum = sum_of(_mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3)));
  for (; i < size; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

}  // namespace

const Kernels kAvx2Kernels{"avx2", dot_u8_s8, dot_u8_u8, dot_f32, squared_distance_f32};

}  // namespace vectorizer::index
#endif
