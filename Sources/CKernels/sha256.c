/* SHA-256, as FIPS 180-4 describes it: section 4.1.2 has the functions, 5 the padding, 6.2 the rounds. */
#include "CKernels.h"

#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t x, int bits) { return x >> bits | x << (32 - bits); }

/* The compress functions add `blocks` · 64 bytes to `hash`. This one runs on every processor. */
static void compress_portable(uint32_t hash[8], const uint8_t *bytes, size_t blocks) {
  for (; blocks > 0; blocks--, bytes += 64) {
    uint32_t w[64];
    for (int t = 0; t < 16; t++) {
      const uint8_t *word = bytes + 4 * t;
      w[t] = (uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 | word[3];
    }
    for (int t = 16; t < 64; t++) {
      uint32_t sigma0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
      uint32_t sigma1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
      w[t] = sigma1 + w[t - 7] + sigma0 + w[t - 16];
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (int t = 0; t < 64; t++) {
      uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
      uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
      uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
      uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1;
      d = c, c = b, b = a, a = t1 + t2;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
  }
}

/* The accelerated functions do four rounds at a time; w0 to w3 are the next 16 words of the message schedule. */
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

__attribute__((target("sha,sse4.1,ssse3"))) static void compress_accelerated(uint32_t hash[8], const uint8_t *bytes,
                                                                             size_t blocks) {
#define WORDS(INDEX) _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * INDEX)), big_endian)
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  /* The instructions want A in the highest 32 bits and F in the lowest, which is the order that _mm_set takes. */
  __m128i abef = _mm_set_epi32((int)hash[0], (int)hash[1], (int)hash[4], (int)hash[5]);
  __m128i cdgh = _mm_set_epi32((int)hash[2], (int)hash[3], (int)hash[6], (int)hash[7]);
  for (; blocks > 0; blocks--, bytes += 64) {
    __m128i w0 = WORDS(0), w1 = WORDS(1), w2 = WORDS(2), w3 = WORDS(3), abef_before = abef, cdgh_before = cdgh;
    for (int t = 0; t < 64; t += 4) {
      __m128i sum = _mm_add_epi32(w0, _mm_loadu_si128((const __m128i *)(K + t)));
      /* In two rounds C, D, G and H become the former A, B, E and F. */
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_unpackhi_epi64(sum, sum));
      __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
      w0 = w1, w1 = w2, w2 = w3, w3 = _mm_sha256msg2_epu32(next, w3);
    }
    abef = _mm_add_epi32(abef, abef_before), cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  _mm_storeu_si128((__m128i *)hash, _mm_shuffle_epi32(_mm_unpackhi_epi64(abef, cdgh), 0xB1));
  _mm_storeu_si128((__m128i *)(hash + 4), _mm_shuffle_epi32(_mm_unpacklo_epi64(abef, cdgh), 0xB1));
}

/* Cached, because CPUID takes 20 µs in a virtual machine. Concurrent calls store the same answer. */
static int is_accelerated(void) {
  static _Atomic int answer = -1;
  if (answer < 0) {
    unsigned a, b, c, d;
    int has_sse41 = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1);
    answer = has_sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
  }
  return answer;
}

#elif defined(__AARCH64EL__) && (defined(__ARM_FEATURE_SHA2) || defined(__ARM_FEATURE_CRYPTO))
#include <arm_neon.h>

static void compress_accelerated(uint32_t hash[8], const uint8_t *bytes, size_t blocks) {
#define WORDS(INDEX) vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 16 * INDEX)))
  uint32x4_t abcd = vld1q_u32(hash), efgh = vld1q_u32(hash + 4);
  for (; blocks > 0; blocks--, bytes += 64) {
    uint32x4_t w0 = WORDS(0), w1 = WORDS(1), w2 = WORDS(2), w3 = WORDS(3), abcd_before = abcd, efgh_before = efgh;
    for (int t = 0; t < 64; t += 4) {
      uint32x4_t sum = vaddq_u32(w0, vld1q_u32(K + t)), former = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, former, sum);
      uint32x4_t next = vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
      w0 = w1, w1 = w2, w2 = w3, w3 = next;
    }
    abcd = vaddq_u32(abcd, abcd_before), efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(hash, abcd), vst1q_u32(hash + 4, efgh);
}

static int is_accelerated(void) { return 1; }
#else
#define compress_accelerated compress_portable
static int is_accelerated(void) { return 0; }
#endif

static void compress(lk_sha256 *state, const uint8_t *bytes, size_t blocks) {
  (state->is_portable ? compress_portable : compress_accelerated)(state->hash, bytes, blocks);
}

void lk_sha256_init(lk_sha256 *state, int is_portable) {
  /* The first 32 bits of the fractional parts of the square roots of the first eight primes. */
  *state = (lk_sha256){{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
                       .is_portable = is_portable || !is_accelerated()};
}

void lk_sha256_update(lk_sha256 *state, const void *bytes, size_t count) {
  if (count == 0) return;
  const uint8_t *next = bytes;
  size_t held = state->length % 64, room = 64 - held;
  state->length += count;
  if (held > 0) {
    memcpy(state->block + held, next, count < room ? count : room);
    if (count < room) return;
    compress(state, state->block, 1);
    next += room, count -= room;
  }
  compress(state, next, count / 64);
  memcpy(state->block, next + (count - count % 64), count % 64);
}

void lk_sha256_finish(const lk_sha256 *state, uint8_t digest[32]) {
  /* The remaining bytes, a one bit, zeros, and the length in bits in the last eight bytes. */
  lk_sha256 last = *state;
  size_t held = last.length % 64, blocks = held < 56 ? 1 : 2;
  uint8_t padded[128] = {0};
  memcpy(padded, last.block, held);
  padded[held] = 0x80;
  for (size_t i = 0; i < 8; i++) padded[64 * blocks - 1 - i] = (uint8_t)(8 * last.length >> 8 * i);
  compress(&last, padded, blocks);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(last.hash[i / 4] >> (24 - i % 4 * 8));
}
