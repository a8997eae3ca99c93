/* Scaled dot-product attention without the matrix of all scores: Dao et al., "FlashAttention", 2022; Milakov and
 * Gimelshein, "Online normalizer calculation for softmax", 2018. Scores lie transposed, a row for each key, so that
 * vectors run across queries. Blocks of queries choose only what is computed together; blocks of keys are part of the
 * forward definition, because sums are scaled between them. */

enum { POSITIONS = LK_ATTENTION_KEYS }; /* of a block: keys, and queries too */
_Static_assert(POSITIONS % LK_LANES == 0 && LK_LANES % WIDTH == 0, "rows of scores are whole vectors");

/* The tiles' sizes. Rows after the last of a block are computed too, up to a whole tile, and never used. They are
 * within the block's memory: its POSITIONS rows are tall tiles, or tall tiles and a low one. */
#if WIDTH == 16
#define ATTENTION_TILES(TILE) TILE(8, 1) TILE(8, 2)
enum { TALL = 8, LOW = 8 };
#else
#define ATTENTION_TILES(TILE) TILE(4, 1) TILE(4, 2) TILE(6, 1) TILE(6, 2)
enum { TALL = 6, LOW = 4 };
#endif
_Static_assert(POSITIONS % TALL == 0 || POSITIONS % TALL == LOW, "tiles must not leave the block");
INLINE size_t tile_height(size_t rows_left) { return rows_left <= LOW ? LOW : TALL; }

/* Whether the tiles end where the rows do. */
INLINE int are_whole_tiles(size_t rows) {
  size_t last = rows % POSITIONS % TALL;
  return last == 0 || last == LOW;
}

/* Queries whose scores are always computed together. On the diagonal, keys after the last of them are left out. */
enum { TOGETHER = WIDTH == 16 ? 16 : 2 * WIDTH };
INLINE size_t whole_groups(size_t queries) { return (queries + TOGETHER - 1) / TOGETHER * TOGETHER; }

typedef struct {
  const float *left; /* element (i, k) is left[i * left_row + k * left_inner] */
  size_t left_row, left_inner;
  const float *right; /* element (k, j) is right[k * right_row + j] */
  size_t right_row, inner;
  size_t head;   /* of the first `head` inner indices, index k belongs to the rows 0…k only */
  int has_tail;  /* after `inner` indices, one follows for the rows from 1 on, one for those from 2 on, and so on */
  float *result; /* element (i, j) is result[i * result_row + j] */
  size_t result_row;
  int continues;        /* whether `result` holds the sums of the inner indices before */
  const float *factors; /* row i of those sums is multiplied by factors[i]; null for 1 */
  const float *scales;  /* at the end, row i is multiplied by scales[i]; null for `scale` */
  float scale;
} attention_tile;

/* add_products, to the rows from `first` up to `end` only. */
INLINE void add_row_products(vector sum[MOST_ROWS][MOST_VECTORS], const size_t first, const size_t end,
                             const size_t rows, const size_t vectors, const float *left, size_t left_row,
                             const float *right) {
  UNROLLED for (size_t v = 0; v < vectors; v++) {
    vector y = load(right + v * WIDTH);
    UNROLLED for (size_t i = 0; i < rows; i++)
      if (i >= first && i < end) sum[i][v] = __builtin_elementwise_fma((vector)left[i * left_row], y, sum[i][v]);
  }
}

