#include "CKernels.h"

#include <string.h>

/* Multiply-adds are fused here for speed. All processors with fused multiply-add give the same bits, whatever their
 * SIMD width. */
#pragma clang fp contract(fast)

#define INPUTS 6 /* rows of a register tile */
#define UNROLLED _Pragma("clang loop unroll(full)")
#define EACH_VECTOR(VECTORS) UNROLLED for (int i = 0; i < INPUTS; i++) UNROLLED for (int v = 0; v < VECTORS; v++)

/* One register tile of the gradient, INPUTS × (WIDTH · VECTORS). Each micro-batch is summed in registers. Their sums
 * are added along the tree like carries of a binary counter: `stack` holds one sum for each set bit of the micro-batch
 * count. */
#define DEFINE_TILE(NAME, ATTRIBUTES, WIDTH, VECTORS)                                                                \
  typedef float NAME##_floats __attribute__((vector_size(4 * WIDTH)));                                               \
  ATTRIBUTES static void NAME(float *tile, const float *restrict inputs, const float *restrict output_gradients,     \
                              const size_t *ends, size_t micro_batches) {                                            \
    NAME##_floats stack[LK_TREE_DEPTH][INPUTS][VECTORS];                                                             \
    size_t depth = 0, example = 0;                                                                                   \
    for (size_t index = 0; index < micro_batches; index++) {                                                         \
      NAME##_floats sum[INPUTS][VECTORS];                                                                            \
      EACH_VECTOR(VECTORS) sum[i][v] = (NAME##_floats){0};                                                           \
      for (; example < ends[index]; example++) {                                                                     \
        const float *x = inputs + example * INPUTS;                                                                  \
        const NAME##_floats *d = (const NAME##_floats *)(output_gradients + example * WIDTH * VECTORS);              \
        EACH_VECTOR(VECTORS) sum[i][v] += x[i] * d[v];                                                               \
      }                                                                                                              \
      for (size_t carry = index + 1; carry % 2 == 0; carry /= 2) {                                                   \
        depth--;                                                                                                     \
        EACH_VECTOR(VECTORS) sum[i][v] = stack[depth][i][v] + sum[i][v];                                             \
      }                                                                                                              \
      EACH_VECTOR(VECTORS) stack[depth][i][v] = sum[i][v];                                                           \
      depth++;                                                                                                       \
    }                                                                                                                \
    for (; depth > 1; depth--) EACH_VECTOR(VECTORS) stack[depth - 2][i][v] += stack[depth - 1][i][v];                \
    memcpy(tile, stack[0], sizeof stack[0]);                                                                         \
  }

#if defined(__x86_64__)
DEFINE_TILE(tile_16, __attribute__((target("arch=x86-64-v4"), min_vector_width(512))), 16, 4)
DEFINE_TILE(tile_8, __attribute__((target("arch=x86-64-v3"))), 8, 2)
#endif
DEFINE_TILE(tile_4, , 4, 2)

void lk_weight_gradient(float *gradient, const float *inputs, const float *output_gradients, size_t examples, size_t in,
                        size_t out, const size_t *ends, size_t micro_batches, float *scratch, size_t widest) {
  void (*compute)(float *, const float *, const float *, const size_t *, size_t) = tile_4;
  size_t panel = 8;
#if defined(__x86_64__)
  if (widest >= 16 && __builtin_cpu_supports("x86-64-v4")) {
    compute = tile_16;
    panel = 64;
  } else if (widest >= 8 && __builtin_cpu_supports("x86-64-v3")) {
    compute = tile_8;
    panel = 16;
  }
#endif
  /* Copies to panels, so that each tile reads contiguous memory. */
  size_t groups = (in + INPUTS - 1) / INPUTS;
  float *output_panel = scratch, *input_panels = scratch + examples * LK_WIDEST_PANEL;
  for (size_t group = 0; group < groups; group++) {
    size_t width = in - group * INPUTS < INPUTS ? in - group * INPUTS : INPUTS;
    float *row = input_panels + group * examples * INPUTS;
    const float *values = inputs + group * INPUTS;
    if (width == INPUTS)
      for (size_t e = 0; e < examples; e++, row += INPUTS, values += in) memcpy(row, values, INPUTS * sizeof(float));
    else
      for (size_t e = 0; e < examples; e++, row += INPUTS, values += in) {
        memset(row, 0, INPUTS * sizeof(float));
        memcpy(row, values, width * sizeof(float));
      }
  }
  for (size_t column = 0; column < out; column += panel) {
    size_t width = out - column < panel ? out - column : panel;
    for (size_t e = 0; e < examples; e++) {
      memcpy(output_panel + e * panel, output_gradients + e * out + column, width * sizeof(float));
      memset(output_panel + e * panel + width, 0, (panel - width) * sizeof(float));
    }
    for (size_t group = 0; group < groups; group++) {
      float tile[INPUTS * LK_WIDEST_PANEL];
      compute(tile, input_panels + group * examples * INPUTS, output_panel, ends, micro_batches);
      size_t height = in - group * INPUTS < INPUTS ? in - group * INPUTS : INPUTS;
      for (size_t i = 0; i < height; i++)
        memcpy(gradient + (group * INPUTS + i) * out + column, tile + i * panel, width * sizeof(float));
    }
  }
}
