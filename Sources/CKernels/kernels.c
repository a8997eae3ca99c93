#define _GNU_SOURCE
#include "CKernels.h"
#include "vectorized.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

VECTORIZED void lk_accumulate(float *restrict sum, const float *restrict term, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += term[i];
}

// Compares bits as integers: without the sign, those of a value that is not finite are at least those of ∞. Stops after
// the first block with such a value.
VECTORIZED int lk_all_finite(const float *restrict values, size_t count) {
  enum { BLOCK = 4096 };
  for (size_t start = 0; start < count; start += BLOCK) {
    size_t end = count - start < BLOCK ? count : start + BLOCK;
    int32_t largest = 0;
    for (size_t i = start; i < end; i++) {
      int32_t bits;
      memcpy(&bits, values + i, sizeof bits);
      bits &= 0x7FFFFFFF;
      largest = bits > largest ? bits : largest;
    }
    if (largest >= 0x7F800000) return 0;
  }
  return 1;
}

// Copies blocks of 16 × 16 values, so that reads and writes both cover whole cache lines.
VECTORIZED void lk_transpose(float *restrict result, const float *restrict values, size_t rows, size_t columns) {
  enum { BLOCK = 16 };
  size_t whole_rows = rows - rows % BLOCK, whole_columns = columns - columns % BLOCK;
  for (size_t c = 0; c < whole_columns; c += BLOCK)
    for (size_t r = 0; r < whole_rows; r += BLOCK) {
      float block[BLOCK][BLOCK];
      for (size_t i = 0; i < BLOCK; i++) memcpy(block[i], values + (r + i) * columns + c, sizeof block[i]);
      for (size_t j = 0; j < BLOCK; j++)
        for (size_t i = 0; i < BLOCK; i++) result[(c + j) * rows + r + i] = block[i][j];
    }
  for (size_t c = 0; c < columns; c++)
    for (size_t r = c < whole_columns ? whole_rows : 0; r < rows; r++) result[c * rows + r] = values[r * columns + c];
}

// eˣ to about 2 ulp: x = n ln 2 + r with |r| ≤ ln 2 / 2, then e^r by its Taylor polynomial of degree 7 and 2ⁿ by the
// exponent bits. Saturates at e^±87 so that 2ⁿ stays a normal number.
INLINE float exponential(float x) {
  x = x > 87.0f ? 87.0f : x;
  x = x < -87.0f ? -87.0f : x;
  const float rounding = 12582912.0f;  // 1.5 · 2²³: adding it leaves the nearest integer in the low bits
  float shifted = x * 1.44269504f + rounding;
  float n = shifted - rounding;
  float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  int32_t power = (int32_t)(((uint32_t)bits + 127u) << 23);
  float scale;
  memcpy(&scale, &power, sizeof scale);
  return p * scale;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// tanh by its continued fraction's polynomial near zero, where 1 − e^−2x would cancel, and by e^−2x elsewhere.
INLINE float hyperbolic_tangent(float x) {
  float magnitude = x < 0.0f ? -x : x;
  float e = exponential(-2.0f * magnitude);
  float far = (1.0f - e) / (1.0f + e);
  float s = x * x;
  float near = x * (135135.0f + s * (17325.0f + s * (378.0f + s))) /
               (135135.0f + s * (62370.0f + s * (3150.0f + s * 28.0f)));
  float signed_far = x < 0.0f ? -far : far;
  return magnitude < 0.55f ? near : signed_far;
}

// The normal distribution's Φ(x) = (1 + erf(x/√2)) / 2 by Abramowitz & Stegun 7.1.26, |error| < 1e-7, and e^(−x²/2).
INLINE float normal_cdf(float x, float *gaussian) {
  float z = (x < 0.0f ? -x : x) * 0.707106781f;
  float e = exponential(-(z * z));
  float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float half_tail = 0.5f * (p * t) * e;
  *gaussian = e;
  return x < 0.0f ? half_tail : 1.0f - half_tail;
}

VECTORIZED void lk_bias_identity(float *restrict values, const float *restrict bias, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns)
    for (size_t c = 0; c < columns; c++) values[c] += bias[c];
}

VECTORIZED void lk_bias_relu(float *restrict values, const float *restrict bias, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns)
    for (size_t c = 0; c < columns; c++) {
      float x = values[c] + bias[c];
      values[c] = x < 0.0f ? 0.0f : x;  // a NaN stays a NaN
    }
}

VECTORIZED void lk_bias_tanh(float *restrict values, const float *restrict bias, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns)
    for (size_t c = 0; c < columns; c++) values[c] = hyperbolic_tangent(values[c] + bias[c]);
}

VECTORIZED void lk_bias_sigmoid(float *restrict values, const float *restrict bias, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns)
    for (size_t c = 0; c < columns; c++) values[c] = sigmoid(values[c] + bias[c]);
}