INLINE void compute_attention_tile(const attention_tile *tile, const size_t rows, const size_t vectors) {
  const attention_tile t = *tile;
  vector sum[MOST_ROWS][MOST_VECTORS];
  if (!t.continues) {
    EACH_SUM sum[i][v] = (vector)0.0f;
  } else if (t.factors) {
    EACH_SUM sum[i][v] = load(t.result + i * t.result_row + v * WIDTH) * (vector)t.factors[i];
  } else {
    EACH_SUM sum[i][v] = load(t.result + i * t.result_row + v * WIDTH);
  }
  const float *left = t.left, *right = t.right;
  if (t.head > 0)
    UNROLLED for (size_t k = 0; k + 1 < rows; k++)
      if (k < t.head) {
        add_row_products(sum, 0, k + 1, rows, vectors, left, t.left_row, right);
        left += t.left_inner;
        right += t.right_row;
      }
  for (size_t k = t.head; k < t.inner; k++, left += t.left_inner, right += t.right_row)
    add_products(sum, rows, vectors, left, t.left_row, right, NULL);
  if (t.has_tail)
    UNROLLED for (size_t k = 1; k < rows; k++) {
      add_row_products(sum, k, rows, rows, vectors, left, t.left_row, right);
      left += t.left_inner;
      right += t.right_row;
    }
  EACH_SUM store(t.result + i * t.result_row + v * WIDTH, sum[i][v] * (vector)(t.scales ? t.scales[i] : t.scale));
}

#define DEFINE_ATTENTION_TILE(ROWS, VECTORS)                               \
  static void attention_tile_##ROWS##_##VECTORS(const attention_tile *t) { \
    compute_attention_tile(t, ROWS, VECTORS);                              \
  }
ATTENTION_TILES(DEFINE_ATTENTION_TILE)
#define ATTENTION_TILE(ROWS, VECTORS) [VECTORS][ROWS] = attention_tile_##ROWS##_##VECTORS,
static void (*const attention_tiles[3][TALL + 1])(const attention_tile *) = {ATTENTION_TILES(ATTENTION_TILE)};

/* A head's block of queries and block of keys. */
typedef struct {
  size_t queries, keys;
  int is_diagonal; /* query q attends to the keys 0…q of the block, not to all */
  size_t width;    /* of the head */
  size_t columns;  /* the width in whole vectors: zeros may follow a row of the head */
} attention_block;

typedef struct {
  float *values;
  size_t row;
} rows_of_sums;
typedef struct {
  const float *values;
  size_t row;
} rows_of_values;

/* products[key][query] = scale · left[key] · right[query]; on the diagonal, at least of the keys up to the query.
 * `right` is transposed. */
static void products_of_keys(float *products, rows_of_values left, const float *right, const attention_block *block,
                             float scale) {
  size_t queries = whole_groups(block->queries);
  for (size_t first = 0; first < queries;) {
    size_t vectors = WIDTH == 16 && (block->is_diagonal || first + WIDTH == queries) ? 1 : 2;
    size_t next = first + vectors * WIDTH, end = block->is_diagonal && next < block->keys ? next : block->keys;
    attention_tile tile = {.left_row = left.row, .left_inner = 1, .right = right + first, .right_row = POSITIONS,
                           .inner = block->width, .result_row = POSITIONS, .scale = scale};
    for (size_t key = 0; key < end;) {
      size_t height = tile_height(end - key);
      tile.left = left.values + key * left.row;
      tile.result = products + key * POSITIONS + first;
      attention_tiles[vectors][height](&tile);
      key += height;
    }
    first = next;
  }
}

/* sums[query] = Σ weights[key][query] · values[key] over the keys in ascending order, times scales[query] or `scale`.
 * If the sums continue, those before are multiplied by factors[query]. */
static void sum_over_keys(rows_of_sums sums, const float *weights, rows_of_values values, const attention_block *block,
                          int continues, const float *factors, const float *scales, float scale) {
  for (size_t column = 0; column < block->columns;) {
    size_t vectors = block->columns - column == WIDTH ? 1 : 2;
    attention_tile tile = {.left_row = 1, .left_inner = POSITIONS, .right = values.values + column,
                           .right_row = values.row, .inner = block->keys, .result_row = sums.row,
                           .continues = continues, .scale = scale};
    for (size_t query = 0; query < block->queries;) {
      size_t height = tile_height(block->queries - query);
      tile.left = weights + query;
      tile.result = sums.values + query * sums.row + column;
      tile.factors = factors ? factors + query : NULL;
      tile.scales = scales ? scales + query : NULL;
      if (block->is_diagonal) {
        tile.inner = query + 1;
        tile.has_tail = 1;
      }
      attention_tiles[vectors][height](&tile);
      query += height;
    }
    column += vectors * WIDTH;
  }
}

