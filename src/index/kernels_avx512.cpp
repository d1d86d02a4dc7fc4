#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

// Target attributes, not flags: see kernels_avx2.cpp.
#define VECTORIZER_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace vectorizer::index {
namespace {

VECTORIZER_AVX512 inline __mmask64 first_bytes(std::size_t count) {
  return (__mmask64{1} << count) - 1;
}
VECTORIZER_AVX512 inline __mmask16 first_floats(std::size_t count) {
  return static_cast<__mmask16>((1U << count) - 1U);
}

VECTORIZER_AVX512 std::int32_t dot_u8_s8(const std::uint8_t* a, const std::int8_t* b, std::size_t size) {
  __m512i sum0 = _mm512_setzero_si512();
  __m512i sum1 = sum0;
  std::size_t i = 0;
  for (; i + 128 <= size; i += 128) {
    sum0 = _mm512_dpbusd_epi32(sum0, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
    sum1 = _mm512_dpbusd_epi32(sum1, _mm512_loadu_si512(a + i + 64), _mm512_loadu_si512(b + i + 64));
  }
  if (i + 64 <= size) {
    sum0 = _mm512_dpbusd_epi32(sum0, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
    i += 64;
  }
  if (i < size) {
    const __mmask64 rest = first_bytes(size - i);
    sum1 = _mm512_dpbusd_epi32(sum1, _mm512_maskz_loadu_epi8(rest, a + i), _mm512_maskz_loadu_epi8(rest, b + i));
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(sum0, sum1));
}

// VNNI multiplies unsigned by signed bytes, so b - 128 goes in, and 128 times the sum of a is added afterwards.
VECTORIZER_AVX512 std::uint32_t dot_u8_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i bias = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i products = zero;
  __m512i sums = zero;
  std::size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    const __m512i left = _mm512_loadu_si512(a + i);
    products = _mm512_dpbusd_epi32(products, left, _mm512_xor_si512(_mm512_loadu_si512(b + i), bias));
    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(left, zero));
  }
  if (i < size) {
    const __mmask64 rest = first_bytes(size - i);
    const __m512i left = _mm512_maskz_loadu_epi8(rest, a + i);
    products = _mm512_dpbusd_epi32(products, left, _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, b + i), bias));
    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(left, zero));
  }
  const auto sum_of_a = static_cast<std::uint32_t>(_mm512_reduce_add_epi64(sums));
  return static_cast<std::uint32_t>(_mm512_reduce_add_epi32(products)) + 128U * sum_of_a;
}

VECTORIZER_AVX512 float dot_f32(const float* a, const float* b, std::size_t size) {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = sum0;
  __m512 sum2 = sum0;
  __m512 sum3 = sum0;
  std::size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
    sum1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), sum1);
    sum2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), sum2);
    sum3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), sum3);
  }
  for (; i + 16 <= size; i += 16) sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
  if (i < size) {
    const __mmask16 rest = first_floats(size - i);
    sum1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(rest, a + i), _mm512_maskz_loadu_ps(rest, b + i), sum1);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum0, sum1), _mm512_add_ps(sum2, sum3)));
}

VECTORIZER_AVX512 inline __m512 add_square(const float* a, const float* b, __m512 sum) {
  const __m512 difference = _mm512_sub_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b));
  return _mm512_fmadd_ps(difference, difference, sum);
}

VECTORIZER_AVX512 float squared_distance_f32(const float* a, const float* b, std::size_t size) {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = sum0;
  __m512 sum2 = sum0;
  __m512 sum3 = sum0;
  std::size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    sum0 = add_square(a + i, b + i, sum0);
    sum1 = add_square(a + i + 16, b + i + 16, sum1);
    sum2 = add_square(a + i + 32, b + i + 32, sum2);
    sum3 = add_square(a + i + 48, b + i + 48, sum3);
  }
  for (; i + 16 <= size; i += 16) sum0 = add_square(a + i, b + i, sum0);
  if (i < size) {
    const __mmask16 rest = first_floats(size - i);
    const __m512 difference = _mm512_sub_ps(_mm512_maskz_loadu_ps(rest, a + i), _mm512_maskz_loadu_ps(rest, b + i));
    sum1 = _mm512_fmadd_ps(difference, difference, sum1);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum0, sum1), _mm512_add_ps(sum2, sum3)));
}

}  // namespace

const Kernels kAvx512Kernels{"avx512_vnni", dot_u8_s8, dot_u8_u8, dot_f32, squared_distance_f32};

}  // namespace vectorizer::index
#endif
