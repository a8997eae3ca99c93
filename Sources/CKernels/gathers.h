/* Rows by number, and parts of rows. */

/* Whether an id is a whole number below `vocabulary`; *row is that number. */
INLINE int row_of_id(float id, size_t vocabulary, size_t *row) {
  if (!(id >= 0.0f && id < 0x1p63f)) return 0;
  *row = (size_t)id;
  return (float)*row == id && *row < vocabulary;
}

static void embedding(float *output, const float *ids, const float *weight, size_t count, size_t vocabulary,
                      size_t width) {
  for (size_t i = 0; i < count; i++, output += width) {
    size_t row;
    if (row_of_id(ids[i], vocabulary, &row))
      memcpy(output, weight + row * width, width * sizeof(float));
    else
      VECTORIZED for (size_t c = 0; c < width; c++) output[c] = __builtin_nanf("");
  }
}

static void embedding_gradient(float *gradient, const float *output_gradients, const float *ids, size_t count,
                               size_t vocabulary, size_t width) {
  memset(gradient, 0, vocabulary * width * sizeof(float));
  for (size_t i = 0; i < count; i++, output_gradients += width) {
    size_t row;
    if (row_of_id(ids[i], vocabulary, &row)) accumulate(gradient + row * width, output_gradients, width);
  }
}

/* `output_row` and `input_row` are the distances of rows. */
static void copy_columns(float *output, size_t output_row, const float *input, size_t input_row, size_t rows,
                         size_t columns) {
  if (output_row == columns && input_row == columns) {
    memcpy(output, input, rows * columns * sizeof(float));
    return;
  }
  for (size_t r = 0; r < rows; r++, output += output_row, input += input_row) {
    if (columns < LK_LANES)
      for (size_t c = 0; c < columns; c++) output[c] = input[c];
    else
      memcpy(output, input, columns * sizeof(float));
  }
}
