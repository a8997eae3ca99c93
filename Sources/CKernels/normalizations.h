/* Normalizations of rows, and of maps whose channels are last; softmax. */

typedef double vector_64 __attribute__((ext_vector_type(WIDTH)));
typedef double unaligned_vector_64 __attribute__((ext_vector_type(WIDTH), aligned(8)));

/* 1 / √(variance + epsilon) */
INLINE float inverse_deviation_of(float variance, float epsilon) {
  return 1.0f / __builtin_elementwise_sqrt(variance + epsilon);
}

/* Rows. Several are computed together, so that the latencies of their sums overlap. */
enum { MOST_TOGETHER = 16, LANE_VECTORS = LK_LANES / WIDTH };
#define EACH_VECTOR UNROLLED for (size_t v = 0; v < LANE_VECTORS; v++)

/* As many rows as stay in the first cache. */
INLINE size_t rows_together(size_t rows, size_t columns) {
  size_t most = columns < 256 ? MOST_TOGETHER : columns < 4096 ? 4096 / columns : 1;
  return rows < most ? rows : most;
}

/* What the lanes of a row become: their sum, as sum_of_lanes, or the maximum, as in softmax_cross_entropy. */
typedef enum { SUM, MAXIMUM } lanes_result;
INLINE void results_of_rows(float results[MOST_TOGETHER], float lanes[MOST_TOGETHER][LK_LANES], size_t rows,
                            const lanes_result result) {
  if (rows == 1 && result == SUM) {
    results[0] = sum_of_lanes(lanes[0]);
    return;
  }
  for (size_t r = rows; r % 8 != 0; r++) memset(lanes[r], 0, sizeof lanes[r]);
  for (size_t r = 0; r < rows; r += 8) {
    eight of_lane[LK_LANES];
    UNROLLED for (size_t lane = 0; lane < LK_LANES; lane += 8) {
      float turned[8][8];
      transpose_8(turned[0], 8, &lanes[r][lane], LK_LANES);
      UNROLLED for (size_t i = 0; i < 8; i++) of_lane[lane + i] = *(const unaligned_eight *)turned[i];
    }
    UNROLLED for (size_t half = LK_LANES / 2; half > 0; half /= 2)
      UNROLLED for (size_t lane = 0; lane < half; lane++) {
        eight x = of_lane[lane], y = of_lane[lane + half];
        if (result == SUM) of_lane[lane] = x + y;
        if (result == MAXIMUM) of_lane[lane] = y > x ? y : x;
      }
    *(unaligned_eight *)&results[r] = of_lane[0];
  }
}

INLINE void row_sum(float lanes[LK_LANES], const float *values, size_t columns) {
  vector sum[LANE_VECTORS] = {0};
  size_t c = 0;
  for (; c + LK_LANES <= columns; c += LK_LANES) EACH_VECTOR sum[v] += load(values + c + v * WIDTH);
  EACH_VECTOR store(lanes + v * WIDTH, sum[v]);
  for (size_t lane = 0; c + lane < columns; lane++) lanes[lane] += values[c + lane];
}

INLINE void row_squares(float lanes[LK_LANES], const float *values, float mean, size_t columns) {
  vector sum[LANE_VECTORS] = {0};
  size_t c = 0;
  for (; c + LK_LANES <= columns; c += LK_LANES)
    EACH_VECTOR {
      vector d = load(values + c + v * WIDTH) - mean;
      sum[v] = __builtin_elementwise_fma(d, d, sum[v]);
    }
  EACH_VECTOR store(lanes + v * WIDTH, sum[v]);
  for (size_t lane = 0; c + lane < columns; lane++) {
    float d = values[c + lane] - mean;
    lanes[lane] = FMA(d, d, lanes[lane]);
  }
}

/* outputs = (inputs − mean) · (inverse · weight) + bias */
INLINE void scale_row(float *outputs, const float *inputs, float mean, float inverse, const float *weight,
                      const float *bias, size_t columns) {
  if (weight && bias)
    VECTORIZED for (size_t c = 0; c < columns; c++) outputs[c] = FMA(inputs[c] - mean, inverse * weight[c], bias[c]);
  else if (weight)
    VECTORIZED for (size_t c = 0; c < columns; c++) outputs[c] = (inputs[c] - mean) * (inverse * weight[c]);
  else if (bias)
    VECTORIZED for (size_t c = 0; c < columns; c++) outputs[c] = FMA(inputs[c] - mean, inverse, bias[c]);
  else
    VECTORIZED for (size_t c = 0; c < columns; c++) outputs[c] = (inputs[c] - mean) * inverse;
}

