/* Convolutions of images, channels last. Each element of a result is one sum, by fused multiply-add in a fixed order
 * from +0. The padding's zeros are multiplied and added like other values. Tiles and chunks only choose which elements
 * are computed together, so they do not change a bit.
 *
 * A chunk of the source, some rows of some images, is copied with its padding to scratch that stays in the cache. What
 * an element reads is listed as places in the copy, so that one loop goes through the kernel, or through the pixels of
 * a chunk, while the sums stay in registers. */

enum { ACROSS_CHANNELS, ACROSS_PIXELS, DEPTHWISE }; /* what vectors run across */

/* Tiles of a result, one after another: rows · vectors sums of the products of a left matrix and a right one. The lists
 * of places go on from tile to tile. */
typedef struct {
  size_t tiles;
  const float *left; /* element (i, k) is at left + left_places[i] + inner_places[k] */
  const uint32_t *left_places;
  const float *right; /* row k is at right + k * right_row */
  size_t right_row;
  size_t inner;
  const uint32_t *inner_places;
  float *result; /* row i is at result + result_places[i] */
  const uint32_t *result_places;
  int continues;     /* whether `result` holds the sums of the inner indices before */
  const float *bias; /* added to the complete sums; null for none */
  int has_relu;      /* which follows the bias */
} convolution_tile;

/* Depthwise, an element of the left matrix is a vector too, with a channel for each of the right one's. Across pixels,
 * the places are the right matrix's: element (i, k) is at left + left_places[i] + k * right_row, and row k at
 * right + inner_places[k]. */
INLINE void compute_convolution_tile(const convolution_tile *tile, const size_t rows, const size_t vectors,
                                     const int kind) {
  const convolution_tile t = *tile;
  const uint32_t *left_places = t.left_places, *result_places = t.result_places;
  for (size_t tiles = t.tiles; tiles > 0; tiles--, left_places += rows, result_places += rows) {
    vector sum[MOST_ROWS][MOST_VECTORS];
    const float *left[MOST_ROWS];
    UNROLLED for (size_t i = 0; i < rows; i++) left[i] = t.left + left_places[i];
    if (t.continues) {
      EACH_SUM sum[i][v] = load(t.result + result_places[i] + v * WIDTH);
    } else {
      EACH_SUM sum[i][v] = (vector)0.0f;
    }
    PRAGMA(clang loop unroll(disable)) for (size_t k = 0, row = 0; k < t.inner; k++, row += t.right_row) {
      size_t place = kind == ACROSS_PIXELS ? row : t.inner_places[k];
      const float *right = t.right + (kind == ACROSS_PIXELS ? t.inner_places[k] : row);
      vector y[MOST_VECTORS];
      UNROLLED for (size_t v = 0; v < vectors; v++) y[v] = load(right + v * WIDTH);
      EACH_SUM {
        vector x = kind == DEPTHWISE ? load(left[i] + place + v * WIDTH) : (vector)left[i][place];
        sum[i][v] = __builtin_elementwise_fma(x, y[v], sum[i][v]);
      }
    }
    if (t.bias) EACH_SUM sum[i][v] = sum[i][v] + load(t.bias + v * WIDTH);
    if (t.has_relu) EACH_SUM sum[i][v] = sum[i][v] < 0.0f ? (vector)0.0f : sum[i][v];
    EACH_SUM store(t.result + result_places[i] + v * WIDTH, sum[i][v]);
  }
}

typedef void (*const convolution_tiles[MOST_VECTORS + 1][MOST_ROWS + 1])(const convolution_tile *);
#define DEFINE_CHANNELS_TILE(ROWS, VECTORS)                                                \
  static void channels_tile_##ROWS##_##VECTORS(const convolution_tile *tile) {             \
    compute_convolution_tile(tile, ROWS, VECTORS, ACROSS_CHANNELS);                        \
  }
TILES(DEFINE_CHANNELS_TILE)
#define CHANNELS_TILE(ROWS, VECTORS) [VECTORS][ROWS] = channels_tile_##ROWS##_##VECTORS,
static const convolution_tiles channels_tiles = {TILES(CHANNELS_TILE)};
#define DEFINE_PIXELS_TILE(ROWS, VECTORS)                                                  \
  static void pixels_tile_##ROWS##_##VECTORS(const convolution_tile *tile) {               \
    compute_convolution_tile(tile, ROWS, VECTORS, ACROSS_PIXELS);                          \
  }
