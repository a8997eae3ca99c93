/* bf16 is the upper half of a float: its sign, its exponent and 7 bits of its fraction. Integers do the rounding, because
 * the processors' own instructions for it make subnormal values zero. */

/* The nearest bf16, ties to even, as the bits of a float. What is beyond the largest becomes infinite; all NaNs become
 * the same one, whose lower half is zero too. */
INLINE uint32_t bf16_bits(float x) {
  uint32_t bits = bits_of(x);
  uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
  return (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC00000 : rounded;
}
INLINE float nearest_bf16(float x) { return float_of(bf16_bits(x)); }

/* In the frames of messages, which may begin at any address. */
typedef uint16_t __attribute__((aligned(1), may_alias)) packed_bf16;

static void round_bf16(float *output, const float *input, size_t count) {
  VECTORIZED for (size_t i = 0; i < count; i++) output[i] = nearest_bf16(input[i]);
}

static void pack_bf16(void *restrict output, const float *restrict input, size_t count) {
  packed_bf16 *halves = output;
  VECTORIZED for (size_t i = 0; i < count; i++) halves[i] = (uint16_t)(bf16_bits(input[i]) >> 16);
}

static void unpack_bf16(float *restrict output, const void *restrict input, size_t count) {
  const packed_bf16 *halves = input;
  VECTORIZED for (size_t i = 0; i < count; i++) output[i] = float_of((uint32_t)halves[i] << 16);
}

static void accumulate_bf16(float *restrict sum, const float *restrict term, size_t count) {
  VECTORIZED for (size_t i = 0; i < count; i++) sum[i] = nearest_bf16(nearest_bf16(sum[i]) + nearest_bf16(term[i]));
}