static void layer_norm(float *outputs, float *statistics, const float *inputs, const float *weight, const float *bias,
                       size_t rows, size_t columns, float epsilon) {
  float lanes[MOST_TOGETHER][LK_LANES], sums[MOST_TOGETHER], means[MOST_TOGETHER], inverses[MOST_TOGETHER];
  float count = (float)columns;
  for (size_t height; rows > 0; rows -= height) {
    height = rows_together(rows, columns);
    for (size_t r = 0; r < height; r++) row_sum(lanes[r], inputs + r * columns, columns);
    results_of_rows(sums, lanes, height, SUM);
    for (size_t r = 0; r < height; r++) means[r] = sums[r] / count;
    for (size_t r = 0; r < height; r++) row_squares(lanes[r], inputs + r * columns, means[r], columns);
    results_of_rows(sums, lanes, height, SUM);
    for (size_t r = 0; r < height; r++) inverses[r] = inverse_deviation_of(sums[r] / count, epsilon);
    for (size_t r = 0; r < height; r++, inputs += columns, outputs += columns) {
      scale_row(outputs, inputs, means[r], inverses[r], weight, bias, columns);
      *statistics++ = means[r];
      *statistics++ = inverses[r];
    }
  }
}

static void rms_norm(float *outputs, float *statistics, const float *inputs, const float *weight, size_t rows,
                     size_t columns, float epsilon) {
  float lanes[MOST_TOGETHER][LK_LANES], sums[MOST_TOGETHER], count = (float)columns;
  for (size_t height; rows > 0; rows -= height, statistics += height) {
    height = rows_together(rows, columns);
    for (size_t r = 0; r < height; r++) row_squares(lanes[r], inputs + r * columns, 0.0f, columns);
    results_of_rows(sums, lanes, height, SUM);
    for (size_t r = 0; r < height; r++) statistics[r] = inverse_deviation_of(sums[r] / count, epsilon);
    for (size_t r = 0; r < height; r++, inputs += columns, outputs += columns)
      scale_row(outputs, inputs, 0.0f, statistics[r], weight, NULL, columns);
  }
}

/* Σ g and Σ g (x − mean) of a row, where g = gradient · weight. */
INLINE void row_gradient_sums(float sums[LK_LANES], float products[LK_LANES], const float *gradients,
                              const float *inputs, const float *weight, float mean, size_t columns,
                              const int has_mean) {
  vector sum[LANE_VECTORS] = {0}, product[LANE_VECTORS] = {0};
  size_t c = 0;
  for (; c + LK_LANES <= columns; c += LK_LANES)
    EACH_VECTOR {
      size_t i = c + v * WIDTH;
      vector gradient = load(gradients + i), d = load(inputs + i) - mean;
      if (has_mean && weight) sum[v] = __builtin_elementwise_fma(gradient, load(weight + i), sum[v]);
      if (has_mean && !weight) sum[v] += gradient;
      if (weight) gradient *= load(weight + i);
      product[v] = __builtin_elementwise_fma(gradient, d, product[v]);
    }
  EACH_VECTOR store(products + v * WIDTH, product[v]);
  EACH_VECTOR if (has_mean) store(sums + v * WIDTH, sum[v]);
  for (size_t lane = 0; c + lane < columns; lane++) {
    size_t i = c + lane;
    float gradient = gradients[i], d = inputs[i] - mean;
    if (has_mean && weight) sums[lane] = FMA(gradient, weight[i], sums[lane]);
    if (has_mean && !weight) sums[lane] += gradient;
    if (weight) gradient *= weight[i];
    products[lane] = FMA(gradient, d, products[lane]);
  }
}

/* Adds some rows to the sums over the rows, for `vectors` vectors of columns. Without means, statistics are the
 * inverses alone. */