TILES(DEFINE_PIXELS_TILE)
#define PIXELS_TILE(ROWS, VECTORS) [VECTORS][ROWS] = pixels_tile_##ROWS##_##VECTORS,
static const convolution_tiles pixels_tiles = {TILES(PIXELS_TILE)};
#define DEFINE_DEPTHWISE_TILE(ROWS, VECTORS)                                               \
  static void depthwise_tile_##ROWS##_##VECTORS(const convolution_tile *tile) {            \
    compute_convolution_tile(tile, ROWS, VECTORS, DEPTHWISE);                              \
  }
TILES(DEFINE_DEPTHWISE_TILE)
#define DEPTHWISE_TILE(ROWS, VECTORS) [VECTORS][ROWS] = depthwise_tile_##ROWS##_##VECTORS,
static const convolution_tiles depthwise_tiles = {TILES(DEPTHWISE_TILE)};

/* With more rows, the compiler runs out of registers: it loads the elements of all rows first. */
INLINE size_t most_rows(size_t vectors) { return tile_rows[vectors] < 10 ? tile_rows[vectors] : 10; }

/* One axis of a correlation: result j is at first + j · step, and its tap t reads the source at
 * start + j · stride + t · dilation. */
typedef struct {
  size_t results, first, step;
  ptrdiff_t start;
  size_t stride, dilation, taps;
  size_t tap; /* tap t is the kernel's tap + t · tap_step */
  ptrdiff_t tap_step;
} correlation_axis;

/* Of the inputs from `phase` on, `stride` apart: all are read by the same taps, and neighbours by neighbouring outputs.
 * The last tap comes first, so that the outputs ascend. */
static correlation_axis gradient_axis(size_t phase, size_t size, size_t stride, size_t dilation, size_t pad,
                                      size_t kernel) {
  correlation_axis axis = {.results = size > phase ? (size - phase + stride - 1) / stride : 0,
                           .first = phase, .step = stride, .stride = 1};
  for (size_t tap = 0; tap < kernel; tap++) {
    ptrdiff_t distance = (ptrdiff_t)(phase + pad) - (ptrdiff_t)(tap * dilation);
    if (distance % (ptrdiff_t)stride != 0) continue;
    if (axis.taps > 0) {
      axis.tap_step = (ptrdiff_t)axis.tap - (ptrdiff_t)tap;
      axis.dilation = (tap - axis.tap) * dilation / stride;
    }
    axis.taps++;
    axis.tap = tap;
    axis.start = distance / (ptrdiff_t)stride;
  }
  return axis;
}

/* Of the outputs. */
static correlation_axis output_axis(size_t size, size_t stride, size_t dilation, size_t pad, size_t kernel) {
  return (correlation_axis){.results = size, .step = 1, .start = -(ptrdiff_t)pad,
                            .stride = stride, .dilation = dilation, .taps = kernel, .tap_step = 1};
}

/* A convolution, or the gradient with respect to its input, as correlations of a source with a kernel: one for each
 * phase. They share a chunk of the source: what `rows` rows of results of each phase read, of `examples` images. */
typedef struct {
  lk_convolution shape;
  int is_gradient, is_depthwise;
  int is_planar; /* whether vectors run across pixels; then the copy has a plane for each channel */
  int is_copied; /* or the source is read where it is */
  size_t height, width, channels;                      /* of a source image */
  size_t result_height, result_width, result_channels; /* of a result image */
  size_t groups, inner, columns;                       /* a group's channels: of the source, of the result */
  size_t phases_y, phases_x;
  ptrdiff_t top, left;                             /* the first row and column that are read */
  size_t span_y, span_x;                           /* how many the results number 0 of all phases read */
  size_t results_y, results_x, stride_y, stride_x; /* of phase 0, which has the most results */
  size_t rows, examples;
  size_t copy_rows, copy_columns;                         /* of an image's part of a chunk */
  size_t channel_step, column_step, row_step, image_step; /* in a chunk */
} correlation;

static correlation_axis axis_y(const correlation *c, size_t phase) {
  const lk_convolution *s = &c->shape;
  if (c->is_gradient)
    return gradient_axis(phase, s->height, s->stride_y, s->dilation_y, s->pad_top, s->kernel_height);
  return output_axis(s->out_height, s->stride_y, s->dilation_y, s->pad_top, s->kernel_height);
}
static correlation_axis axis_x(const correlation *c, size_t phase) {
  const lk_convolution *s = &c->shape;
  if (c->is_gradient)
    return gradient_axis(phase, s->width, s->stride_x, s->dilation_x, s->pad_left, s->kernel_width);
  return output_axis(s->out_width, s->stride_x, s->dilation_x, s->pad_left, s->kernel_width);
}

