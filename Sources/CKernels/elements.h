/* Loops over long vectors. */

static void accumulate(float *restrict sum, const float *restrict term, size_t count) {
  VECTORIZED for (size_t i = 0; i < count; i++) sum[i] += term[i];
}

/* Compares bits as integers: without the sign, those of a value that is not finite are at least those of ∞. Stops after
 * the first block with such a value. */
static int all_finite(const float *restrict values, size_t count) {
  enum { BLOCK = 4096 };
  for (size_t start = 0; start < count; start += BLOCK) {
    size_t end = count - start < BLOCK ? count : start + BLOCK;
    uint32_t largest = 0;
    for (size_t i = start; i < end; i++) {
      uint32_t bits = bits_of(values[i]) & 0x7FFFFFFF;
      largest = bits > largest ? bits : largest;
    }
    if (largest >= 0x7F800000) return 0;
  }
  return 1;
}

static void scale_bytes(float *restrict output, const uint8_t *restrict input, const float *restrict offset,
                        const float *restrict factor, size_t count) {
  VECTORIZED for (size_t i = 0; i < count; i++) output[i] = ((float)input[i] - offset[i]) * factor[i];
}

static void scale_floats(float *restrict output, const float *restrict input, const float *restrict offset,
                         const float *restrict factor, size_t count) {
  VECTORIZED for (size_t i = 0; i < count; i++) output[i] = (input[i] - offset[i]) * factor[i];
}

#define DEFINE_MAP(NAME, EXPRESSION)                                                       \
  static void NAME(float *restrict output, const float *restrict input, size_t count) {   \
    VECTORIZED for (size_t i = 0; i < count; i++) {                                        \
      float x = input[i];                                                                  \
      output[i] = EXPRESSION;                                                              \
    }                                                                                      \
  }
DEFINE_MAP(exponentials, exponential(x))
DEFINE_MAP(sigmoids, sigmoid(x))
DEFINE_MAP(hyperbolic_tangents, hyperbolic_tangent(x))
DEFINE_MAP(gelus, gelu(x))
DEFINE_MAP(gelu_derivatives, gelu_derivative(x))
