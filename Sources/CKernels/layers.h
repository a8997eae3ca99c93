/* What a layer computes beside its products. */

INLINE float activate(float x, lk_activation activation) {
  switch (activation) {
    case LK_RELU: return x < 0.0f ? 0.0f : x; /* a NaN stays */
    case LK_TANH: return hyperbolic_tangent(x);
    case LK_SIGMOID: return sigmoid(x);
    case LK_GELU: return gelu(x);
    case LK_SILU: return silu(x);
    case LK_GELU_TANH: return gelu_tanh(x);
    default: return x;
  }
}

/* gradient · the derivative. `kept` is the activation's output, or the input of GELU, its approximation and
 * SiLU. */
INLINE float through_derivative(float gradient, float kept, lk_activation activation) {
  switch (activation) {
    case LK_RELU: return kept > 0.0f ? gradient : 0.0f;
    case LK_TANH: return gradient * FMA(-kept, kept, 1.0f);
    case LK_SIGMOID: return gradient * FMA(-kept, kept, kept);
    case LK_GELU: return gradient * gelu_derivative(kept);
    case LK_SILU: return gradient * silu_derivative(kept);
    case LK_GELU_TANH: return gradient * gelu_tanh_derivative(kept);
    default: return gradient;
  }
}

/* Does BODY, in which `activation` is a constant. */
#define FOR_ACTIVATION(ACTIVATION, BODY)                                                   \
  switch (ACTIVATION) {                                                                    \
    case LK_RELU: { enum { activation = LK_RELU }; BODY } break;                           \
    case LK_TANH: { enum { activation = LK_TANH }; BODY } break;                           \
    case LK_SIGMOID: { enum { activation = LK_SIGMOID }; BODY } break;                     \
    case LK_GELU: { enum { activation = LK_GELU }; BODY } break;                           \
    case LK_SILU: { enum { activation = LK_SILU }; BODY } break;                           \
    case LK_GELU_TANH: { enum { activation = LK_GELU_TANH }; BODY } break;                 \
    default: { enum { activation = LK_IDENTITY }; BODY } break;                            \
  }

/* Fetches the rows of the next part, which may lie too far apart for the processor to see the pattern, into the level-2
 * cache. After the last part there may be no memory; fetching it does nothing. */
#define PREFETCH_NEXT(PART, IS_WRITTEN)                                                                         \
  for (size_t r = rows; r < 2 * rows; r++)                                                                      \
    for (size_t c = 0; c < count; c += CACHE_LINE)                                                              \
      __builtin_prefetch((const void *)((uintptr_t)(PART) + sizeof(float) * (r * f.columns + c)), IS_WRITTEN, 2)

typedef struct {
  float *outputs, *activated;
  const float *bias;
  size_t columns;
  lk_activation activation;
} finish_outputs;

/* Adds the bias and applies the activation to a part of the outputs. */
static void finish_output_part(const void *context, size_t row, size_t rows, size_t column, size_t count) {
  const finish_outputs f = *(const finish_outputs *)context;
  float *restrict values = f.outputs + row * f.columns + column;
  float *restrict activated = f.activated ? f.activated + row * f.columns + column : NULL;
  const float *restrict bias = f.bias + column;
  if (activated) PREFETCH_NEXT(activated, 1);
  FOR_ACTIVATION(f.activation, {
    for (size_t r = 0; r < rows; r++, values += f.columns) {
      if (activated) {
        VECTORIZED for (size_t c = 0; c < count; c++) {
          float x = values[c] + bias[c];
          values[c] = x;
          activated[c] = activate(x, activation);
        }
        activated += f.columns;
      } else {
        VECTORIZED for (size_t c = 0; c < count; c++) values[c] = activate(values[c] + bias[c], activation);
      }
    }
  })
}

static void linear(float *outputs, float *activated, const float *inputs, const float *weight, const float *bias,
                   size_t examples, size_t in, size_t out, lk_activation activation, float *scratch) {
  finish_outputs finish = {outputs, activated, bias, out, activation};
  multiply(inputs, weight, 0, examples, in, out, outputs, bias ? finish_output_part : NULL, &finish, scratch);
}

typedef struct {
  float *gradients;
  const float *kept;
  size_t columns;
  lk_activation activation;
} finish_gradients;

/* Multiplies a part of the input gradients by the derivative of the activation before. */
static void finish_gradient_part(const void *context, size_t row, size_t rows, size_t column, size_t count) {
  const finish_gradients f = *(const finish_gradients *)context;
  float *restrict values = f.gradients + row * f.columns + column;
  const float *restrict kept = f.kept + row * f.columns + column;
  PREFETCH_NEXT(kept, 0);
  PREFETCH_NEXT(values, 1);
  FOR_ACTIVATION(f.activation, {
    for (size_t r = 0; r < rows; r++, values += f.columns, kept += f.columns)
      VECTORIZED for (size_t c = 0; c < count; c++) values[c] = through_derivative(values[c], kept[c], activation);
  })
}

static void linear_input_gradient(float *input_gradients, const float *output_gradients, const float *weight,
                                  const float *kept, size_t examples, size_t in, size_t out, lk_activation activation,
                                  float *scratch) {
  finish_gradients finish = {input_gradients, kept, in, activation};
  input_gradient(input_gradients, output_gradients, weight, examples, in, out, kept ? finish_gradient_part : NULL,
                 &finish, scratch);
}

static void activation_forward(float *output, const float *input, size_t count, lk_activation kind) {
  FOR_ACTIVATION(kind, { VECTORIZED for (size_t i = 0; i < count; i++) output[i] = activate(input[i], activation); })
}

static void activation_gradient(float *input_gradient, const float *output_gradient, const float *kept, size_t count,
                                lk_activation kind) {
  FOR_ACTIVATION(kind, {
    VECTORIZED for (size_t i = 0; i < count; i++)
      input_gradient[i] = through_derivative(output_gradient[i], kept[i], activation);
  })
}

static void column_sums(float *sums, const float *values, size_t rows, size_t columns) {
  memset(sums, 0, columns * sizeof *sums);
  for (size_t r = 0; r < rows; r++, values += columns)
    VECTORIZED for (size_t c = 0; c < columns; c++) sums[c] += values[c];
}

/* Philox4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. */
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

static void dropout(const float *input, float *output, size_t rows, size_t columns, uint64_t key, uint64_t stream,
                    uint64_t first, uint32_t threshold, float scale) {
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
