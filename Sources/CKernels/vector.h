/* Vectors of WIDTH floats. Each file that includes this defines WIDTH, and which instructions may be used. */
#include "CKernels.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define PRAGMA_OF(text) _Pragma(#text)
#define PRAGMA(text) PRAGMA_OF(text)
#define UNROLLED PRAGMA(clang loop unroll(full))
/* The loop that follows may be computed WIDTH elements at a time: no element depends on another. */
#define VECTORIZED PRAGMA(clang loop vectorize(assume_safety) vectorize_width(WIDTH))

typedef float vector __attribute__((ext_vector_type(WIDTH)));
typedef float unaligned_vector __attribute__((ext_vector_type(WIDTH), aligned(4)));

INLINE vector load(const float *values) { return *(const unaligned_vector *)values; }
INLINE void store(float *values, vector x) { *(unaligned_vector *)values = x; }

/* a · b + c with one rounding. Every product that is part of a sum is written so, because compilers may or may not fuse
 * what is written as two operations. */
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define FMA64(a, b, c) __builtin_fma(a, b, c)

/* Sums within a row are in LK_LANES partial sums: element i is added to lane i mod LK_LANES, in ascending order. Then
 * lane l takes lane l + 8, l + 4, l + 2 and l + 1 in turn. */
INLINE float sum_of_lanes(float lanes[LK_LANES]) {
  for (size_t half = LK_LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}
INLINE double sum_of_lanes_64(double lanes[LK_LANES]) {
  for (size_t half = LK_LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}