/* sums[key] = scale · Σ weights[key][query] · values[query] over the queries in ascending order. */
static void sum_over_queries(rows_of_sums sums, const float *weights, rows_of_values values,
                             const attention_block *block, int continues, float scale) {
  for (size_t column = 0; column < block->columns;) {
    size_t vectors = block->columns - column == WIDTH ? 1 : 2;
    attention_tile tile = {.left_row = POSITIONS, .left_inner = 1, .right_row = values.row, .result_row = sums.row,
                           .continues = continues, .scale = scale};
    for (size_t key = 0; key < block->keys;) {
      size_t height = tile_height(block->keys - key);
      size_t first = block->is_diagonal ? key : 0;
      tile.left = weights + key * POSITIONS + first;
      tile.right = values.values + first * values.row + column;
      tile.inner = block->queries - first;
      tile.head = !block->is_diagonal ? 0 : tile.inner < height - 1 ? tile.inner : height - 1;
      tile.result = sums.values + key * sums.row + column;
      attention_tiles[vectors][height](&tile);
      key += height;
    }
    column += vectors * WIDTH;
  }
}

/* The keys of the block, or on the diagonal the first of them, that one of WIDTH queries attends to. */
INLINE size_t keys_of(const attention_block *block, size_t query) {
  return block->is_diagonal && query + WIDTH < block->keys ? query + WIDTH : block->keys;
}

typedef uint32_t vector_bits __attribute__((ext_vector_type(WIDTH)));

/* The exponential of each x below 44 in two factors, as by exponential_parts, but the second is always 2⁻⁶⁴. The first
 * is a normal number all the same, so the product has the same bits. */
#define SMALL_EXPONENTIAL_SCALE 0x1p-64f
INLINE vector small_exponentials(vector x) {
  const vector rounding = (vector)0x1.8p23f, least = (vector)-104.0f;
  x = x < least ? least : x;
  vector shifted = __builtin_elementwise_fma(x, (vector)0x1.715476p+0f, rounding);
  vector n = shifted - rounding;
  vector r = __builtin_elementwise_fma(n, (vector)-0x1.62e4p-1f, x);
  r = __builtin_elementwise_fma(n, (vector)-0x1.7f7d1cp-20f, r);
  vector q = (vector)0x1.6a1a72p-10f;
  q = __builtin_elementwise_fma(q, r, (vector)0x1.123fc6p-7f);
  q = __builtin_elementwise_fma(q, r, (vector)0x1.555916p-5f);
  q = __builtin_elementwise_fma(q, r, (vector)0x1.55548ap-3f);
  q = __builtin_elementwise_fma(q, r, (vector)0x1.fffffcp-2f);
  vector power = __builtin_elementwise_fma(q, r * r, r) + (vector)1.0f;
  return power * (vector)(((vector_bits)shifted - (vector_bits)rounding + (64u + 127u)) << 23);
}

/* x in the lanes of the queries that attend to the `key`th key after the first lane's own, else the other value. */
INLINE vector attended(vector x, size_t key, float other) {
  vector lanes;
  UNROLLED for (size_t lane = 0; lane < WIDTH; lane++) lanes[lane] = (float)lane;
  return lanes >= (vector)(float)key ? x : (vector)other;
}

