/* Products of row-major matrices. Each element is one sum, by fused multiply-add with the inner index ascending from 0.
 * Vectors, tiles and blocks only choose which elements are computed together, so they do not change a bit. */

/* TILES(TILE) is TILE(ROWS, VECTORS) for every size of a register tile. With 1, 2, … vectors a row, it has at most
 * tile_rows rows: the sums fit into the registers, and are enough to hide the latency of a multiply-add. The widest
 * tile covers whole cache lines. */
#define TILES_OF_4(TILE, VECTORS) TILE(1, VECTORS) TILE(2, VECTORS) TILE(3, VECTORS) TILE(4, VECTORS)
#define TILES_OF_8(TILE, VECTORS) \
  TILES_OF_4(TILE, VECTORS) TILE(5, VECTORS) TILE(6, VECTORS) TILE(7, VECTORS) TILE(8, VECTORS)
#if WIDTH == 16
#define TILES(TILE) \
  TILES_OF_8(TILE, 1) TILES_OF_8(TILE, 2) TILE(9, 2) TILE(10, 2) TILE(11, 2) TILE(12, 2) TILES_OF_8(TILE, 3)
enum { MOST_ROWS = 12, MOST_VECTORS = 3 };
static const size_t tile_rows[] = {0, 8, 12, 8};
#else
#define TILES(TILE) TILES_OF_8(TILE, 1) TILES_OF_4(TILE, 2) TILE(5, 2) TILE(6, 2)
enum { MOST_ROWS = 8, MOST_VECTORS = 2 };
static const size_t tile_rows[] = {0, 8, 6};
#endif
enum { PANEL = MOST_VECTORS * WIDTH };
_Static_assert(PANEL <= LK_PANEL, "callers reserve LK_PANEL columns");

/* The inner index is summed in blocks of at most INNER, so that the columns of a block stay in the cache. */
enum { INNER = LK_INNER };

enum { CACHE_LINE = 16 }; /* in floats */

/* The next `count` values of the scratch, from the beginning of a cache line on. */
INLINE float *take_scratch(float **scratch, size_t count) {
  size_t beyond = (uintptr_t)*scratch / sizeof(float) % CACHE_LINE;
  float *taken = *scratch + (CACHE_LINE - beyond) % CACHE_LINE;
  *scratch = taken + count;
  return taken;
}

/* How many rows before its use a row of the right matrix is fetched, where rows lie too far apart for the processor to
 * see the pattern. Into the second cache: in the first, rows that are a power of two apart displace each other. */
enum { AHEAD = 48 };

/* The first part's size if `count` is divided into the fewest parts of at most `most`, as equal as possible. */
INLINE size_t first_part(size_t count, size_t most) {
  size_t parts = (count + most - 1) / most;
  return parts == 0 ? 0 : (count + parts - 1) / parts;
}

/* The next panel of columns: `vectors` vectors wide, of which the first `used` columns are in the matrix. */
typedef struct {
  size_t vectors, width, used;
} panel_size;
INLINE panel_size next_panel(size_t columns_left) {
  size_t vectors = first_part((columns_left + WIDTH - 1) / WIDTH, MOST_VECTORS);
  size_t width = vectors * WIDTH;
  return (panel_size){vectors, width, columns_left < width ? columns_left : width};
}

/* Copies rows of `columns` values to rows of `width`, with zeros after them. */
INLINE void copy_panel(float *copy, size_t width, const float *values, size_t row, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, copy += width, values += row) {
    for (size_t c = 0; c < columns; c++) copy[c] = values[c];
    for (size_t c = columns; c < width; c++) copy[c] = 0.0f;
  }
}

INLINE void copy_rows(float *copy, size_t copy_row, const float *values, size_t row, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) memcpy(copy + r * copy_row, values + r * row, columns * sizeof(float));
}

typedef float eight __attribute__((ext_vector_type(8)));
typedef float unaligned_eight __attribute__((ext_vector_type(8), aligned(4)));
#define SHUFFLE(A, B, ...) __builtin_shufflevector(A, B, __VA_ARGS__)