INLINE void add_parameter_gradients(float *weight_gradient, float *bias_gradient, const float *gradients,
                                    const float *inputs, const float *means, const float *inverses, size_t rows,
                                    size_t columns, const size_t vectors) {
  vector products[4], sums[4];
  UNROLLED for (size_t v = 0; v < vectors; v++) {
    if (weight_gradient) products[v] = load(weight_gradient + v * WIDTH);
    if (bias_gradient) sums[v] = load(bias_gradient + v * WIDTH);
  }
  for (size_t r = 0; r < rows; r++, gradients += columns, inputs += columns)
    UNROLLED for (size_t v = 0; v < vectors; v++) {
      vector gradient = load(gradients + v * WIDTH);
      if (bias_gradient) sums[v] += gradient;
      if (weight_gradient) {
        vector normal = (load(inputs + v * WIDTH) - (means ? means[r] : 0.0f)) * inverses[r];
        products[v] = __builtin_elementwise_fma(gradient, normal, products[v]);
      }
    }
  UNROLLED for (size_t v = 0; v < vectors; v++) {
    if (weight_gradient) store(weight_gradient + v * WIDTH, products[v]);
    if (bias_gradient) store(bias_gradient + v * WIDTH, sums[v]);
  }
}

INLINE void row_parameter_gradients(float *weight_gradient, float *bias_gradient, const float *gradients,
                                    const float *inputs, const float *means, const float *inverses, size_t rows,
                                    size_t columns) {
  size_t c = 0;
#define ADD(WEIGHT, BIAS, VECTORS) \
  add_parameter_gradients(WEIGHT, BIAS, gradients + c, inputs + c, means, inverses, rows, columns, VECTORS)
  for (; c + 4 * WIDTH <= columns; c += 4 * WIDTH)
    if (weight_gradient && bias_gradient)
      ADD(weight_gradient + c, bias_gradient + c, 4);
    else if (weight_gradient)
      ADD(weight_gradient + c, NULL, 4);
    else
      ADD(NULL, bias_gradient + c, 4);
  for (; c + WIDTH <= columns; c += WIDTH)
    ADD(weight_gradient ? weight_gradient + c : NULL, bias_gradient ? bias_gradient + c : NULL, 1);
#undef ADD
  for (; c < columns; c++)
    for (size_t r = 0; r < rows; r++) {
      float gradient = gradients[r * columns + c];
      if (bias_gradient) bias_gradient[c] += gradient;
      if (weight_gradient) {
        float normal = (inputs[r * columns + c] - (means ? means[r] : 0.0f)) * inverses[r];
        weight_gradient[c] = FMA(gradient, normal, weight_gradient[c]);
      }
    }
}

/* input gradients = (inputs − mean) · slope + (gradients · (inverse · weight) + shift) */
INLINE void row_input_gradient(float *input_gradients, const float *gradients, const float *inputs, const float *weight,
                               float mean, float inverse, float slope, float shift, size_t columns) {
  if (weight)
    VECTORIZED for (size_t c = 0; c < columns; c++)
      input_gradients[c] = FMA(inputs[c] - mean, slope, FMA(gradients[c], inverse * weight[c], shift));
  else
    VECTORIZED for (size_t c = 0; c < columns; c++)
      input_gradients[c] = FMA(inputs[c] - mean, slope, FMA(gradients[c], inverse, shift));
}

/* Both norms of rows; `has_mean` is 0 for the root mean square. */
INLINE void row_norm_gradients(float *input_gradients, float *weight_gradient, float *bias_gradient,
                               const float *output_gradients, const float *inputs, const float *statistics,
                               const float *weight, size_t rows, size_t columns, const int has_mean) {
  float lanes[MOST_TOGETHER][LK_LANES], product_lanes[MOST_TOGETHER][LK_LANES];
  float sums[MOST_TOGETHER], products[MOST_TOGETHER], means[MOST_TOGETHER], inverses[MOST_TOGETHER];
  float count = (float)columns;
  if (weight_gradient) memset(weight_gradient, 0, columns * sizeof(float));
  if (bias_gradient) memset(bias_gradient, 0, columns * sizeof(float));
  for (size_t height; rows > 0; rows -= height, inputs += height * columns, output_gradients += height * columns) {
    height = rows_together(rows, columns);
    for (size_t r = 0; r < height; r++) {
      means[r] = has_mean ? *statistics++ : 0.0f;
      inverses[r] = *statistics++;
    }
    if (weight_gradient || bias_gradient)
      row_parameter_gradients(weight_gradient, bias_gradient, output_gradients, inputs, has_mean ? means : NULL,
                              inverses, height, columns);
    if (!input_gradients) continue;
    for (size_t r = 0; r < height; r++) {
      const float *gradients = output_gradients + r * columns, *values = inputs + r * columns;
      float mean = has_mean ? means[r] : 0.0f;
      if (weight)
        row_gradient_sums(lanes[r], product_lanes[r], gradients, values, weight, mean, columns, has_mean);
      else
        row_gradient_sums(lanes[r], product_lanes[r], gradients, values, NULL, mean, columns, has_mean);
    }
    if (has_mean) results_of_rows(sums, lanes, height, SUM);
    results_of_rows(products, product_lanes, height, SUM);
    for (size_t r = 0; r < height; r++, input_gradients += columns) {
      float inverse = inverses[r];
      float slope = -(products[r] / count) * inverse * inverse * inverse;
      float shift = has_mean ? -(sums[r] / count) * inverse : -0.0f;
      row_input_gradient(input_gradients, output_gradients + r * columns, inputs + r * columns, weight,
                         has_mean ? means[r] : 0.0f, inverse, slope, shift, columns);
    }
  }
}