/* Scores become exponentials of their distance from the maximum so far. The sums go on, times factors[query]. */
static void exponentials_of_scores(float *restrict scores, const attention_block *block, float *restrict maxima,
                                   float *restrict sums, float *restrict factors) {
  const vector scale = (vector)SMALL_EXPONENTIAL_SCALE;
  for (size_t query = 0; query < block->queries; query += WIDTH) {
    size_t keys = keys_of(block, query), all = block->is_diagonal ? query : keys, key = 0;
    vector before = load(maxima + query), largest = before;
    float *column = scores + query;
    for (; key < all; key++) {
      vector score = load(column + key * POSITIONS);
      largest = score > largest ? score : largest;
    }
    for (; key < keys; key++) {
      vector score = attended(load(column + key * POSITIONS), key - query, -__builtin_inff());
      largest = score > largest ? score : largest;
    }
    vector factor = small_exponentials(before - largest) * scale, sum = load(sums + query) * factor;
    store(maxima + query, largest);
    store(factors + query, factor);
    for (key = 0; key < all; key++) {
      vector part = small_exponentials(load(column + key * POSITIONS) - largest);
      store(column + key * POSITIONS, part * scale);
      sum = __builtin_elementwise_fma(part, scale, sum);
    }
    for (; key < keys; key++) {
      vector part = attended(small_exponentials(load(column + key * POSITIONS) - largest), key - query, 0.0f);
      store(column + key * POSITIONS, part * scale);
      sum = __builtin_elementwise_fma(part, scale, sum);
    }
    store(sums + query, sum);
  }
}

/* Scores become exponentials, and their gradients those of the scores. What queries do not attend to is not used. */
static void gradients_of_scores(float *restrict scores, float *restrict gradients, const attention_block *block,
                                const float *restrict maxima, const float *restrict shifts) {
  for (size_t query = 0; query < block->queries; query += WIDTH) {
    size_t keys = keys_of(block, query);
    vector largest = load(maxima + query), shift = load(shifts + query);
    float *restrict score = scores + query, *restrict gradient = gradients + query;
    for (size_t key = 0; key < keys; key++, score += POSITIONS, gradient += POSITIONS) {
      vector exponential = small_exponentials(load(score) - largest) * (vector)SMALL_EXPONENTIAL_SCALE;
      store(score, exponential);
      store(gradient, exponential * (load(gradient) - shift));
    }
  }
}

INLINE rows_of_values from_row(rows_of_values rows, size_t first) {
  return (rows_of_values){rows.values + first * rows.row, rows.row};
}
INLINE rows_of_sums sums_from_row(rows_of_sums rows, size_t first) {
  return (rows_of_sums){rows.values + first * rows.row, rows.row};
}

INLINE void copy_row(float *restrict copy, const float *restrict values, size_t columns) {
  size_t c = 0;
  for (; c + WIDTH <= columns; c += WIDTH) store(copy + c, load(values + c));
  for (; c < columns; c++) copy[c] = values[c];
}

/* Copies rows, with zeros after their end and after the last of them up to `padded` rows. Returns the copy. */
INLINE rows_of_values pack_rows(float *copy, size_t copied_row, rows_of_values rows, size_t count, size_t padded,
                                size_t columns) {
  for (size_t r = 0; r < count; r++) {
    copy_row(copy + r * copied_row, rows.values + r * rows.row, columns);
    for (size_t c = columns; c < copied_row; c++) copy[r * copied_row + c] = 0.0f;
  }
  memset(copy + count * copied_row, 0, (padded - count) * copied_row * sizeof(float));
  return (rows_of_values){copy, copied_row};
}

INLINE void write_rows(rows_of_sums rows, const float *values, size_t row, size_t count, size_t columns) {
  for (size_t r = 0; r < count; r++) copy_row(rows.values + r * rows.row, values + r * row, columns);
}

