/* Pooling of maps whose channels are last. Vectors run over channels. The last vector of a pixel may hang over into the
 * next pixel, where memory goes on: what it writes there is written again later. */

typedef int32_t integers __attribute__((ext_vector_type(WIDTH)));
typedef uint8_t bytes __attribute__((ext_vector_type(WIDTH)));

INLINE integers load_bytes(const uint8_t *values) {
  bytes x;
  memcpy(&x, values, WIDTH);
  return __builtin_convertvector(x, integers);
}
INLINE void store_bytes(uint8_t *values, integers x) {
  bytes narrow = __builtin_convertvector(x, bytes);
  memcpy(values, &narrow, WIDTH);
}

/* The part of a window that lies in the map, along one axis: from `first` to before `end`. Under the window's i-th row or
 * column lies the map's start + i. */
typedef struct {
  size_t first, end, start; /* `start` wraps around below zero */
} extent;
INLINE extent window_extent(size_t place, size_t stride, size_t padding, size_t kernel, size_t size) {
  size_t start = place * stride, limit = size + padding;
  size_t first = padding > start ? padding - start : 0;
  size_t end = limit > start ? limit - start : 0;
  end = end < kernel ? end : kernel;
  return (extent){first < end ? first : end, end, start - padding};
}

/* One window over some channels. Its first value is at `inputs`; `row` and `channels` are the distances of rows and
 * columns. */
typedef struct {
  const float *inputs;
  size_t row, channels, top, bottom, left, right, kernel_width;
  float scale;
} pooling_window;

/* A NaN is taken once, and then stays. */
INLINE void maximum_of_vector(float *output, uint8_t *place, pooling_window w) {
  vector best = load(w.inputs);
  integers at = (integers)(int32_t)(w.top * w.kernel_width + w.left);
  for (size_t y = w.top; y < w.bottom; y++)
    for (size_t x = w.left; x < w.right; x++) {
      if (y == w.top && x == w.left) continue;
      vector value = load(w.inputs + (y - w.top) * w.row + (x - w.left) * w.channels);
      integers takes = ~(value <= best) & (best == best);
      best = takes ? value : best;
      at = takes ? (integers)(int32_t)(y * w.kernel_width + x) : at;
    }
  store(output, best);
  store_bytes(place, at);
}
INLINE void maximum_of_values(float *outputs, uint8_t *places, pooling_window w, size_t count) {
  for (size_t c = 0; c < count; c++) {
    float best = w.inputs[c];
    size_t at = w.top * w.kernel_width + w.left;
    for (size_t y = w.top; y < w.bottom; y++)
      for (size_t x = w.left; x < w.right; x++) {
        float value = w.inputs[(y - w.top) * w.row + (x - w.left) * w.channels + c];
        if (value <= best || best != best) continue;
        best = value;
        at = y * w.kernel_width + x;
      }
    outputs[c] = best;
    places[c] = (uint8_t)at;
  }
}
INLINE void average_of_vector(float *output, pooling_window w) {
  vector sum = (vector)0.0f;
  for (size_t y = w.top; y < w.bottom; y++)
    for (size_t x = w.left; x < w.right; x++)
      sum += load(w.inputs + (y - w.top) * w.row + (x - w.left) * w.channels);
  store(output, sum * w.scale);
}
INLINE void average_of_values(float *outputs, pooling_window w, size_t count) {
  for (size_t c = 0; c < count; c++) {
    float sum = 0.0f;
    for (size_t y = w.top; y < w.bottom; y++)
      for (size_t x = w.left; x < w.right; x++) sum += w.inputs[(y - w.top) * w.row + (x - w.left) * w.channels + c];
    outputs[c] = sum * w.scale;
  }
}

/* All channels of a window. `left_in` values remain from its last pixel on, `left_out` outputs from this one on.
 * `fits`: all vectors stay in memory. */