static void layer_norm_gradients(float *input_gradients, float *weight_gradient, float *bias_gradient,
                                 const float *output_gradients, const float *inputs, const float *statistics,
                                 const float *weight, size_t rows, size_t columns) {
  row_norm_gradients(input_gradients, weight_gradient, bias_gradient, output_gradients, inputs, statistics, weight,
                     rows, columns, 1);
}

static void rms_norm_gradients(float *input_gradients, float *weight_gradient, const float *output_gradients,
                               const float *inputs, const float *statistics, const float *weight, size_t rows,
                               size_t columns) {
  row_norm_gradients(input_gradients, weight_gradient, NULL, output_gradients, inputs, statistics, weight, rows,
                     columns, 0);
}

/* Maps. In a block of BLOCK_ROWS pixels, each channel has PARTIAL_SUMS sums in float; those of blocks are added in
 * double. So the error does not grow with the number of pixels. */
enum { BLOCK_ROWS = 64, CHANNELS = 64 /* are computed at once */, MOST_BLOCK_VECTORS = 2 };

typedef enum { VALUES, SQUARES, GRADIENTS } column_sums_kind;

/* Sums over the rows of a block, for `vectors` vectors of columns: of the inputs x, of (x − mean)², or of the gradients
 * and gradient · (x − mean). Adds them in double. */
INLINE void add_block_sums(double *sums, double *products, const float *inputs, const float *gradients,
                           const float *means, size_t row, size_t rows, const column_sums_kind kind,
                           const size_t vectors) {
  vector sum[PARTIAL_SUMS][MOST_BLOCK_VECTORS] = {0}, product[PARTIAL_SUMS][MOST_BLOCK_VECTORS] = {0};
  vector mean[MOST_BLOCK_VECTORS];
#define EACH_BLOCK_VECTOR UNROLLED for (size_t v = 0; v < vectors; v++)
  EACH_BLOCK_VECTOR mean[v] = kind == VALUES ? (vector)0.0f : load(means + v * WIDTH);
#define ADD(I)                                                                                  \
  EACH_BLOCK_VECTOR {                                                                           \
    vector value = load(inputs + (I) * row + v * WIDTH);                                        \
    if (kind == VALUES) sum[I][v] += value;                                                     \
    if (kind != VALUES) value -= mean[v];                                                       \
    if (kind == SQUARES) sum[I][v] = __builtin_elementwise_fma(value, value, sum[I][v]);        \
    if (kind == GRADIENTS) {                                                                    \
      vector gradient = load(gradients + (I) * row + v * WIDTH);                                \
      sum[I][v] += gradient;                                                                    \
      product[I][v] = __builtin_elementwise_fma(gradient, value, product[I][v]);                \
    }                                                                                           \
  }
  size_t r = 0;
  for (; r + PARTIAL_SUMS <= rows; r += PARTIAL_SUMS) {
    UNROLLED for (size_t i = 0; i < PARTIAL_SUMS; i++) ADD(i)
    inputs += PARTIAL_SUMS * row;
    if (kind == GRADIENTS) gradients += PARTIAL_SUMS * row;
  }
  UNROLLED for (size_t i = 0; i < PARTIAL_SUMS - 1; i++)
    if (r + i < rows) ADD(i)
#undef ADD
  EACH_BLOCK_VECTOR {
    vector total = (sum[0][v] + sum[2][v]) + (sum[1][v] + sum[3][v]);
    *(unaligned_vector_64 *)(sums + v * WIDTH) += __builtin_convertvector(total, vector_64);
    if (kind != GRADIENTS) continue;
    total = (product[0][v] + product[2][v]) + (product[1][v] + product[3][v]);
    *(unaligned_vector_64 *)(products + v * WIDTH) += __builtin_convertvector(total, vector_64);
  }
}