VECTORIZED void lk_bias_gelu(float *restrict values, float *restrict activated, const float *restrict bias,
                             size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns, activated += columns)
    for (size_t c = 0; c < columns; c++) {
      float gaussian;
      float x = values[c] + bias[c];
      values[c] = x;
      activated[c] = x * normal_cdf(x, &gaussian);
    }
}

VECTORIZED void lk_relu_derivative(float *restrict gradient, const float *restrict activated, size_t count) {
  for (size_t i = 0; i < count; i++) gradient[i] = activated[i] > 0.0f ? gradient[i] : 0.0f;
}

VECTORIZED void lk_tanh_derivative(float *restrict gradient, const float *restrict activated, size_t count) {
  for (size_t i = 0; i < count; i++) gradient[i] *= 1.0f - activated[i] * activated[i];
}

VECTORIZED void lk_sigmoid_derivative(float *restrict gradient, const float *restrict activated, size_t count) {
  for (size_t i = 0; i < count; i++) gradient[i] *= activated[i] * (1.0f - activated[i]);
}

VECTORIZED void lk_gelu_derivative(float *restrict gradient, const float *restrict input, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float gaussian;
    float cdf = normal_cdf(input[i], &gaussian);
    gradient[i] *= cdf + input[i] * (0.39894228f * gaussian);
  }
}

// Philox4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
INLINE void philox(uint64_t key, uint64_t stream, uint64_t counter, uint32_t words[4]) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)c0 * 0xD2511F53u, b = (uint64_t)c2 * 0xCD9E8D57u;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

VECTORIZED void lk_dropout(const float *input, float *output, size_t rows, size_t columns, uint64_t key,
                           uint64_t stream, uint64_t first, uint32_t threshold, float scale) {
  uint64_t blocks = (columns + 3) / 4;
  for (size_t r = 0; r < rows; r++, input += columns, output += columns)
    for (uint64_t block = 0; block < blocks; block++) {
      uint32_t words[4];
      philox(key, stream, (first + r) * blocks + block, words);
      for (size_t lane = 0; lane < 4 && 4 * block + lane < columns; lane++) {
        size_t c = 4 * block + lane;
        output[c] = words[lane] >= threshold ? input[c] * scale : 0.0f;
      }
    }
}

VECTORIZED void lk_column_sums(float *restrict sums, const float *restrict values, size_t rows, size_t columns) {
  memset(sums, 0, columns * sizeof *sums);
  for (size_t r = 0; r < rows; r++, values += columns)
    for (size_t c = 0; c < columns; c++) sums[c] += values[c];
}

VECTORIZED void lk_softmax_cross_entropy(float *restrict logits, const int32_t *restrict labels, size_t rows,
                                         size_t columns, double *restrict loss, int64_t *restrict correct) {
  for (size_t r = 0; r < rows; r++, logits += columns) {
    size_t label = (size_t)labels[r], best = 0;
    for (size_t c = 1; c < columns; c++)
      if (logits[c] > logits[best]) best = c;
    float largest = logits[best], label_logit = logits[label];
    for (size_t c = 0; c < columns; c++) logits[c] = exponential(logits[c] - largest);
    float sum = 0.0f;
    for (size_t c = 0; c < columns; c++) sum += logits[c];
    float scale = 1.0f / sum;
    for (size_t c = 0; c < columns; c++) logits[c] *= scale;
    logits[label] -= 1.0f;
    *loss += log((double)sum) - ((double)label_logit - (double)largest);
    *correct += best == label;
  }
}

VECTORIZED void lk_mean_squared_error(float *restrict predictions, const float *restrict targets, size_t rows,
                                      size_t columns, double *restrict loss, double *restrict squared_error) {
  float slope = 2.0f / (float)columns;
  for (size_t r = 0; r < rows; r++, predictions += columns, targets += columns) {
    double squares = 0.0;
    for (size_t c = 0; c < columns; c++) {
      float error = predictions[c] - targets[c];
      squares += (double)error * (double)error;
      predictions[c] = error * slope;
    }
    *loss += squares / (double)columns;
    *squared_error += squares;
  }
}

void lk_prefetch(const void *memory, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)memory + i);
}

VECTORIZED void lk_scale_bytes(float *restrict output, const uint8_t *restrict input, const float *restrict offset,
                               const float *restrict factor, size_t count) {
  for (size_t i = 0; i < count; i++) output[i] = ((float)input[i] - offset[i]) * factor[i];
}

VECTORIZED void lk_scale_floats(float *restrict output, const float *restrict input, const float *restrict offset,
                                const float *restrict factor, size_t count) {
  for (size_t i = 0; i < count; i++) output[i] = (input[i] - offset[i]) * factor[i];
}

void lk_use_one_openmp_thread(void) {
  // Looked up at run time: the runtime is whichever one oneDNN was built against (libgomp, libomp, or none).
  void (*set_thread_count)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (set_thread_count) set_thread_count(1);
}