INLINE void pool_window(float *outputs, uint8_t *places, pooling_window w, size_t left_in, size_t left_out,
                        const int fits) {
  for (size_t c = 0; c < w.channels; c += WIDTH, w.inputs += WIDTH) {
    if (fits || c + WIDTH <= w.channels || (c + WIDTH <= left_in && c + WIDTH <= left_out)) {
      if (places)
        maximum_of_vector(outputs + c, places + c, w);
      else
        average_of_vector(outputs + c, w);
    } else if (places) {
      maximum_of_values(outputs + c, places + c, w, w.channels - c);
    } else {
      average_of_values(outputs + c, w, w.channels - c);
    }
  }
}

/* `count` windows side by side that lie in the map. The first is at `inputs`; `left` values remain from there on. */
INLINE void pool_inner_windows(float *outputs, uint8_t *places, const float *inputs, size_t count, const lk_pooling *s,
                               size_t left, size_t left_out, const size_t height, const size_t width,
                               const int fits) {
  size_t row = s->width * s->channels, step = s->stride_x * s->channels;
  size_t left_in = left - (height - 1) * row - (width - 1) * s->channels;
  float scale = 1.0f / (float)(height * width);
  for (size_t x = 0; x < count; x++, inputs += step, left_in -= step, outputs += s->channels, left_out -= s->channels) {
    pooling_window w = {inputs, row, s->channels, 0, height, 0, width, width, scale};
    pool_window(outputs, places, w, left_in, left_out, fits);
    if (places) places += s->channels;
  }
}

INLINE float share_of_window(const lk_pooling *shape, extent rows, extent columns, int counts_padding) {
  size_t count = counts_padding ? shape->kernel_height * shape->kernel_width
                                : (rows.end - rows.first) * (columns.end - columns.first);
  return 1.0f / (float)count;
}

/* A window that does not lie in the map as a whole. */
INLINE void pool_outer_window(float *outputs, uint8_t *places, const float *inputs, extent rows, extent columns,
                              const lk_pooling *s, int counts_padding, size_t left_in, size_t left_out) {
  size_t row = s->width * s->channels;
  if (rows.first == rows.end || columns.first == columns.end) {
    for (size_t c = 0; c < s->channels; c++) outputs[c] = places ? -__builtin_inff() : 0.0f;
    if (places) memset(places, 0, s->channels);
    return;
  }
  size_t first = (rows.start + rows.first) * row + (columns.start + columns.first) * s->channels;
  size_t last = (rows.start + rows.end - 1) * row + (columns.start + columns.end - 1) * s->channels;
  pooling_window w = {inputs + first, row, s->channels, rows.first, rows.end, columns.first, columns.end,
                      s->kernel_width, places ? 0.0f : share_of_window(s, rows, columns, counts_padding)};
  pool_window(outputs, places, w, left_in - last, left_out, 0);
}

/* The averages, or the maxima if `places` is not null. */
INLINE void pool(float *outputs, uint8_t *places, const float *inputs, size_t examples, const lk_pooling *shape,
                 int counts_padding) {
  const lk_pooling s = *shape;
  size_t row = s.width * s.channels;
  size_t left_in = examples * s.height * row, left_out = examples * s.out_height * s.out_width * s.channels;
  int is_2_by_2 = s.kernel_height == 2 && s.kernel_width == 2, is_whole = s.channels % WIDTH == 0;
  /* Which windows of a row begin and end in the map. */
  size_t inner = (s.pad_left + s.stride_x - 1) / s.stride_x, inner_end = 0;
  if (s.width + s.pad_left >= s.kernel_width) inner_end = (s.width + s.pad_left - s.kernel_width) / s.stride_x + 1;
  inner_end = inner_end < s.out_width ? inner_end : s.out_width;
  for (size_t example = 0; example < examples; example++) {
    for (size_t y = 0; y < s.out_height; y++) {
      extent rows = window_extent(y, s.stride_y, s.pad_top, s.kernel_height, s.height);
      for (size_t x = 0; x < s.out_width;) {
        size_t count = 1;
        if (x >= inner && x < inner_end && rows.end - rows.first == s.kernel_height) {
          count = inner_end - x;
          size_t at = rows.start * row + (x * s.stride_x - s.pad_left) * s.channels;
#define POOL(HEIGHT, WIDE, FITS)                                                                                       \
  pool_inner_windows(outputs, places, inputs + at, count, shape, left_in - at, left_out, HEIGHT, WIDE, FITS)
          /* Whether even the last vector of the last window stays in memory. */
          size_t end = (s.channels + WIDTH - 1) / WIDTH * WIDTH;
          size_t last = at + ((count - 1) * s.stride_x + s.kernel_width - 1) * s.channels + (s.kernel_height - 1) * row;
          int fits = is_whole || (last + end <= left_in && (count - 1) * s.channels + end <= left_out);
          if (is_2_by_2 && fits)
            POOL(2, 2, 1);
          else if (fits)
            POOL(s.kernel_height, s.kernel_width, 1);
          else
            POOL(s.kernel_height, s.kernel_width, 0);
#undef POOL
        } else {
          extent columns = window_extent(x, s.stride_x, s.pad_left, s.kernel_width, s.width);
          pool_outer_window(outputs, places, inputs, rows, columns, shape, counts_padding, left_in, left_out);
        }
        x += count;
        outputs += count * s.channels;
        left_out -= count * s.channels;
        if (places) places += count * s.channels;
      }
    }
    inputs += s.height * row;
    left_in -= s.height * row;
  }
}