/* What results number 0 of all phases read: `span` places from `first` on. */
static void widen(ptrdiff_t *first, size_t *span, correlation_axis axis) {
  if (axis.taps == 0) return;
  ptrdiff_t start = axis.start, end = start + (ptrdiff_t)((axis.taps - 1) * axis.dilation) + 1;
  if (*span > 0) {
    start = *first < start ? *first : start;
    end = *first + (ptrdiff_t)*span > end ? *first + (ptrdiff_t)*span : end;
  }
  *first = start;
  *span = (size_t)(end - start);
}

/* Rows or columns of the source that `count` results read. */
INLINE size_t reach(size_t count, size_t stride, size_t span) { return count == 0 ? 0 : (count - 1) * stride + span; }

enum {
  CHUNK = 16384,         /* values of a chunk that stays in the second cache */
  ENOUGH_PIXELS = 192,   /* a chunk with more results gets no further images */
  GRADIENT_CHUNK = 6144, /* values of the inputs and the output gradients of a chunk that stays in the first cache */
  LEAST_PIXELS = 96,     /* of a chunk whose sums are loaded and stored */
  PACKED_FROM_TILES = 5, /* copying output gradients pays if as many tiles read them */
  DEPTHWISE_PIXELS = 48, /* whose channels are all computed before the next pixels */
  PLANES = 8             /* the most channels of a result that is computed across pixels */
};

INLINE size_t whole_vectors(size_t count) { return (count + WIDTH - 1) / WIDTH * WIDTH; }

/* A chunk has at most `most` values, of which each result takes `result_values` beside the source; but it has `least`
 * results. */
typedef struct {
  int is_gradient, plans_planar;
  size_t most, result_values, least;
} correlation_purpose;
static const correlation_purpose for_outputs = {0, 1, CHUNK, 0, 1}, for_input_gradient = {1, 1, CHUNK, 0, 1};
static const correlation_purpose for_weight_gradient = {0, 0, GRADIENT_CHUNK, PANEL, LEAST_PIXELS};

static correlation plan_correlation(const lk_convolution *shape, correlation_purpose purpose) {
  const lk_convolution s = *shape;
  correlation c = {.shape = s, .is_gradient = purpose.is_gradient, .groups = s.groups};
  c.is_depthwise = s.groups > 1 && s.channels == s.groups && s.out_channels == s.groups;
  if (c.is_gradient) {
    c.height = s.out_height, c.width = s.out_width, c.channels = s.out_channels;
    c.result_height = s.height, c.result_width = s.width, c.result_channels = s.channels;
    c.phases_y = s.stride_y, c.phases_x = s.stride_x, c.stride_y = 1, c.stride_x = 1;
  } else {
    c.height = s.height, c.width = s.width, c.channels = s.channels;
    c.result_height = s.out_height, c.result_width = s.out_width, c.result_channels = s.out_channels;
    c.phases_y = 1, c.phases_x = 1, c.stride_y = s.stride_y, c.stride_x = s.stride_x;
  }
  if (c.is_depthwise) c.groups = 1;
  c.inner = c.is_depthwise ? 1 : c.channels / c.groups;
  c.columns = c.result_channels / c.groups;
  for (size_t phase = 0; phase < c.phases_y; phase++) widen(&c.top, &c.span_y, axis_y(&c, phase));
  for (size_t phase = 0; phase < c.phases_x; phase++) widen(&c.left, &c.span_x, axis_x(&c, phase));
  c.results_y = axis_y(&c, 0).results;
  c.results_x = axis_x(&c, 0).results;

  size_t reach_y = reach(c.results_y, c.stride_y, c.span_y), reach_x = reach(c.results_x, c.stride_x, c.span_x);
  /* Where channels fill their vectors worse than pixels do. */
  size_t whole_x = whole_vectors(c.results_x);
  int is_narrow = c.columns * whole_x * 10 < whole_vectors(c.columns) * c.results_x * 9;
  c.is_planar = purpose.plans_planar && is_narrow && c.groups == 1 && !c.is_depthwise && c.stride_x == 1 &&
                c.columns <= PLANES && c.columns <= tile_rows[MOST_VECTORS];
  c.is_copied = c.is_planar || c.groups > 1 || (c.is_depthwise && c.channels % WIDTH != 0) || c.top < 0 || c.left < 0 ||
                (size_t)c.top + reach_y > c.height || (size_t)c.left + reach_x > c.width;
  size_t depth = c.is_depthwise ? whole_vectors(c.channels) : c.inner;
  c.column_step = c.is_planar ? 1 : depth;
  c.copy_columns = reach_x + (c.is_planar ? whole_x - c.results_x : 0);
  size_t row_values = c.copy_columns * depth, result_row = c.results_x * purpose.result_values, rows = 1;
  while (rows < c.results_y &&
         (rows * c.results_x < purpose.least ||
          reach(rows + 1, c.stride_y, c.span_y) * row_values + (rows + 1) * result_row <= purpose.most))
    rows++;
  c.rows = first_part(c.results_y, rows);
  c.copy_rows = reach(c.rows, c.stride_y, c.span_y);
  c.examples = 1;
  if (c.rows == c.results_y) {
    size_t values = c.copy_rows * row_values + c.rows * result_row, pixels = c.rows * c.results_x;
    size_t images = purpose.most / (values + 1), least = purpose.least / (pixels + 1) + 1;
    size_t enough = ENOUGH_PIXELS / (pixels + 1) + 1;
    images = images < enough ? images : enough;
    c.examples = images > least ? images : least;
  }
  c.row_step = c.is_planar ? c.copy_columns : c.is_copied ? row_values : c.width * c.channels;
  c.channel_step = c.is_planar ? c.copy_rows * c.row_step : 1;
  c.image_step = c.is_copied ? c.copy_rows * row_values : c.height * c.row_step;
  return c;
}

