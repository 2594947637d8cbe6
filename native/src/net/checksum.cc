#include "net/checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sojourn {
namespace {

u64 addPortable(const u8* data, size_t length, u64 sum) {
  u64 even = 0;
  u64 odd = 0;
  size_t at = 0;
  for (; at + 32 <= length; at += 32) {
    for (size_t word = 0; word < 32; word += 8) {
      even += raw32(data + at + word);
      odd += raw32(data + at + word + 4);
    }
  }
  return checksumAddShort(data + at, length - at, sum + even + odd);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) u64 addAvx2(const u8* data, size_t length, u64 sum) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i a = _mm256_setzero_si256();
  __m256i b = a;
  __m256i c = a;
  __m256i d = a;
  size_t at = 0;
  for (; at + 64 <= length; at += 64) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + at));
    const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + at + 32));
    a = _mm256_add_epi64(a, _mm256_and_si256(x, low));
    b = _mm256_add_epi64(b, _mm256_srli_epi64(x, 32));
    c = _mm256_add_epi64(c, _mm256_and_si256(y, low));
    d = _mm256_add_epi64(d, _mm256_srli_epi64(y, 32));
  }
  u64 lanes[4];
  const __m256i all = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), all);
  return checksumAddShort(data + at, length - at, sum + lanes[0] + lanes[1] + lanes[2] + lanes[3]);
}
#endif

using Adder = u64 (*)(const u8*, size_t, u64);

// A plain pointer, not an ifunc: resolvers run before the sanitizers' own initialisation and crash.
Adder chooseAdder() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) return addAvx2;
#endif
  return addPortable;
}

const Adder adder = chooseAdder();

}  // namespace

u64 checksumAddLong(const u8* data, size_t length, u64 sum) { return adder(data, length, sum); }

}  // namespace sojourn