static void max_pool(float *outputs, uint8_t *places, const float *inputs, size_t examples, const lk_pooling *shape) {
  pool(outputs, places, inputs, examples, shape, 0);
}

static void average_pool(float *outputs, const float *inputs, size_t examples, const lk_pooling *shape,
                         int counts_padding) {
  pool(outputs, NULL, inputs, examples, shape, counts_padding);
}

/* What an output's gradients add to the pixel at `place` in its window; `places` is null for averages. */
INLINE vector window_share(vector sum, const float *gradients, const uint8_t *places, size_t place, float scale) {
  vector gradient = load(gradients);
  if (!places) return __builtin_elementwise_fma(gradient, (vector)scale, sum);
  return sum + (load_bytes(places) == (integers)(int32_t)place ? gradient : (vector)0.0f);
}
INLINE float window_share_of_value(float sum, float gradient, const uint8_t *at, size_t place, float scale) {
  return at ? sum + (*at == place ? gradient : 0.0f) : FMA(gradient, scale, sum);
}

/* The windows over a row or column: from `first` to before `end`. They move on with `place`, which ascends. */
typedef struct {
  size_t first, end;
} windows;
INLINE windows next_windows(windows w, size_t place, size_t stride, size_t padding, size_t kernel, size_t count) {
  while (w.first < count && w.first * stride + kernel <= place + padding) w.first++;
  while (w.end < count && w.end * stride <= place + padding) w.end++;
  return w;
}

/* Each pixel's gradients are summed in registers, over its windows. */
INLINE void pool_gradient(float *input_gradients, const float *output_gradients, const uint8_t *places,
                          size_t examples, const lk_pooling *shape, int counts_padding) {
  const lk_pooling s = *shape;
  size_t out = s.out_height * s.out_width * s.channels;
  size_t left = examples * s.height * s.width * s.channels, left_out = examples * out;
  for (size_t example = 0; example < examples; example++) {
    windows rows = {0, 0};
    for (size_t y = 0; y < s.height; y++) {
      rows = next_windows(rows, y, s.stride_y, s.pad_top, s.kernel_height, s.out_height);
      windows columns = {0, 0};
      for (size_t x = 0; x < s.width; x++) {
        columns = next_windows(columns, x, s.stride_x, s.pad_left, s.kernel_width, s.out_width);
#define EACH_WINDOW(BODY)                                                                                    \
  for (size_t i = rows.first; i < rows.end; i++)                                                             \
    for (size_t j = columns.first; j < columns.end; j++) {                                                   \
      size_t at = (i * s.out_width + j) * s.channels;                                                        \
      size_t place = (y + s.pad_top - i * s.stride_y) * s.kernel_width + (x + s.pad_left - j * s.stride_x);  \
      float scale = 0.0f;                                                                                    \
      if (!places)                                                                                           \
        scale = share_of_window(&s, window_extent(i, s.stride_y, s.pad_top, s.kernel_height, s.height),      \
                                window_extent(j, s.stride_x, s.pad_left, s.kernel_width, s.width),           \
                                counts_padding);                                                             \
      BODY                                                                                                   \
    }
        size_t last = rows.first < rows.end && columns.first < columns.end
                          ? ((rows.end - 1) * s.out_width + columns.end - 1) * s.channels
                          : 0;
        for (size_t c = 0; c < s.channels; c += WIDTH) {
          if (c + WIDTH <= s.channels || (c + WIDTH <= left && last + c + WIDTH <= left_out)) {
            vector sum = (vector)0.0f;
            EACH_WINDOW(sum = window_share(sum, output_gradients + at + c, places ? places + at + c : NULL, place,
                                           scale);)
            store(input_gradients + c, sum);
          } else {
            for (size_t k = c; k < s.channels; k++) {
              float sum = 0.0f;
              EACH_WINDOW(sum = window_share_of_value(sum, output_gradients[at + k], places ? places + at + k : NULL,
                                                      place, scale);)
              input_gradients[k] = sum;
            }
          }
        }
#undef EACH_WINDOW
        input_gradients += s.channels;
        left -= s.channels;
      }
    }
    output_gradients += out;
    left_out -= out;
    if (places) places += out;
  }
}