/* Adds such sums over all rows. Both matrices have rows of `row` values, and `left` values from here on. */
INLINE void add_column_sums(double sums[CHANNELS], double products[CHANNELS], const float *inputs,
                            const float *gradients, const float means[CHANNELS], size_t row, size_t rows,
                            size_t columns, size_t left, const column_sums_kind kind) {
  for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
    size_t height = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS, c = 0;
    const float *x = inputs + first * row, *g = kind == GRADIENTS ? gradients + first * row : inputs;
    if (kind != GRADIENTS || WIDTH == 16) /* elsewhere, their sums are too many for the registers */
      for (; c + MOST_BLOCK_VECTORS * WIDTH <= columns; c += MOST_BLOCK_VECTORS * WIDTH)
        add_block_sums(sums + c, products + c, x + c, g + c, means + c, row, height, kind, MOST_BLOCK_VECTORS);
    for (; c < columns; c += WIDTH) {
      if (c + WIDTH <= columns || (first + height - 1) * row + c + WIDTH <= left) {
        add_block_sums(sums + c, products + c, x + c, g + c, means + c, row, height, kind, 1);
      } else { /* the end of memory */
        float x_copy[BLOCK_ROWS * WIDTH], g_copy[BLOCK_ROWS * WIDTH];
        copy_panel(x_copy, WIDTH, x + c, row, height, columns - c);
        if (kind == GRADIENTS) copy_panel(g_copy, WIDTH, g + c, row, height, columns - c);
        add_block_sums(sums + c, products + c, x_copy, g_copy, means + c, WIDTH, height, kind, 1);
      }
    }
  }
}

/* outputs = (inputs − mean) · scale + shift */
INLINE void scale_columns(float *outputs, const float *inputs, const float means[CHANNELS],
                          const float scales[CHANNELS], const float shifts[CHANNELS], size_t row, size_t rows,
                          size_t columns) {
  for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
    size_t height = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS, c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
      vector mean = load(means + c), scale = load(scales + c), shift = load(shifts + c);
      for (size_t r = 0; r < height; r++)
        store(outputs + r * row + c, __builtin_elementwise_fma(load(inputs + r * row + c) - mean, scale, shift));
    }
    if (c < columns)
      for (size_t r = 0; r < height; r++)
        for (size_t i = c; i < columns; i++)
          outputs[r * row + i] = FMA(inputs[r * row + i] - means[i], scales[i], shifts[i]);
    inputs += height * row;
    outputs += height * row;
  }
}

/* input gradients = (inputs − mean) · slope + (gradients · scale + shift) */
INLINE void column_input_gradient(float *input_gradients, const float *gradients, const float *inputs,
                                  const float means[CHANNELS], const float scales[CHANNELS],
                                  const float slopes[CHANNELS], const float shifts[CHANNELS], size_t row, size_t rows,
                                  size_t columns) {
  for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
    size_t height = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS, c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
      vector mean = load(means + c), scale = load(scales + c), slope = load(slopes + c), shift = load(shifts + c);
      for (size_t r = 0; r < height; r++) {
        size_t at = r * row + c;
        vector scaled = __builtin_elementwise_fma(load(gradients + at), scale, shift);
        store(input_gradients + at, __builtin_elementwise_fma(load(inputs + at) - mean, slope, scaled));
      }
    }
    if (c < columns)
      for (size_t r = 0; r < height; r++)
        for (size_t i = c; i < columns; i++) {
          size_t at = r * row + i;
          input_gradients[at] = FMA(inputs[at] - means[i], slopes[i], FMA(gradients[at], scales[i], shifts[i]));
        }
    inputs += height * row;
    gradients += height * row;
    input_gradients += height * row;
  }
}

/* Some groups of channels: as many as CHANNELS hold, or one. Does BODY for each of their channels: channel `i` of
 * group `g`, counted from the first. A group of more than CHANNELS is computed in parts. */
#define EACH_CHANNEL(COLUMNS, BODY)                                            \
  for (size_t i = 0, g = 0, of_group = 0; i < (COLUMNS); i++) {                \
    BODY                                                                       \
    if (++of_group == per_group) of_group = 0, g++;                            \
  }
#define EACH_PART(COLUMNS)                                                                                    \
  for (size_t part = 0, columns;                                                                              \
       columns = (COLUMNS) - part < CHANNELS ? (COLUMNS) - part : CHANNELS, part < (COLUMNS); part += CHANNELS)