/* Transposes 8 × 8 values in registers: pairs of columns, then fours, then halves. */
INLINE void transpose_8(float *restrict result, size_t result_row, const float *restrict values, size_t row) {
  eight a[8], b[8];
  UNROLLED for (size_t i = 0; i < 8; i++) a[i] = *(const unaligned_eight *)(values + i * row);
  UNROLLED for (size_t i = 0; i < 8; i += 2) {
    b[i] = SHUFFLE(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[i + 1] = SHUFFLE(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  UNROLLED for (size_t i = 0; i < 8; i += 4) {
    a[i] = SHUFFLE(b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    a[i + 1] = SHUFFLE(b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    a[i + 2] = SHUFFLE(b[i + 1], b[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    a[i + 3] = SHUFFLE(b[i + 1], b[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  UNROLLED for (size_t i = 0; i < 4; i++) {
    *(unaligned_eight *)(result + i * result_row) = SHUFFLE(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(unaligned_eight *)(result + (i + 4) * result_row) = SHUFFLE(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

/* result (columns × rows, in rows of result_row) = valuesᵀ, in blocks of 8 rows by a cache line of columns. */
static void transpose(float *restrict result, size_t result_row, const float *restrict values, size_t row, size_t rows,
                      size_t columns) {
  for (size_t c = 0; c < columns; c += CACHE_LINE)
    for (size_t r = 0; r < rows; r += 8)
      for (size_t half = c; half < c + CACHE_LINE && half < columns; half += 8) {
        size_t height = rows - r < 8 ? rows - r : 8, width = columns - half < 8 ? columns - half : 8;
        const float *from = values + r * row + half;
        float *to = result + half * result_row + r;
        if (height == 8 && width == 8)
          transpose_8(to, result_row, from, row);
        else
          for (size_t j = 0; j < width; j++)
            for (size_t i = 0; i < height; i++) to[j * result_row + i] = from[i * row + j];
      }
}

#define EACH_SUM UNROLLED for (size_t i = 0; i < rows; i++) UNROLLED for (size_t v = 0; v < vectors; v++)

/* Adds the products of one inner index: `rows` values of the left matrix, `left_row` apart, and a row of the right,
 * which is also copied if `copy` is not null. */
INLINE void add_products(vector sum[MOST_ROWS][MOST_VECTORS], const size_t rows, const size_t vectors,
                         const float *left, size_t left_row, const float *right, float *copy) {
  vector y[MOST_VECTORS];
  UNROLLED for (size_t v = 0; v < vectors; v++) y[v] = load(right + v * WIDTH);
  if (copy) UNROLLED for (size_t v = 0; v < vectors; v++) store(copy + v * WIDTH, y[v]);
  UNROLLED for (size_t i = 0; i < rows; i++) {
    vector x = (vector)left[i * left_row];
    UNROLLED for (size_t v = 0; v < vectors; v++) sum[i][v] = __builtin_elementwise_fma(x, y[v], sum[i][v]);
  }
}

typedef struct {
  const float *left; /* element (i, k) is left[i * left_row + k] */
  size_t left_row;
  const float *right; /* element (k, j) is right[k * right_row + j] */
  size_t right_row;
  size_t inner;
  float *result; /* element (i, j) is result[i * result_row + j] */
  size_t result_row;
  int continues; /* whether `result` holds the sums of the inner indices before */
  float *copy;   /* where the rows of `right` are copied to, without gaps; null for nowhere */
} product_tile;

INLINE void compute_product_tile(const product_tile *tile, const size_t rows, const size_t vectors) {
  const product_tile t = *tile;
  vector sum[MOST_ROWS][MOST_VECTORS];
  if (t.continues) {
    EACH_SUM sum[i][v] = load(t.result + i * t.result_row + v * WIDTH);
  } else {
    EACH_SUM sum[i][v] = (vector)0.0f;
  }
  const float *right = t.right;
  float *copy = t.copy;
  if (copy)
    for (size_t k = 0; k < t.inner; k++, right += t.right_row, copy += vectors * WIDTH) {
      UNROLLED for (size_t v = 0; v < vectors; v++) __builtin_prefetch(right + AHEAD * t.right_row + v * WIDTH, 0, 2);
      add_products(sum, rows, vectors, t.left + k, t.left_row, right, copy);
    }
  else
    for (size_t k = 0; k < t.inner; k++, right += t.right_row)
      add_products(sum, rows, vectors, t.left + k, t.left_row, right, NULL);
  EACH_SUM store(t.result + i * t.result_row + v * WIDTH, sum[i][v]);
}

#define DEFINE_PRODUCT_TILE(ROWS, VECTORS) \
  static void product_tile_##ROWS##_##VECTORS(const product_tile *tile) { compute_product_tile(tile, ROWS, VECTORS); }
TILES(DEFINE_PRODUCT_TILE)
#define PRODUCT_TILE(ROWS, VECTORS) [VECTORS][ROWS] = product_tile_##ROWS##_##VECTORS,
static void (*const product_tiles[MOST_VECTORS + 1][MOST_ROWS + 1])(const product_tile *) = {TILES(PRODUCT_TILE)};

/* Is called for each part of a result as soon as it is complete. */
typedef void (*finish_part)(const void *context, size_t row, size_t rows, size_t column, size_t columns);

/* A panel of a product's result, for one block of the inner index: all rows, tile by tile. */
typedef struct {
  const float *left; /* element (row, k) is left[row * left_row + k] */
  size_t left_row, rows;
  const float *right; /* the panel's first column */
  size_t right_row, inner;
  float *result;
  size_t columns; /* of the result */
  size_t column;  /* the panel's first */
  panel_size size;
  int continues, is_last;
  float *copy; /* where the first tile copies the panel for those after it; null for nowhere */
} product_panel;

INLINE void multiply_panel(product_panel p, finish_part finish, const void *context) {
  int is_narrow = p.size.used < p.size.width;
  for (size_t row = 0; row < p.rows;) {
    size_t height = first_part(p.rows - row, tile_rows[p.size.vectors]);
    float *place = p.result + row * p.columns + p.column, part[MOST_ROWS * PANEL];
    product_tile tile = {.left = p.left + row * p.left_row, .left_row = p.left_row,
                         .right = p.right, .right_row = p.right_row, .inner = p.inner,
                         .result = is_narrow ? part : place, .result_row = is_narrow ? p.size.width : p.columns,
                         .continues = p.continues, .copy = height < p.rows ? p.copy : NULL};
    if (is_narrow && p.continues) copy_rows(part, p.size.width, place, p.columns, height, p.size.used);
    product_tiles[p.size.vectors][height](&tile);
    if (is_narrow) copy_rows(place, p.columns, part, p.size.width, height, p.size.used);
    if (finish && p.is_last) finish(context, row, height, p.column, p.size.used);
    if (tile.copy) {
      p.right = p.copy;
      p.right_row = p.size.width;
      p.copy = NULL;
    }
    row += height;
  }
}

/* result = left · right, or left · rightᵀ. scratch: INNER · PANEL values */
INLINE void multiply(const float *left, const float *right, const int is_transposed, size_t rows, size_t inner,
                     size_t columns, float *result, finish_part finish, const void *context, float *scratch) {
  for (size_t column = 0; column < columns;) {
    panel_size size = next_panel(columns - column);
    size_t k = 0;
    do {
      size_t depth = first_part(inner - k, INNER);
      product_panel panel = {.left = left + k, .left_row = inner, .rows = rows,
                             .right = scratch, .right_row = size.width, .inner = depth,
                             .result = result, .columns = columns, .column = column, .size = size,
                             .continues = k > 0, .is_last = k + depth == inner};
      if (is_transposed) {
        if (size.used < size.width) memset(scratch, 0, depth * size.width * sizeof(float));
        transpose(scratch, size.width, right + column * inner + k, inner, size.used, depth);
      } else if (size.used < size.width) {
        copy_panel(scratch, size.width, right + k * columns + column, columns, depth, size.used);
      } else {
        panel.right = right + k * columns + column;
        panel.right_row = columns;
        panel.copy = scratch;
      }
      multiply_panel(panel, finish, context);
      k += depth;
    } while (k < inner);
    column += size.used;
  }
}

/* An input gradient can be computed from panels of the transposed weights, or as (weight · output_gradientsᵀ)ᵀ, which
 * transposes the gradients instead. About the cycles of each, in eighths: a value takes 3 to transpose, a multiply-add
 * of a vector 8. */
INLINE int transposed_weights_are_cheaper(size_t examples, size_t in, size_t out) {
  size_t vectors = (examples + WIDTH - 1) / WIDTH;
  return in * out * (8 * examples / WIDTH + 3) <= in * out * 8 * vectors + 3 * examples * (in + out);
}

enum { GROUP = 48 }; /* rows of weights that all examples use before the next rows */

/* input_gradients (examples × in) = output_gradients · weightᵀ.
 * scratch: the larger of INNER · PANEL and (examples rounded up to whole vectors) · (in + out) values */
static void input_gradient(float *input_gradients, const float *output_gradients, const float *weight, size_t examples,
                           size_t in, size_t out, finish_part finish, const void *context, float *scratch) {
  if (transposed_weights_are_cheaper(examples, in, out)) {
    multiply(output_gradients, weight, 1, examples, out, in, input_gradients, finish, context, scratch);
    return;
  }
  size_t padded = (examples + WIDTH - 1) / WIDTH * WIDTH;
  float *panels = scratch, *sums = scratch + padded * out;
  for (size_t column = 0; column < examples;) {
    panel_size size = next_panel(examples - column);
    if (size.used < size.width) memset(panels + column * out, 0, size.width * out * sizeof(float));
    transpose(panels + column * out, size.width, output_gradients + column * out, out, size.used, out);
    column += size.width;
  }
  size_t k = 0;
  do {
    size_t depth = first_part(out - k, INNER);
    for (size_t row = 0; row < in; row += GROUP) {
      size_t rows = in - row < GROUP ? in - row : GROUP;
      for (size_t column = 0; column < examples;) {
        panel_size size = next_panel(examples - column);
        size.used = size.width; /* the sums' rows are padded */
        product_panel panel = {.left = weight + row * out + k, .left_row = out, .rows = rows,
                               .right = panels + column * out + k * size.width, .right_row = size.width, .inner = depth,
                               .result = sums + row * padded, .columns = padded, .column = column, .size = size,
                               .continues = k > 0};
        multiply_panel(panel, NULL, NULL);
        column += size.width;
      }
      if (k + depth == out) {
        transpose(input_gradients + row, in, sums + row * padded, padded, rows, examples);
        if (finish) finish(context, 0, examples, row, rows);
      }
    }
    k += depth;
  } while (k < out);
}

typedef struct {
  const float *inputs; /* element (example, i) is inputs[example * input_row + i] */
  size_t input_row;
  const float *panel; /* of the output gradients */
  const size_t *ends;
  size_t micro_batches;
  float *result;
  size_t result_row;
} gradient_tile;

/* Each micro-batch is summed in registers. Their sums are added along the tree like carries of a binary counter:
 * `stack` holds one sum for each set bit of the count of micro-batches before. The last sum is added to them all. */
INLINE void compute_gradient_tile(const gradient_tile *tile, const size_t rows, const size_t vectors) {
  const gradient_tile t = *tile;
  vector stack[LK_TREE_DEPTH][MOST_ROWS][MOST_VECTORS];
  size_t depth = 0, example = 0;
  const float *inputs = t.inputs, *panel = t.panel;
  /* Rows of the result may lie too far apart for the processor to see the pattern. */
  for (size_t i = 0; i < rows; i++)
    for (size_t v = 0; v < vectors * WIDTH; v += CACHE_LINE) __builtin_prefetch(t.result + i * t.result_row + v, 1);
  for (size_t count = 1;; count++) {
    vector sum[MOST_ROWS][MOST_VECTORS];
    EACH_SUM sum[i][v] = (vector)0.0f;
    for (; example < t.ends[count - 1]; example++, inputs += t.input_row, panel += vectors * WIDTH)
      add_products(sum, rows, vectors, inputs, 1, panel, NULL);
    int is_last = count == t.micro_batches;
    for (size_t carry = count; depth > 0 && (carry % 2 == 0 || is_last); carry /= 2) {
      depth--;
      EACH_SUM sum[i][v] = stack[depth][i][v] + sum[i][v];
    }
    if (is_last) {
      EACH_SUM store(t.result + i * t.result_row + v * WIDTH, sum[i][v]);
      return;
    }
    EACH_SUM stack[depth][i][v] = sum[i][v];
    depth++;
  }
}

#define DEFINE_GRADIENT_TILE(ROWS, VECTORS) \
  static void gradient_tile_##ROWS##_##VECTORS(const gradient_tile *tile) {  \
    compute_gradient_tile(tile, ROWS, VECTORS);                              \
  }
TILES(DEFINE_GRADIENT_TILE)
#define GRADIENT_TILE(ROWS, VECTORS) [VECTORS][ROWS] = gradient_tile_##ROWS##_##VECTORS,
static void (*const gradient_tiles[MOST_VECTORS + 1][MOST_ROWS + 1])(const gradient_tile *) = {TILES(GRADIENT_TILE)};

/* Copies the inputs of each tile of rows to a place of its own, example by example: read where they are, inputs a power
 * of two apart displace each other in the first cache. */
INLINE void pack_inputs(float *packed, const float *inputs, size_t examples, size_t in, size_t tiles, size_t least,
                        size_t taller) {
  enum {
    TOGETHER = 4,                                    /* examples, so that whole cache lines are read and written */
    COPIED = (MOST_ROWS + WIDTH - 1) / WIDTH * WIDTH /* too many: the next examples of the tile write over the rest */
  };
  for (size_t first = 0; first < examples; first += TOGETHER) {
    size_t end = first + TOGETHER < examples ? first + TOGETHER : examples;
    for (size_t tile = 0, row = 0; tile < tiles; tile++) {
      size_t height = least + (tile < taller);
      for (size_t example = first; example < end; example++) {
        const float *from = inputs + example * in + row;
        float *to = packed + row * examples + example * height;
        if (example * height + COPIED <= examples * height && example * in + row + COPIED <= examples * in)
          UNROLLED for (size_t i = 0; i < COPIED; i += WIDTH) store(to + i, load(from + i));
        else
          memcpy(to, from, height * sizeof(float));
      }
      row += height;
    }
  }
}

/* Copying pays where each input is read often. */
enum { PACKED_FROM = WIDTH == 16 ? 512 : 160 };

/* gradient (in × out) = Σ over micro-batches of inputsᵀ · output_gradients, along the reduction tree.
 * scratch: examples · (PANEL + in) values */
static void weight_gradient(float *gradient, const float *inputs, const float *output_gradients, size_t examples,
                            size_t in, size_t out, const size_t *ends, size_t micro_batches, float *scratch) {
  if (in == 0 || out == 0) return;
  float *panel = scratch, *packed = scratch + examples * PANEL;
  /* Fits every panel: panels do not get wider, and after one of 2 vectors none of 1 follows. */
  size_t most = tile_rows[next_panel(out).vectors];
  size_t tiles = (in + most - 1) / most, least = in / tiles, taller = in % tiles;
  int packs = out >= PACKED_FROM;
  if (packs) pack_inputs(packed, inputs, examples, in, tiles, least, taller);
  for (size_t column = 0; column < out;) {
    panel_size size = next_panel(out - column);
    int is_narrow = size.used < size.width;
    copy_panel(panel, size.width, output_gradients + column, out, examples, size.used);
    for (size_t tile = 0, row = 0; tile < tiles; tile++) {
      size_t height = least + (tile < taller);
      float *place = gradient + row * out + column, part[MOST_ROWS * PANEL];
      gradient_tile t = {.inputs = packs ? packed + row * examples : inputs + row, .input_row = packs ? height : in,
                         .panel = panel, .ends = ends, .micro_batches = micro_batches,
                         .result = is_narrow ? part : place, .result_row = is_narrow ? size.width : out};
      gradient_tiles[size.vectors][height](&t);
      if (is_narrow) copy_rows(place, out, part, size.width, height, size.used);
      row += height;
    }
    column += size.used;
  }
}

/* As many independent sums as the largest tile has, which hides the latency. */
static double multiply_adds(size_t rounds) {
  enum { SUMS = 24 * WIDTH / 16 < 12 ? 12 : 24 * WIDTH / 16 };
  vector sum[SUMS], x = (vector)0.999f, y = (vector)0.001f;
  UNROLLED for (size_t i = 0; i < SUMS; i++) sum[i] = (vector)(float)i;
  for (size_t round = 0; round < rounds; round++)
    UNROLLED for (size_t i = 0; i < SUMS; i++) sum[i] = __builtin_elementwise_fma(sum[i], x, y);
  volatile float used = 0;
  UNROLLED for (size_t i = 0; i < SUMS; i++) used = sum[i][0];
  (void)used;
  return (double)rounds * SUMS * WIDTH;
}