/* Windows of 2 × 2 that touch each other: the most frequent case. */
INLINE int are_quarters(const lk_pooling *s) {
  return s->kernel_height == 2 && s->kernel_width == 2 && s->stride_y == 2 && s->stride_x == 2 && s->pad_top == 0 &&
         s->pad_left == 0 && s->out_height * 2 <= s->height && s->out_width * 2 <= s->width;
}

/* A row of windows where channels are whole vectors. */
INLINE void quarter_rows(float *input_gradients, const float *output_gradients, const uint8_t *places, size_t row,
                         size_t columns, size_t channels) {
  for (size_t x = 0; x < columns; x++, input_gradients += channels)
    for (size_t c = 0; c < channels; c += WIDTH, input_gradients += WIDTH, output_gradients += WIDTH) {
      UNROLLED for (size_t place = 0; place < 4; place++)
        store(input_gradients + place / 2 * row + place % 2 * channels,
              window_share((vector)0.0f, output_gradients, places, place, 0.25f));
      if (places) places += WIDTH;
    }
}
/* One of the two rows of pixels, in ascending order, so that what hangs over is written again. */
INLINE void quarter_row(float *input_gradients, const float *output_gradients, const uint8_t *places, size_t first,
                        size_t columns, size_t channels, int fits) {
  for (size_t x = 0; x < columns; x++, output_gradients += channels) {
    UNROLLED for (size_t place = first; place < first + 2; place++, input_gradients += channels)
      if (fits)
        for (size_t c = 0; c < channels; c += WIDTH)
          store(input_gradients + c,
                window_share((vector)0.0f, output_gradients + c, places ? places + c : NULL, place, 0.25f));
      else
        for (size_t c = 0; c < channels; c++)
          input_gradients[c] =
              window_share_of_value(0.0f, output_gradients[c], places ? places + c : NULL, place, 0.25f);
    if (places) places += channels;
  }
}

INLINE void quarter_gradient(float *input_gradients, const float *output_gradients, const uint8_t *places,
                             size_t examples, const lk_pooling *shape) {
  const lk_pooling s = *shape;
  size_t row = s.width * s.channels, out_row = s.out_width * s.channels, used = 2 * out_row;
  size_t rest = (s.height - s.out_height * 2) * row;
  size_t left = examples * s.height * row, left_out = examples * s.out_height * out_row;
  for (size_t example = 0; example < examples; example++) {
    for (size_t y = 0; y < s.out_height; y++) {
      if (s.channels % WIDTH == 0) {
        quarter_rows(input_gradients, output_gradients, places, row, s.out_width, s.channels);
        for (size_t i = 0; i < 2; i++) memset(input_gradients + i * row + used, 0, (row - used) * sizeof(float));
      } else {
        UNROLLED for (size_t i = 0; i < 2; i++) {
          int fits = i * row + used + WIDTH <= left && out_row + WIDTH <= left_out;
          float *to = input_gradients + i * row;
          quarter_row(to, output_gradients, places, 2 * i, s.out_width, s.channels, fits);
          memset(to + used, 0, (row - used) * sizeof(float));
        }
      }
      input_gradients += 2 * row;
      left -= 2 * row;
      output_gradients += out_row;
      left_out -= out_row;
      if (places) places += out_row;
    }
    memset(input_gradients, 0, rest * sizeof(float));
    input_gradients += rest;
    left -= rest;
  }
}