/* packed = gradient · factor, with zeros after it. Returns Σ packed · output. */
INLINE float pack_gradient(float *restrict packed, size_t row, const float *restrict gradient,
                           const float *restrict output, size_t columns, float factor) {
  enum { VECTORS = LK_LANES / WIDTH };
  vector sum[VECTORS];
  float lanes[LK_LANES];
  UNROLLED for (size_t v = 0; v < VECTORS; v++) sum[v] = (vector)0.0f;
  size_t c = 0;
  for (; c + LK_LANES <= columns; c += LK_LANES)
    UNROLLED for (size_t v = 0; v < VECTORS; v++) {
      vector x = load(gradient + c + v * WIDTH) * (vector)factor;
      store(packed + c + v * WIDTH, x);
      sum[v] = __builtin_elementwise_fma(x, load(output + c + v * WIDTH), sum[v]);
    }
  UNROLLED for (size_t v = 0; v < VECTORS; v++) store(lanes + v * WIDTH, sum[v]);
  for (size_t lane = 0; c < columns; c++, lane++) {
    packed[c] = gradient[c] * factor;
    lanes[lane] = FMA(packed[c], output[c], lanes[lane]);
  }
  for (; c < row; c++) packed[c] = 0.0f;
  return sum_of_lanes(lanes);
}

INLINE void transpose_block(float *restrict result, const float *restrict values, size_t row, size_t rows,
                            size_t columns) {
  if (rows % LK_LANES != 0)
    for (size_t c = 0; c < columns; c++) memset(result + c * POSITIONS + rows, 0, (POSITIONS - rows) * sizeof(float));
  transpose(result, POSITIONS, values, row, rows, columns);
}

static size_t whole_blocks(size_t positions) { return (positions + POSITIONS - 1) / POSITIONS * POSITIONS; }

INLINE void zero_rows(float *values, size_t row, size_t count, size_t columns) {
  for (size_t r = 0; r < count; r++) memset(values + r * row, 0, columns * sizeof(float));
}

/* statistics: for each head the queries' maxima, then the reciprocals of their sums. */
static void attention(float *outputs, float *statistics, const float *queries, const float *keys, const float *values,
                      const lk_attention *shape, float *scratch) {
  const lk_attention s = *shape;
  if (s.keys == 0) {
    memset(statistics, 0, 2 * s.heads * s.queries * sizeof(float));
    zero_rows(outputs, s.output_row, s.queries, s.heads * s.width);
    return;
  }
  size_t row = (s.width + WIDTH - 1) / WIDTH * WIDTH, padded = whole_blocks(s.keys);
  float *packed_keys = take_scratch(&scratch, padded * row), *packed_values = take_scratch(&scratch, padded * row);
  float *turned = take_scratch(&scratch, POSITIONS * s.width), *scores = take_scratch(&scratch, POSITIONS * POSITIONS);
  float *accumulators = take_scratch(&scratch, POSITIONS * row);
  /* Rows are copied side by side where several blocks of queries use them, or tiles reach beyond them. */
  int reads_directly = s.queries <= POSITIONS && s.width == row && are_whole_tiles(s.keys);
  for (size_t head = 0; head < s.heads; head++) {
    size_t column = head * s.width;
    float *maxima_kept = statistics + 2 * head * s.queries, *reciprocals_kept = maxima_kept + s.queries;
    rows_of_values head_keys = {keys + column, s.key_row}, head_values = {values + column, s.value_row};
    if (!reads_directly) {
      head_keys = pack_rows(packed_keys, row, head_keys, s.keys, padded, s.width);
      head_values = pack_rows(packed_values, row, head_values, s.keys, padded, s.width);
    }
    for (size_t first = 0; first < s.queries; first += POSITIONS) {
      attention_block block = {.queries = s.queries - first < POSITIONS ? s.queries - first : POSITIONS, .columns = row,
                               .width = s.width};
      float maxima[POSITIONS], sums[POSITIONS], factors[POSITIONS], reciprocals[POSITIONS];
      for (size_t q = 0; q < POSITIONS; q++) {
        maxima[q] = -__builtin_inff();
        sums[q] = 0.0f;
      }
      transpose_block(turned, queries + first * s.query_row + column, s.query_row, block.queries, s.width);
      rows_of_sums output = {outputs + first * s.output_row + column, s.output_row}, result = {accumulators, row};
      size_t end = s.is_causal ? first + block.queries : s.keys;
      int writes_directly = end <= POSITIONS && s.width == row && are_whole_tiles(block.queries);
      if (writes_directly) result = output;
      size_t key = 0;
      do {
        block.keys = end - key < POSITIONS ? end - key : POSITIONS;
        block.is_diagonal = s.is_causal && key == first;
        products_of_keys(scores, from_row(head_keys, key), turned, &block, s.scale);
        exponentials_of_scores(scores, &block, maxima, sums, factors);
        int is_last = key + block.keys == end;
        if (is_last) VECTORIZED for (size_t q = 0; q < POSITIONS; q++) reciprocals[q] = 1.0f / sums[q];
        sum_over_keys(result, scores, from_row(head_values, key), &block, key > 0, factors,
                      is_last ? reciprocals : NULL, 1.0f);
        key += block.keys;
      } while (key < end);
      if (!writes_directly) write_rows(output, result.values, row, block.queries, s.width);
      memcpy(maxima_kept + first, maxima, block.queries * sizeof(float));
      memcpy(reciprocals_kept + first, reciprocals, block.queries * sizeof(float));
    }
  }
}