static void group_norm(float *outputs, float *statistics, const float *inputs, const float *weight, const float *bias,
                       size_t examples, size_t pixels, size_t channels, size_t groups, float epsilon) {
  if (channels == 0) return;
  size_t per_group = channels / groups, together = per_group < CHANNELS ? CHANNELS / per_group : 1;
  size_t left = examples * pixels * channels;
  double count = (double)pixels * (double)per_group;
  for (size_t example = 0; example < examples; example++) {
    for (size_t group = 0; group < groups; group += together) {
      size_t present = groups - group < together ? groups - group : together, first = group * per_group;
      double totals[CHANNELS] = {0}, sums[CHANNELS];
      float means[CHANNELS] = {0}, scales[CHANNELS], shifts[CHANNELS], *of_groups = statistics + 2 * group;
      EACH_PART(present * per_group) {
        memset(sums, 0, sizeof sums);
        add_column_sums(sums, sums, inputs + first + part, NULL, means, channels, pixels, columns, left - first - part,
                        VALUES);
        EACH_CHANNEL(columns, totals[g] += sums[i];)
      }
      for (size_t g = 0; g < present; g++) of_groups[2 * g] = (float)(totals[g] / count);
      memset(totals, 0, sizeof totals);
      EACH_PART(present * per_group) {
        memset(sums, 0, sizeof sums);
        EACH_CHANNEL(columns, means[i] = of_groups[2 * g];)
        add_column_sums(sums, sums, inputs + first + part, NULL, means, channels, pixels, columns, left - first - part,
                        SQUARES);
        EACH_CHANNEL(columns, totals[g] += sums[i];)
      }
      for (size_t g = 0; g < present; g++)
        of_groups[2 * g + 1] = inverse_deviation_of((float)(totals[g] / count), epsilon);
      EACH_PART(present * per_group) {
        size_t channel = first + part;
        EACH_CHANNEL(columns, {
          means[i] = of_groups[2 * g];
          scales[i] = weight ? of_groups[2 * g + 1] * weight[channel + i] : of_groups[2 * g + 1];
          shifts[i] = bias ? bias[channel + i] : -0.0f;
        })
        scale_columns(outputs + channel, inputs + channel, means, scales, shifts, channels, pixels, columns);
      }
    }
    inputs += pixels * channels;
    outputs += pixels * channels;
    left -= pixels * channels;
    statistics += 2 * groups;
  }
}

static void group_norm_gradients(float *input_gradients, float *weight_gradient, float *bias_gradient,
                                 const float *output_gradients, const float *inputs, const float *statistics,
                                 const float *weight, size_t examples, size_t pixels, size_t channels, size_t groups) {
  if (channels == 0) return;
  size_t per_group = channels / groups, together = per_group < CHANNELS ? CHANNELS / per_group : 1;
  size_t left = examples * pixels * channels;
  double count = (double)pixels * (double)per_group;
  if (weight_gradient) memset(weight_gradient, 0, channels * sizeof(float));
  if (bias_gradient) memset(bias_gradient, 0, channels * sizeof(float));
  for (size_t example = 0; example < examples; example++) {
    for (size_t group = 0; group < groups; group += together) {
      size_t present = groups - group < together ? groups - group : together, first = group * per_group;
      const float *of_groups = statistics + 2 * group;
      double totals[CHANNELS] = {0}, product_totals[CHANNELS] = {0}, sums[CHANNELS], products[CHANNELS];
      float means[CHANNELS] = {0}, scales[CHANNELS], slopes[CHANNELS], shifts[CHANNELS];
      EACH_PART(present * per_group) {
        size_t channel = first + part;
        memset(sums, 0, sizeof sums);
        memset(products, 0, sizeof products);
        EACH_CHANNEL(columns, means[i] = of_groups[2 * g];)
        add_column_sums(sums, products, inputs + channel, output_gradients + channel, means, channels, pixels, columns,
                        left - channel, GRADIENTS);
        EACH_CHANNEL(columns, {
          double factor = weight ? (double)weight[channel + i] : 1.0;
          totals[g] = FMA64(factor, sums[i], totals[g]);
          product_totals[g] = FMA64(factor, products[i], product_totals[g]);
          if (weight_gradient) weight_gradient[channel + i] += (float)(products[i] * (double)of_groups[2 * g + 1]);
          if (bias_gradient) bias_gradient[channel + i] += (float)sums[i];
        })
      }
      if (!input_gradients) continue;
      for (size_t g = 0; g < present; g++) {
        double inverse = (double)of_groups[2 * g + 1];
        totals[g] = -(totals[g] / count) * inverse;
        product_totals[g] = -(product_totals[g] / count) * inverse * inverse * inverse;
      }
      EACH_PART(present * per_group) {
        size_t channel = first + part;
        EACH_CHANNEL(columns, {
          means[i] = of_groups[2 * g];
          scales[i] = weight ? of_groups[2 * g + 1] * weight[channel + i] : of_groups[2 * g + 1];
          slopes[i] = (float)product_totals[g];
          shifts[i] = (float)totals[g];
        })
        column_input_gradient(input_gradients + channel, output_gradients + channel, inputs + channel, means, scales,
                              slopes, shifts, channels, pixels, columns);
      }
    }
    inputs += pixels * channels;
    output_gradients += pixels * channels;
    if (input_gradients) input_gradients += pixels * channels;
    left -= pixels * channels;
    statistics += 2 * groups;
  }
}