static void max_pool_gradient(float *input_gradients, const float *output_gradients, const uint8_t *places,
                              size_t examples, const lk_pooling *shape) {
  if (are_quarters(shape))
    quarter_gradient(input_gradients, output_gradients, places, examples, shape);
  else
    pool_gradient(input_gradients, output_gradients, places, examples, shape, 0);
}

static void average_pool_gradient(float *input_gradients, const float *output_gradients, size_t examples,
                                  const lk_pooling *shape, int counts_padding) {
  if (are_quarters(shape))
    quarter_gradient(input_gradients, output_gradients, NULL, examples, shape);
  else
    pool_gradient(input_gradients, output_gradients, NULL, examples, shape, counts_padding);
}

/* Each channel has 4 partial sums, which hides the latency of an addition. */
enum { PARTIAL_SUMS = 4 };

static void global_average_pool(float *outputs, const float *inputs, size_t examples, size_t pixels, size_t channels) {
  size_t left = examples * pixels * channels, left_out = examples * channels;
  float scale = 1.0f / (float)pixels;
  for (size_t example = 0; example < examples; example++) {
    for (size_t c = 0; c < channels; c += WIDTH) {
      if (c + WIDTH <= channels || (pixels * channels - channels + c + WIDTH <= left && c + WIDTH <= left_out)) {
        vector sums[PARTIAL_SUMS] = {0};
        const float *values = inputs + c;
        size_t p = 0;
        for (; p + PARTIAL_SUMS <= pixels; p += PARTIAL_SUMS, values += PARTIAL_SUMS * channels)
          UNROLLED for (size_t i = 0; i < PARTIAL_SUMS; i++) sums[i] += load(values + i * channels);
        UNROLLED for (size_t i = 0; i < PARTIAL_SUMS - 1; i++)
          if (p + i < pixels) sums[i] += load(values + i * channels);
        store(outputs + c, ((sums[0] + sums[2]) + (sums[1] + sums[3])) * scale);
      } else {
        for (size_t i = c; i < channels; i++) {
          float sums[PARTIAL_SUMS] = {0};
          for (size_t p = 0; p < pixels; p++) sums[p % PARTIAL_SUMS] += inputs[p * channels + i];
          outputs[i] = ((sums[0] + sums[2]) + (sums[1] + sums[3])) * scale;
        }
      }
    }
    inputs += pixels * channels;
    left -= pixels * channels;
    outputs += channels;
    left_out -= channels;
  }
}

static void global_average_pool_gradient(float *input_gradients, const float *output_gradients, size_t examples,
                                         size_t pixels, size_t channels) {
  enum { MOST_COPIED = 1024 };
  float scale = 1.0f / (float)pixels;
  size_t count = pixels * channels;
  if (count == 0) return;
  for (size_t example = 0; example < examples; example++, input_gradients += count, output_gradients += channels) {
    VECTORIZED for (size_t c = 0; c < channels; c++) input_gradients[c] = output_gradients[c] * scale;
    for (size_t done = channels; done < count;) { /* pixels are copied, twice as many each time */
      size_t copied = done < MOST_COPIED ? done : (MOST_COPIED + channels - 1) / channels * channels;
      copied = copied < count - done ? copied : count - done;
      memcpy(input_gradients + done, input_gradients, copied * sizeof(float));
      done += copied;
    }
  }
}

/* outputs (channels × pixels for each example) = the transposes of inputs (pixels × channels). */
static void channels_first(float *outputs, const float *inputs, size_t examples, size_t pixels, size_t channels) {
  size_t count = pixels * channels;
  for (size_t example = 0; example < examples; example++)
    transpose(outputs + example * count, pixels, inputs + example * count, channels, pixels, channels);
}