static void attention_gradients(float *query_gradients, float *key_gradients, float *value_gradients,
                                const float *output_gradients, const float *outputs, const float *statistics,
                                const float *queries, const float *keys, const float *values, const lk_attention *shape,
                                float *scratch) {
  const lk_attention s = *shape;
  if (s.queries == 0 || s.keys == 0) {
    zero_rows(query_gradients, s.query_row, s.queries, s.heads * s.width);
    zero_rows(key_gradients, s.key_row, s.keys, s.heads * s.width);
    zero_rows(value_gradients, s.value_row, s.keys, s.heads * s.width);
    return;
  }
  size_t row = (s.width + WIDTH - 1) / WIDTH * WIDTH, padded = whole_blocks(s.keys);
  float *packed_keys = take_scratch(&scratch, padded * row), *packed_values = take_scratch(&scratch, padded * row);
  float *key_sums = take_scratch(&scratch, padded * row), *value_sums = take_scratch(&scratch, padded * row);
  float *packed_queries = take_scratch(&scratch, POSITIONS * row);
  float *packed_gradients = take_scratch(&scratch, POSITIONS * row);
  float *turned_queries = take_scratch(&scratch, POSITIONS * s.width);
  float *turned_gradients = take_scratch(&scratch, POSITIONS * s.width);
  float *query_sums = take_scratch(&scratch, POSITIONS * row);
  float *scores = take_scratch(&scratch, POSITIONS * POSITIONS);
  float *gradients = take_scratch(&scratch, POSITIONS * POSITIONS);
  /* As in `attention`; the gradients then need no sums elsewhere. */
  int is_direct = s.queries <= POSITIONS && s.width == row && are_whole_tiles(s.keys);
  for (size_t head = 0; head < s.heads; head++) {
    size_t column = head * s.width;
    const float *maxima_kept = statistics + 2 * head * s.queries, *reciprocals_kept = maxima_kept + s.queries;
    rows_of_values head_keys = {keys + column, s.key_row}, head_values = {values + column, s.value_row};
    rows_of_sums key_gradient = {key_gradients + column, s.key_row}, key_sum = key_gradient;
    rows_of_sums value_gradient = {value_gradients + column, s.value_row}, value_sum = value_gradient;
    if (!is_direct) {
      head_keys = pack_rows(packed_keys, row, head_keys, s.keys, padded, s.width);
      head_values = pack_rows(packed_values, row, head_values, s.keys, padded, s.width);
      key_sum = (rows_of_sums){key_sums, row};
      value_sum = (rows_of_sums){value_sums, row};
    }
    for (size_t first = 0; first < s.queries; first += POSITIONS) {
      attention_block block = {.queries = s.queries - first < POSITIONS ? s.queries - first : POSITIONS, .columns = row,
                               .width = s.width};
      float maxima[POSITIONS] = {0}, shifts[POSITIONS] = {0};
      rows_of_values block_queries = {queries + first * s.query_row + column, s.query_row};
      if (s.width != row)
        block_queries = pack_rows(packed_queries, row, block_queries, block.queries, block.queries, s.width);
      for (size_t q = 0; q < block.queries; q++) {
        size_t start = (first + q) * s.output_row + column;
        maxima[q] = maxima_kept[first + q];
        shifts[q] = pack_gradient(packed_gradients + q * row, row, output_gradients + start, outputs + start, s.width,
                                  reciprocals_kept[first + q]);
      }
      rows_of_values block_gradients = {packed_gradients, row};
      transpose_block(turned_queries, block_queries.values, block_queries.row, block.queries, s.width);
      transpose_block(turned_gradients, packed_gradients, row, block.queries, s.width);
      rows_of_sums query_gradient = {query_gradients + first * s.query_row + column, s.query_row};
      rows_of_sums query_sum = {query_sums, row};
      size_t end = s.is_causal ? first + block.queries : s.keys;
      int writes_directly = end <= POSITIONS && s.width == row && are_whole_tiles(block.queries);
      if (writes_directly) query_sum = query_gradient;
      int is_last = first + block.queries == s.queries;
      size_t key = 0;
      do {
        block.keys = end - key < POSITIONS ? end - key : POSITIONS;
        block.is_diagonal = s.is_causal && key == first;
        products_of_keys(scores, from_row(head_keys, key), turned_queries, &block, s.scale);
        products_of_keys(gradients, from_row(head_values, key), turned_gradients, &block, 1.0f);
        gradients_of_scores(scores, gradients, &block, maxima, shifts);
        int continues = s.is_causal ? key < first : first > 0;
        sum_over_queries(sums_from_row(value_sum, key), scores, block_gradients, &block, continues, 1.0f);
        sum_over_queries(sums_from_row(key_sum, key), gradients, block_queries, &block, continues,
                         is_last ? s.scale : 1.0f);
        sum_over_keys(query_sum, gradients, from_row(head_keys, key), &block, key > 0, NULL, NULL,
                      key + block.keys == end ? s.scale : 1.0f);
        key += block.keys;
      } while (key < end);
      if (!writes_directly) write_rows(query_gradient, query_sums, row, block.queries, s.width);
    }
    if (!is_direct) {
      write_rows(key_gradient, key_sums, row, s.keys, s.width);
      write_rows(value_gradient, value_sums, row, s.keys, s.width);
    }
  }
}

/* Turns the pairs (i, i + width / 2) of each head by the position's angles, or back. */
static void rotary(float *output, const float *input, const float *cosines, const float *sines, size_t positions,
                   size_t heads, size_t width, size_t row, int inverse) {
  size_t half = width / 2;
  for (size_t position = 0; position < positions; position++)
    for (size_t head = 0; head < heads; head++) {
      const float *from = input + position * row + head * width;
      float *to = output + position * row + head * width;
      const float *restrict cosine = cosines + position * half, *restrict sine = sines + position * half;
      if (inverse)
        VECTORIZED for (size_t i = 0; i < half; i++) {
          float x = from[i], y = from[i + half];
          to[i] = FMA(x, cosine[i], y * sine[i]);
          to[i + half] = FMA(y, cosine[i], -(x * sine[i]));
        }
      else
        VECTORIZED for (size_t i = 0; i < half; i++) {
          float x = from[i], y = from[i + half];
          to[i] = FMA(x, cosine[i], -(y * sine[i]));
          to[i + half] = FMA(y, cosine[i], x * sine[i]);
        }
    }
}
