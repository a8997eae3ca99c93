/* Pseudo-random inputs, guarded memory, and the hash of results. */
#include "CKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const char *kernel, *width; /* what is tested now, for messages */
static lk_sha256 hash;             /* of its results so far */

static void fail(const char *what) {
  fprintf(stderr, "%s with vectors of %s %s\n", kernel, width, what);
  exit(1);
}

static uint64_t seed;
static uint64_t random_bits(void) { /* SplitMix64 */
  uint64_t z = seed += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static double double_of_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Uniform in ±range. */
static double within(double range) { return (double)(int64_t)random_bits() * 0x1p-63 * range; }

/* Mostly of magnitudes from 2⁻⁴ to 2³, so that most terms of a sum matter. A few are zero, subnormal, tiny or large. */
static float ordinary(void) {
  static const float rare[] = {0.0f, 0.0f, 0x1p-130f, 0x1p-60f, 0x1p-20f, 0x1p20f, 0x1p50f};
  float fraction = (float)(int32_t)random_bits() * 0x1p-31f;
  uint64_t kind = random_bits() % 256;
  return fraction * (kind < LENGTH(rare) ? rare[kind] : (float)(1u << kind % 8) * 0.0625f);
}

/* Also infinities, NaNs and numbers of the whole range. */
static float any(void) {
  switch (random_bits() % 64) {
    case 0: return INFINITY;
    case 1: return -INFINITY;
    case 2: return NAN;
    case 3: return float_of_bits((uint32_t)random_bits());
    default: return ordinary();
  }
}
static float not_negative(void) { return fabsf(any()); }
static float ordinary_not_negative(void) { return fabsf(ordinary()); }
static float in_exponential_range(void) { return (float)within(110); }

/* Each block of memory is surrounded by FILL, which is a NaN: reading it spoils a result, and writing there is found.
 * GUARD is odd, so that blocks are aligned no better than a kernel may expect. */
enum { GUARD = 17, MOST_BLOCKS = 16 };
#define FILL 0xFFFFFFFFu
typedef enum { INPUT, SCRATCH, RESULT } purpose;
static struct {
  float *memory;
  size_t count;
  purpose purpose;
} blocks[MOST_BLOCKS];
static size_t block_count;

static float *allocate(size_t count, purpose purpose) {
  size_t bytes = (count + 2 * GUARD) * sizeof(float);
  float *memory = malloc(bytes);
  if (!memory || block_count == MOST_BLOCKS) abort();
  memset(memory, 0xFF, bytes);
  blocks[block_count].memory = memory;
  blocks[block_count].count = count;
  blocks[block_count++].purpose = purpose;
  return memory + GUARD;
}
static float *scratch(size_t count) { return allocate(count, SCRATCH); }
static float *result(size_t count) { return allocate(count, RESULT); }
static float *filled(size_t count, purpose purpose, float (*value)(void)) {
  float *values = allocate(count, purpose);
  for (size_t i = 0; i < count; i++) values[i] = value();
  return values;
}
static float *input(size_t count, float (*value)(void)) { return filled(count, INPUT, value); }
/* A result that the kernel updates in place. */
static float *updated(size_t count, float (*value)(void)) { return filled(count, RESULT, value); }

/* All NaNs count as the same result. */
static void add_double(double x) {
  if (isnan(x)) x = double_of_bits(0x7FF8000000000000);
  lk_sha256_update(&hash, &x, sizeof x);
}
static void add_float(float x) {
  if (isnan(x)) x = float_of_bits(0x7FC00000);
  lk_sha256_update(&hash, &x, sizeof x);
}

/* Ends a case: checks all blocks, adds the results to the hash, and frees the blocks. */
static void finish(void) {
  for (size_t b = 0; b < block_count; b++) {
    for (size_t i = 0; i < blocks[b].count + 2 * GUARD; i++) {
      float *value = blocks[b].memory + i;
      uint32_t bits;
      memcpy(&bits, value, sizeof bits);
      int is_inside = i >= GUARD && i - GUARD < blocks[b].count;
      if (!is_inside && bits != FILL) fail("writes outside its vectors");
      if (!is_inside || blocks[b].purpose != RESULT) continue;
      if (bits == FILL) fail("leaves a result unwritten");
      add_float(*value);
    }
    free(blocks[b].memory);
  }
  block_count = 0;
}