static void batch_norm_statistics(float *mean, float *variance, const float *inputs, size_t rows, size_t channels) {
  EACH_PART(channels) {
    double sums[CHANNELS] = {0}, count = (double)rows;
    float means[CHANNELS] = {0};
    size_t left = rows * channels - (rows > 0 ? part : 0);
    add_column_sums(sums, sums, inputs + part, NULL, means, channels, rows, columns, left, VALUES);
    for (size_t i = 0; i < columns; i++) mean[part + i] = means[i] = (float)(sums[i] / count);
    memset(sums, 0, sizeof sums);
    add_column_sums(sums, sums, inputs + part, NULL, means, channels, rows, columns, left, SQUARES);
    for (size_t i = 0; i < columns; i++) variance[part + i] = (float)(sums[i] / count);
  }
}

static void inverse_deviations(float *outputs, const float *variances, size_t count, float epsilon) {
  VECTORIZED for (size_t i = 0; i < count; i++) outputs[i] = inverse_deviation_of(variances[i], epsilon);
}

static void batch_norm(float *outputs, const float *inputs, const float *mean, const float *inverse_deviation,
                       const float *weight, const float *bias, size_t rows, size_t channels) {
  EACH_PART(channels) {
    float scales[CHANNELS], shifts[CHANNELS];
    for (size_t i = 0; i < columns; i++) {
      scales[i] = weight ? inverse_deviation[part + i] * weight[part + i] : inverse_deviation[part + i];
      shifts[i] = bias ? bias[part + i] : -0.0f;
    }
    scale_columns(outputs + part, inputs + part, mean + part, scales, shifts, channels, rows, columns);
  }
}

static void batch_norm_gradients(float *input_gradients, float *weight_gradient, float *bias_gradient,
                                 const float *output_gradients, const float *inputs, const float *mean,
                                 const float *inverse_deviation, const float *weight, size_t rows, size_t channels) {
  EACH_PART(channels) {
    double sums[CHANNELS] = {0}, products[CHANNELS] = {0}, count = (double)rows;
    float means[CHANNELS] = {0}, scales[CHANNELS], slopes[CHANNELS], shifts[CHANNELS];
    memcpy(means, mean + part, columns * sizeof(float));
    add_column_sums(sums, products, inputs + part, output_gradients + part, means, channels, rows, columns,
                    rows * channels - (rows > 0 ? part : 0), GRADIENTS);
    for (size_t i = 0; i < columns; i++) {
      size_t channel = part + i;
      double inverse = (double)inverse_deviation[channel];
      if (weight_gradient) weight_gradient[channel] = (float)(products[i] * inverse);
      if (bias_gradient) bias_gradient[channel] = (float)sums[i];
      scales[i] = weight ? inverse_deviation[channel] * weight[channel] : inverse_deviation[channel];
      slopes[i] = (float)(-(products[i] / count) * inverse * inverse * (double)scales[i]);
      shifts[i] = (float)(-(sums[i] / count) * (double)scales[i]);
    }
    if (input_gradients)
      column_input_gradient(input_gradients + part, output_gradients + part, inputs + part, means, scales, slopes,
                            shifts, channels, rows, columns);
  }
}