INLINE size_t whole_lines(size_t count) { return (count + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE; }

INLINE size_t copy_values(const correlation *c) { return c->is_copied ? c->examples * c->image_step : 0; }

/* What the results from row `first` on read. `copy` must be zero at first, and may have another chunk later: that
 * leaves the columns beside an image zero. */
static const float *chunk_of_source(const correlation *c, const float *images, size_t first, size_t group,
                                    size_t examples, float *copy) {
  ptrdiff_t top = c->top + (ptrdiff_t)(first * c->stride_y);
  size_t image = c->height * c->width * c->channels;
  if (!c->is_copied) return images + ((size_t)top * c->width + (size_t)c->left) * c->channels;
  size_t before = c->left < 0 ? (size_t)-c->left : 0, from = c->left < 0 ? 0 : (size_t)c->left;
  size_t columns = c->copy_columns > before ? c->copy_columns - before : 0;
  size_t there = c->width > from ? c->width - from : 0;
  columns = columns < there ? columns : there;
  size_t values = c->is_depthwise ? c->channels : c->inner; /* of a pixel */
  size_t planes = c->is_planar ? c->inner : 1;
  for (size_t example = 0; example < examples; example++, images += image)
    for (size_t row = 0; row < c->copy_rows; row++) {
      float *to = copy + example * c->image_step + row * c->row_step;
      ptrdiff_t y = top + (ptrdiff_t)row;
      if (y < 0 || y >= (ptrdiff_t)c->height) {
        for (size_t i = 0; i < planes; i++) memset(to + i * c->channel_step, 0, c->row_step * sizeof(float));
        continue;
      }
      if (columns == 0) continue;
      const float *pixels = images + ((size_t)y * c->width + from) * c->channels + group * c->inner;
      to += before * c->column_step;
      if (values == c->channels && values == c->column_step)
        memcpy(to, pixels, columns * values * sizeof(float));
      else if (c->is_planar)
        transpose(to, c->channel_step, pixels, c->channels, columns, c->inner);
      else
        for (size_t x = 0; x < columns; x++, to += c->column_step, pixels += c->channels)
          for (size_t i = 0; i < values; i++) to[i] = pixels[i];
    }
  return copy;
}

/* Packs the kernel of a phase, panel by panel, with a row for each tap and channel of the source. Returns its end. */
static float *pack_kernel(float *packed, const correlation *c, correlation_axis y, correlation_axis x,
                          const float *weight, size_t group) {
  const lk_convolution *s = &c->shape;
  size_t group_in = s->channels / s->groups, group_out = s->out_channels / s->groups;
  for (size_t column = 0; column < c->columns;) {
    panel_size size = next_panel(c->columns - column);
    for (size_t i = 0; i < y.taps; i++)
      for (size_t j = 0; j < x.taps; j++) {
        size_t tap_y = y.tap + (size_t)((ptrdiff_t)i * y.tap_step), tap_x = x.tap + (size_t)((ptrdiff_t)j * x.tap_step);
        const float *tap = weight + (tap_y * s->kernel_width + tap_x) * group_in * s->out_channels + group * group_out;
        if (c->is_depthwise || !c->is_gradient) {
          copy_panel(packed, size.width, tap + column, s->out_channels, c->inner, size.used);
        } else {
          if (size.used < size.width) memset(packed, 0, c->inner * size.width * sizeof(float));
          transpose(packed, size.width, tap + column * s->out_channels, s->out_channels, size.used, c->inner);
        }
        packed += c->inner * size.width;
      }
    column += size.used;
  }
  return packed;
}

/* Where each of a kernel's rows reads, relative to a result's place. Returns how many there are. */
static size_t list_taps(uint32_t *places, const correlation *c, correlation_axis y, correlation_axis x) {
  size_t count = 0;
  for (size_t i = 0; i < y.taps; i++)
    for (size_t j = 0; j < x.taps; j++)
      for (size_t k = 0; k < c->inner; k++, count++)
        places[count] =
            (uint32_t)(i * y.dilation * c->row_step + j * x.dilation * c->column_step + k * c->channel_step);
  return count;
}

/* Where each result of a chunk reads, and where it is. Returns how many there are. */
static size_t list_results(uint32_t *left_places, uint32_t *result_places, const correlation *c, correlation_axis y,
                          correlation_axis x) {
  size_t rows = c->rows < y.results ? c->rows : y.results, count = 0;
  size_t top = y.taps ? (size_t)(y.start - c->top) : 0, left = x.taps ? (size_t)(x.start - c->left) : 0;
  for (size_t example = 0; example < c->examples; example++)
    for (size_t i = 0; i < rows; i++)
      for (size_t j = 0; j < x.results; j++, count++) {
        left_places[count] = (uint32_t)(example * c->image_step + (top + i * y.stride) * c->row_step +
                                        (left + j * x.stride) * c->column_step);
        result_places[count] = (uint32_t)(((example * c->result_height + y.first + i * y.step) * c->result_width +
                                           x.first + j * x.step) * c->result_channels);
      }
  return count;
}

/* A chunk of results: `examples` images, `rows` rows of each phase from row `first` on. */
typedef struct {
  const correlation *plan;
  const float *left; /* what it reads */
  size_t examples, first, group;
  float *results;    /* the chunk's first */
  size_t room;       /* values from there to the end of all results */
  const float *bias; /* of the group; null for none */
  int has_relu;
} correlation_chunk;

INLINE size_t rows_of_chunk(const correlation_chunk *chunk, correlation_axis y) {
  size_t rows = y.results > chunk->first ? y.results - chunk->first : 0;
  return rows < chunk->plan->rows ? rows : chunk->plan->rows;
}

/* With vectors across channels. A tile may have pixels of several rows and images. */
static void correlate_phase(const correlation_chunk *chunk, correlation_axis y, correlation_axis x, const float *kernel,
                            const uint32_t *inner_places, const uint32_t *left_places, const uint32_t *result_places) {
  const correlation *c = chunk->plan;
  size_t count = chunk->examples * rows_of_chunk(chunk, y) * x.results, inner = y.taps * x.taps * c->inner;
  /* What is stored after a narrow result belongs to a result that follows. */
  int overlaps = c->groups == 1 && c->phases_y * c->phases_x == 1 && c->columns < next_panel(c->columns).width;
  const convolution_tiles *tiles_of_kind = c->is_depthwise ? &depthwise_tiles : &channels_tiles;
  uint32_t part_places[MOST_ROWS];
  float part[MOST_ROWS * PANEL];
  /* The depthwise kernel is small: all channels of some results come before the next ones. */
  size_t block = c->is_depthwise ? DEPTHWISE_PIXELS : count;
  for (size_t start = 0; start < count; start += block) {
    size_t rows = count - start < block ? count - start : block; /* pixels: the rows of tiles */
    const float *panel = kernel;
    for (size_t column = 0; column < c->columns;) {
      panel_size size = next_panel(c->columns - column);
      int is_narrow = size.used < size.width;
      size_t most = most_rows(size.vectors), tiles = (rows + most - 1) / most;
      size_t least = rows / tiles, taller = rows % tiles;
      convolution_tile t = {.left = chunk->left + (c->is_depthwise ? column : 0),
                            .right = panel, .right_row = size.width, .inner = inner, .inner_places = inner_places,
                            .bias = chunk->bias ? chunk->bias + column : NULL, .has_relu = chunk->has_relu};
      if (is_narrow)
        for (size_t i = 0; i < MOST_ROWS; i++) part_places[i] = (uint32_t)(i * size.width);
      size_t place = chunk->group * c->columns + column;
      for (size_t tile = 0, row = start; tile < tiles; tile += t.tiles) {
        size_t height = least + (tile < taller);
        t.tiles = is_narrow ? 1 : tile < taller ? taller : tiles - taller;
        const uint32_t *to = result_places + row;
        int is_part = is_narrow && !(overlaps && place + to[height - 1] + size.width <= chunk->room);
        t.left_places = left_places + row;
        t.result = is_part ? part : chunk->results + place;
        t.result_places = is_part ? part_places : to;
        (*tiles_of_kind)[size.vectors][height](&t);
        if (is_part)
          for (size_t i = 0; i < height; i++)
            for (size_t j = 0; j < size.used; j++) chunk->results[place + to[i] + j] = part[i * size.width + j];
        row += t.tiles * height;
      }
      panel += inner * size.width;
      column += size.used;
    }
  }
}

#define EACH_PIXEL UNROLLED for (size_t j = 0; j < PLANES; j++)

/* With vectors across the pixels of a row. Each tile has all channels. */
static void correlate_phase_in_planes(const correlation_chunk *chunk, correlation_axis y, correlation_axis x,
                                      const float *kernel, const uint32_t *inner_places) {
  const correlation *c = chunk->plan;
  size_t rows = rows_of_chunk(chunk, y), width = next_panel(c->columns).width;
  size_t top = y.taps ? (size_t)(y.start - c->top) : 0, left = x.taps ? (size_t)(x.start - c->left) : 0;
  int is_dense = c->phases_y * c->phases_x == 1;
  size_t step = x.step * c->columns, result_row = c->result_width * c->columns;
  uint32_t left_places[PLANES], part_places[PLANES];
  float part[PLANES * PANEL + PLANES] = {0};
  eight pixels[PLANES], bias = (eight)0.0f;
  if (chunk->bias) bias = *(const unaligned_eight *)chunk->bias;
  for (size_t i = 0; i < PLANES; i++) {
    left_places[i] = (uint32_t)i;
    part_places[i] = (uint32_t)(i * PANEL);
  }
  convolution_tile t = {.tiles = 1, .left = kernel, .left_places = left_places, .right_row = width,
                        .inner = y.taps * x.taps * c->inner, .inner_places = inner_places,
                        .result = part, .result_places = part_places};
  for (size_t example = 0; example < chunk->examples; example++)
    for (size_t row = 0; row < rows; row++) {
      size_t place = ((example * c->result_height + y.first + row * y.step) * result_row) + x.first * c->columns;
      const float *from = chunk->left + example * c->image_step + (top + row * y.stride) * c->row_step + left;
      for (size_t column = 0; column < x.results;) {
        panel_size size = next_panel(x.results - column);
        t.right = from + column;
        pixels_tiles[size.vectors][c->columns](&t);
        for (size_t first = 0; first < size.used; first += PLANES) {
          size_t count = size.used - first < PLANES ? size.used - first : PLANES;
          float *to = chunk->results + place;
          transpose_8((float *)pixels, PLANES, part + first, PANEL);
          if (chunk->bias) EACH_PIXEL pixels[j] = pixels[j] + bias;
          if (chunk->has_relu) EACH_PIXEL pixels[j] = pixels[j] < 0.0f ? (eight)0.0f : pixels[j];
          /* What is stored after a pixel belongs to one that follows. */
          if (is_dense && place + (count - 1) * step + PLANES <= chunk->room) {
            if (count == PLANES)
              EACH_PIXEL *(unaligned_eight *)(to + j * step) = pixels[j];
            else
              for (size_t j = 0; j < count; j++) *(unaligned_eight *)(to + j * step) = pixels[j];
          } else {
            for (size_t j = 0; j < count; j++)
              for (size_t k = 0; k < c->columns; k++) to[j * step + k] = pixels[j][k];
          }
          place += count * step;
        }
        column += size.used;
      }
    }
}

/* results = the correlations of all phases + bias, then ReLU if `has_relu`. `finish` is called for each part of the
 * results that is complete, as a part of one long row. */
static void correlate(const correlation *plan, float *results, const float *source, const float *weight,
                      const float *bias, int has_relu, size_t examples, finish_part finish, const void *context,
                      float *scratch) {
  const correlation c = *plan;
  size_t image = c.height * c.width * c.channels, result_row = c.result_width * c.result_channels;
  size_t result_image = c.result_height * result_row, end = examples * result_image;
  if (end == 0) return;
  size_t pixels = c.examples * c.rows * c.phases_y * c.result_width, phases = c.phases_y * c.phases_x;
  size_t inner = c.shape.kernel_height * c.shape.kernel_width * c.inner;
  uint32_t *left_places = (uint32_t *)take_scratch(&scratch, pixels);
  uint32_t *result_places = (uint32_t *)take_scratch(&scratch, pixels);
  uint32_t *inner_places = (uint32_t *)take_scratch(&scratch, inner);
  float *copy = take_scratch(&scratch, copy_values(&c));
  float *biases = take_scratch(&scratch, whole_vectors(c.columns) + PLANES);
  float *kernels = take_scratch(&scratch, inner * whole_vectors(c.columns));
  if (c.is_copied) memset(copy, 0, copy_values(&c) * sizeof(float));
  for (size_t group = 0; group < c.groups; group++) {
    float *kernel = kernels;
    size_t places = 0, taps = 0;
    for (size_t phase = 0; phase < phases; phase++) {
      correlation_axis y = axis_y(&c, phase / c.phases_x), x = axis_x(&c, phase % c.phases_x);
      kernel = pack_kernel(kernel, &c, y, x, weight, group);
      if (group > 0) continue;
      places += list_results(left_places + places, result_places + places, &c, y, x);
      taps += list_taps(inner_places + taps, &c, y, x);
    }
    if (bias) copy_panel(biases, whole_vectors(c.columns) + PLANES, bias + group * c.columns, 0, 1, c.columns);
    correlation_chunk chunk = {.plan = &c, .group = group, .bias = bias ? biases : NULL, .has_relu = has_relu};
    for (size_t example = 0; example < examples; example += chunk.examples) {
      chunk.examples = examples - example < c.examples ? examples - example : c.examples;
      for (chunk.first = 0; chunk.first < c.results_y; chunk.first += c.rows) {
        size_t first = chunk.first * c.phases_y, last = (chunk.first + c.rows) * c.phases_y;
        last = last < c.result_height ? last : c.result_height;
        size_t begin = example * result_image + first * result_row;
        chunk.left = chunk_of_source(&c, source + example * image, chunk.first, group, chunk.examples, copy);
        chunk.results = results + begin;
        chunk.room = end - begin;
        kernel = kernels;
        places = 0, taps = 0;
        for (size_t phase = 0; phase < phases; phase++) {
          correlation_axis y = axis_y(&c, phase / c.phases_x), x = axis_x(&c, phase % c.phases_x);
          if (c.is_planar)
            correlate_phase_in_planes(&chunk, y, x, kernel, inner_places + taps);
          else
            correlate_phase(&chunk, y, x, kernel, inner_places + taps, left_places + places, result_places + places);
          taps += y.taps * x.taps * c.inner;
          kernel += y.taps * x.taps * c.inner * whole_vectors(c.columns);
          places += c.examples * (c.rows < y.results ? c.rows : y.results) * x.results;
        }
        if (finish && group + 1 == c.groups)
          finish(context, 0, 1, begin, chunk.examples * (last - first) * result_row);
      }
    }
  }
}

static size_t correlation_scratch(const correlation *c) {
  size_t inner = c->shape.kernel_height * c->shape.kernel_width * c->inner;
  return 2 * whole_lines(c->examples * c->rows * c->phases_y * c->result_width) + whole_lines(inner) +
         whole_lines(copy_values(c)) + whole_lines(whole_vectors(c->columns) + PLANES) +
         inner * whole_vectors(c->columns) + CACHE_LINE;
}

/* Applies the activation to a part of the outputs, which has the bias. */
static void activate_part(const void *context, size_t row, size_t rows, size_t column, size_t count) {
  const finish_outputs f = *(const finish_outputs *)context;
  float *restrict values = f.outputs + column;
  float *restrict activated = f.activated ? f.activated + column : NULL;
  (void)row, (void)rows;
  FOR_ACTIVATION(f.activation, {
    if (activated) {
      VECTORIZED for (size_t i = 0; i < count; i++) activated[i] = activate(values[i], activation);
    } else {
      VECTORIZED for (size_t i = 0; i < count; i++) values[i] = activate(values[i], activation);
    }
  })
}

/* Sums over the kernel's rows, its columns, the channels of a pixel, all ascending. */
static void convolution(float *outputs, float *activated, const float *inputs, const float *weight, const float *bias,
                        size_t examples, const lk_convolution *shape, lk_activation activation, float *scratch) {
  correlation c = plan_correlation(shape, for_outputs);
  finish_outputs finish = {outputs, activated, bias, 0, activation};
  int has_relu = bias && !activated && activation == LK_RELU;
  int is_complete = !bias || (!activated && (activation == LK_IDENTITY || activation == LK_RELU));
  correlate(&c, outputs, inputs, weight, bias, has_relu, examples, is_complete ? NULL : activate_part, &finish,
            scratch);
}

/* Sums over the rows and the columns of the outputs that read the input, and the channels of a pixel, all ascending. */
static void convolution_input_gradient(float *input_gradients, const float *output_gradients, const float *weight,
                                       const float *kept, size_t examples, const lk_convolution *shape,
                                       lk_activation activation, float *scratch) {
  correlation c = plan_correlation(shape, for_input_gradient);
  finish_gradients finish = {input_gradients, kept, 0, activation};
  correlate(&c, input_gradients, output_gradients, weight, NULL, 0, examples, kept ? finish_gradient_part : NULL,
            &finish, scratch);
}

/* Sums over the examples, the rows and the columns of their outputs, all ascending. */
static void convolution_weight_gradient(float *gradient, const float *inputs, const float *output_gradients,
                                        size_t examples, const lk_convolution *shape, float *scratch) {
  const lk_convolution s = *shape;
  correlation c = plan_correlation(shape, for_weight_gradient);
  size_t image = c.height * c.width * c.channels, out_image = s.out_height * s.out_width * s.out_channels;
  size_t in = s.kernel_height * s.kernel_width * c.inner, columns = whole_vectors(c.columns);
  if (in == 0) return;
  if (examples * out_image == 0) {
    memset(gradient, 0, in * s.out_channels * sizeof(float));
    return;
  }
  size_t pixels = c.examples * c.rows * c.results_x;
  uint32_t *left_places = (uint32_t *)take_scratch(&scratch, in), *sum_places = (uint32_t *)take_scratch(&scratch, in);
  uint32_t *inner_places = (uint32_t *)take_scratch(&scratch, pixels);
  uint32_t *result_places = (uint32_t *)take_scratch(&scratch, pixels);
  float *copy = take_scratch(&scratch, copy_values(&c)), *sums = take_scratch(&scratch, in * columns);
  float *packed = take_scratch(&scratch, pixels * PANEL);
  list_taps(left_places, &c, axis_y(&c, 0), axis_x(&c, 0));
  list_results(inner_places, result_places, &c, axis_y(&c, 0), axis_x(&c, 0));
  for (size_t i = 0; i < in; i++) sum_places[i] = (uint32_t)(i * columns);
  if (c.is_copied) memset(copy, 0, copy_values(&c) * sizeof(float));

  for (size_t group = 0; group < c.groups; group++) {
    int continues = 0;
    for (size_t example = 0; example < examples;) {
      size_t together = examples - example < c.examples ? examples - example : c.examples;
      for (size_t first = 0; first < s.out_height; first += c.rows) {
        size_t rows = s.out_height - first < c.rows ? s.out_height - first : c.rows;
        const float *left = chunk_of_source(&c, inputs + example * image, first, group, together, copy);
        size_t begin = example * out_image + first * s.out_width * s.out_channels, room = examples * out_image - begin;
        const float *right = output_gradients + begin;
        for (size_t column = 0; column < c.columns;) {
          panel_size size = next_panel(c.columns - column);
          size_t most = most_rows(size.vectors);
          size_t tiles = (in + most - 1) / most, least = in / tiles, taller = in % tiles;
          /* What is read after a narrow row is not used. */
          size_t place = group * c.columns + column, count = together * rows * s.out_width;
          int fits = (count - 1) * s.out_channels + place + size.width <= room;
          int packs = !fits || (tiles >= PACKED_FROM_TILES && s.out_channels > size.width && !c.is_depthwise);
          if (packs && fits)
            for (size_t pixel = 0; pixel < count; pixel++)
              for (size_t v = 0; v < size.width; v += WIDTH)
                store(packed + pixel * size.width + v, load(right + pixel * s.out_channels + place + v));
          else if (packs)
            copy_panel(packed, size.width, right + place, s.out_channels, count, size.used);
          convolution_tile t = {.left = left + (c.is_depthwise ? column : 0),
                                .right = packs ? packed : right + place,
                                .right_row = packs ? size.width : s.out_channels,
                                .inner = count, .inner_places = inner_places,
                                .result = sums + column, .continues = continues};
          for (size_t tile = 0, row = 0; tile < tiles; tile += t.tiles) {
            size_t height = least + (tile < taller);
            t.tiles = tile < taller ? taller : tiles - taller;
            t.left_places = left_places + row;
            t.result_places = sum_places + row;
            (c.is_depthwise ? depthwise_tiles : channels_tiles)[size.vectors][height](&t);
            row += t.tiles * height;
          }
          column += size.used;
        }
        continues = 1;
      }
      example += together;
    }
    copy_rows(gradient + group * c.columns, s.out_channels, sums, columns, in, c.columns);
  }
}

/* Values of scratch that any of the three needs, for any number of examples. */
static size_t convolution_scratch(const lk_convolution *shape) {
  correlation output = plan_correlation(shape, for_outputs), input = plan_correlation(shape, for_input_gradient);
  correlation c = plan_correlation(shape, for_weight_gradient);
  size_t in = shape->kernel_height * shape->kernel_width * c.inner;
  size_t pixels = c.examples * c.rows * c.results_x;
  size_t most = 2 * (whole_lines(in) + whole_lines(pixels)) + whole_lines(copy_values(&c)) +
                whole_lines(in * whole_vectors(c.columns)) + pixels * PANEL + CACHE_LINE;
  size_t output_most = correlation_scratch(&output), input_most = correlation_scratch(&input);
  most = most > output_most ? most : output_most;
  return most > input_most ? most : input_most;
}
