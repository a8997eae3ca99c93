/* More activations, and operations on the elements of two vectors. */

/* 1 / (1 + e) and e / (1 + e) with e = factor · scale of an exponential: the sigmoids of a positive number and of its
 * opposite. */
INLINE float sigmoids_of(float factor, float scale, float *of_opposite) {
  float divisor = FMA(factor, scale, 1.0f);
  *of_opposite = factor * scale / divisor;
  return 1.0f / divisor;
}

INLINE float silu(float x) { return x * sigmoid(x); }

/* σ(x) + x σ(x) σ(−x): 1 − σ(x) would cancel. */
INLINE float silu_derivative(float x) {
  float scale, factor = exponential_parts(-__builtin_fabsf(x), &scale);
  float low, high = sigmoids_of(factor, scale, &low);
  return FMA(x, high * low, x < 0.0f ? low : high);
}

/* 2 √(2/π) and its product with 0.044715, each the sum of two floats. The first has so few bits that its distance from
 * any slope is exact. */
#define TANH_SLOPE 0x1.98845p+0f
#define TANH_SLOPE_LOW 0x1.9ea1b2p-23f
#define TANH_CUBE 0x1.2444f2p-4f
#define TANH_CUBE_LOW 0x1.49b16ap-29f

/* e^−m (2 √(2/π) (1 + 0.044715 m²)) of m = |x|; *square is m². The exponent v is taken in two parts, because the
 * exponential would multiply its rounding. */
INLINE float gelu_tanh_parts(float x, float *scale, float *square) {
  float m = __builtin_fabsf(x);
  m = m > 12.0f ? 12.0f : m; /* beyond, the result is 0 */
  float s = m * m;
  float slope = FMA(TANH_CUBE, s, TANH_SLOPE);
  float slope_rest = FMA(TANH_CUBE, s, TANH_SLOPE - slope);
  slope_rest = FMA(TANH_CUBE, FMA(m, m, -s), slope_rest);
  slope_rest = FMA(TANH_CUBE_LOW, s, slope_rest) + TANH_SLOPE_LOW;
  float v = m * slope;
  float rest = FMA(m, slope_rest, FMA(m, slope, -v));
  float factor = exponential_parts(-v, scale);
  *square = s;
  return FMA(-rest, factor, factor);
}

/* ½ (1 + tanh u) is σ(2 u). */
INLINE float gelu_tanh(float x) {
  float scale, square, factor = gelu_tanh_parts(x, &scale, &square);
  float low, high = sigmoids_of(factor, scale, &low);
  return x * (x < 0.0f ? low : high);
}

/* σ(2 u) + x σ(2 u) σ(−2 u) 2 u′ */
INLINE float gelu_tanh_derivative(float x) {
  float scale, square, factor = gelu_tanh_parts(x, &scale, &square);
  float low, high = sigmoids_of(factor, scale, &low);
  return FMA(x * FMA(0x1.b6676cp-3f, square, 0x1.988454p+0f), high * low, x < 0.0f ? low : high);
}

/* b has `period` elements, and holds for each of the rows. Copies of a short one are put side by side in `repeated`;
 * returns how many elements *b then has. */
enum { SHORT_PERIOD = 128 };
INLINE size_t repeat_period(float repeated[SHORT_PERIOD], const float **b, size_t count, size_t period) {
  if (period > SHORT_PERIOD / 2 || period == count) return period;
  size_t length = SHORT_PERIOD / period * period;
  length = length < count ? length : count;
  for (size_t i = 0; i < length; i += period) memcpy(repeated + i, *b, period * sizeof(float));
  *b = repeated;
  return length;
}
#define DEFINE_BROADCAST(NAME, VALUE)                                                                   \
  static void NAME(float *output, const float *a, const float *b, size_t count, size_t period) {        \
    float repeated[SHORT_PERIOD];                                                                       \
    if (count == 0) return;                                                                             \
    size_t length = repeat_period(repeated, &b, count, period);                                         \
    for (; count > 0; output += length, a += length, count -= length) {                                 \
      length = count < length ? count : length;                                                         \
      VECTORIZED for (size_t i = 0; i < length; i++) output[i] = VALUE;                                 \
    }                                                                                                   \
  }
DEFINE_BROADCAST(add, a[i] + b[i])
DEFINE_BROADCAST(multiply_elements, a[i] * b[i])