/* Softmax, with the operations of softmax_cross_entropy. */
INLINE void row_maximum(float lanes[LK_LANES], const float *values, size_t columns) {
  vector largest[LANE_VECTORS];
  EACH_VECTOR largest[v] = (vector)-__builtin_inff();
  size_t c = 0;
  for (; c + LK_LANES <= columns; c += LK_LANES)
    EACH_VECTOR {
      vector value = load(values + c + v * WIDTH);
      largest[v] = value > largest[v] ? value : largest[v];
    }
  EACH_VECTOR store(lanes + v * WIDTH, largest[v]);
  for (size_t lane = 0; c + lane < columns; lane++)
    lanes[lane] = values[c + lane] > lanes[lane] ? values[c + lane] : lanes[lane];
}

/* Sums of the products a · b of a row. `continues`: they are added to those in `lanes`. */
INLINE void row_products(float lanes[LK_LANES], const float *a, const float *b, size_t columns, int continues) {
  vector sum[LANE_VECTORS] = {0};
  if (continues) EACH_VECTOR sum[v] = load(lanes + v * WIDTH);
  size_t c = 0;
  for (; c + LK_LANES <= columns; c += LK_LANES)
    EACH_VECTOR sum[v] = __builtin_elementwise_fma(load(a + c + v * WIDTH), load(b + c + v * WIDTH), sum[v]);
  EACH_VECTOR store(lanes + v * WIDTH, sum[v]);
  for (size_t lane = 0; c + lane < columns; lane++) lanes[lane] = FMA(a[c + lane], b[c + lane], lanes[lane]);
}

/* output becomes its exponentials, of whole rows or of a part of one; `lanes` their sums. */
enum { EXPONENTIALS = 1024 };
INLINE void add_exponentials(float lanes[MOST_TOGETHER][LK_LANES], float *output, size_t rows, size_t columns,
                             int continues) {
  float factors[EXPONENTIALS], scales[EXPONENTIALS];
  VECTORIZED for (size_t i = 0; i < rows * columns; i++) {
    float scale, factor = exponential_parts(output[i], &scale);
    factors[i] = factor;
    scales[i] = scale;
    output[i] = factor * scale;
  }
  for (size_t r = 0; r < rows; r++)
    row_products(lanes[r], factors + r * columns, scales + r * columns, columns, continues);
}

static void softmax(float *output, const float *input, size_t rows, size_t columns) {
  float lanes[MOST_TOGETHER][LK_LANES], largest[MOST_TOGETHER], sums[MOST_TOGETHER];
  if (columns == 0) return;
  for (size_t height; rows > 0; rows -= height, input += height * columns) {
    height = columns < EXPONENTIALS ? EXPONENTIALS / columns : 1;
    height = height < MOST_TOGETHER ? height : MOST_TOGETHER;
    height = height < rows ? height : rows;
    for (size_t r = 0; r < height; r++) row_maximum(lanes[r], input + r * columns, columns);
    results_of_rows(largest, lanes, height, MAXIMUM);
    for (size_t r = 0; r < height; r++)
      VECTORIZED for (size_t c = 0; c < columns; c++)
        output[r * columns + c] = input[r * columns + c] - largest[r];
    if (columns <= EXPONENTIALS)
      add_exponentials(lanes, output, height, columns, 0);
    else
      for (size_t c = 0; c < columns; c += EXPONENTIALS)
        add_exponentials(lanes, output + c, 1, columns - c < EXPONENTIALS ? columns - c : EXPONENTIALS, c > 0);
    results_of_rows(sums, lanes, height, SUM);
    for (size_t r = 0; r < height; r++, output += columns) {
      float scale = 1.0f / sums[r];
      VECTORIZED for (size_t c = 0; c < columns; c++) output[c] *= scale;
    }
  }
}

static void softmax_gradient(float *input_gradient, const float *output_gradient, const float *output, size_t rows,
                             size_t columns) {
  float lanes[MOST_TOGETHER][LK_LANES], means[MOST_TOGETHER];
  for (size_t height; rows > 0; rows -= height) {
    height = rows_together(rows, columns);
    for (size_t r = 0; r < height; r++)
      row_products(lanes[r], output + r * columns, output_gradient + r * columns, columns, 0);
    results_of_rows(means, lanes, height, SUM);
    for (size_t r = 0; r < height; r++, input_gradient += columns, output_gradient += columns, output += columns)
      VECTORIZED for (size_t c = 0; c < columns; c++) input_gradient[c] = output[c] * (output_gradient[c] - means[r]);
  }
}
