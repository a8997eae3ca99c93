/* Prints a line for each kernel: its name, and the SHA-256 of its results for pseudo-random inputs. The kernels'
 * arithmetic is defined to the last bit, so the output is the same on every processor and for every compiler option.
 * run.sh compares it for several of them.
 *
 * Computes each kernel with every vector width that this processor has. Ends with status 1, and names the kernel, if
 * two widths differ, or if a kernel writes outside its vectors or leaves a result unwritten. */
#include "inputs.h"

/* Needs no special instructions. lk_kernels_of_width returns it only where there is no better table. */
extern const lk_kernels lk_kernels_any;

static const lk_kernels *kernels; /* the table that is tested now */

/* Sizes leave every remainder of rows and vectors in a tile, and reach beyond two panels of columns. Deep products have
 * more than one block of the inner index. */
static const size_t widths[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,  12, 15, 16, 17, 20, 24, 25,
                                31, 32, 33, 36, 40, 47, 48, 49, 60, 64, 65, 80, 95, 96, 97, 99};
static const size_t depths[] = {0, 1, 2, 3, 8, 17, 33};
static const size_t deep_depths[] = {0, 1, 2, 256, 257, 511, 512, 513, 1025, 1100};
static const size_t deep_widths[] = {1, 10, 47, 48, 49, 97};
enum { MOST_ROWS = 26 };
static const lk_activation activations[] = {LK_IDENTITY, LK_RELU, LK_TANH, LK_SIGMOID, LK_GELU};

/* Compilers compute several vectors of a long loop at once, and what is left in other ways. */
static const size_t counts[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,  13,  14,  15,  16,  17,
                                18, 19, 23, 24, 25, 29, 31, 32, 33, 35, 47, 48,  49,  63,  64,  65,  79,  95,
                                96, 97, 99, 111, 127, 128, 129, 143, 160, 191, 255, 256, 257, 259, 511, 1000};

/* `variant` counts the calls; tests choose options by it. */
static void for_each_product(void (*test)(size_t rows, size_t depth, size_t columns, size_t variant)) {
  size_t variant = 0;
  for (size_t rows = 0; rows <= MOST_ROWS; rows++)
    for (size_t w = 0; w < LENGTH(widths); w++, variant++)
      test(rows, depths[variant % LENGTH(depths)], widths[w], variant);
  for (size_t d = 0; d < LENGTH(deep_depths); d++)
    for (size_t w = 0; w < LENGTH(deep_widths); w++, variant++)
      test(variant % 2 == 0 ? 3 : 14, deep_depths[d], deep_widths[w], variant);
}
static void for_each_matrix(void (*test)(size_t rows, size_t columns)) {
  for (size_t rows = 0; rows < 10; rows++)
    for (size_t w = 0; w < LENGTH(widths); w++) test(rows, widths[w]);
}
static void for_each_count(void (*test)(size_t count)) {
  for (size_t i = 0; i < LENGTH(counts); i++) test(counts[i]);
}

static void linear_case(size_t examples, size_t in, size_t out, size_t variant) {
  float *inputs = input(examples * in, ordinary), *weight = input(in * out, ordinary), *bias = input(out, any);
  float *outputs = result(examples * out), *memory = scratch(LK_INNER * LK_PANEL);
  size_t option = variant % (2 * LENGTH(activations) + 1); /* each activation with and without `activated`; no bias */
  if (option == 2 * LENGTH(activations))
    kernels->linear(outputs, NULL, inputs, weight, NULL, examples, in, out, LK_IDENTITY, memory);
  else
    kernels->linear(outputs, option % 2 == 0 ? NULL : result(examples * out), inputs, weight, bias, examples, in, out,
                    activations[option / 2], memory);
  finish();
}
static void test_linear(void) {
  for_each_product(linear_case);
  /* Several blocks of the inner index and many panels. */
  for (size_t examples = 1; examples <= 14; examples += 4) linear_case(examples, 514, 770, examples);
}

static void input_gradient_case(size_t examples, size_t out, size_t in, size_t variant) {
  float *gradients = input(examples * out, ordinary), *weight = input(in * out, ordinary);
  float *kept = input(examples * in, any);
  size_t block = LK_INNER * LK_PANEL, padded = (examples + LK_LANES) * (in + out);
  float *memory = scratch(block > padded ? block : padded);
  size_t option = variant % (LENGTH(activations) + 1);
  int is_first = option == LENGTH(activations); /* there is no activation before the first layer */
  kernels->linear_input_gradient(result(examples * in), gradients, weight, is_first ? NULL : kept, examples, in, out,
                                 is_first ? LK_IDENTITY : activations[option], memory);
  finish();
}
static void test_linear_input_gradient(void) {
  for_each_product(input_gradient_case);
  /* The number of examples decides which of two ways is taken. */
  for (size_t examples = 1; examples <= 40; examples++) {
    input_gradient_case(examples, 40, 70, examples);
    input_gradient_case(examples, 130, 49, examples + 1);
    input_gradient_case(examples, 513, 20, examples + 2);
  }
  for (size_t examples = 1; examples <= 14; examples += 4) input_gradient_case(examples, 514, 770, examples);
}

static void weight_gradient_case(size_t in, size_t examples, size_t out, size_t variant) {
  float *inputs = input(examples * in, ordinary), *gradients = input(examples * out, ordinary);
  size_t ends[40], micro_batches = 1 + variant % LENGTH(ends), end = 0;
  for (size_t i = 0; i + 1 < micro_batches; i++) {
    end += random_bits() % (2 * examples / micro_batches + 2); /* 0 is an empty micro-batch */
    ends[i] = end = end < examples ? end : examples;
  }
  ends[micro_batches - 1] = examples;
  kernels->linear_weight_gradient(result(in * out), inputs, gradients, examples, in, out, ends, micro_batches,
                                  scratch(examples * (LK_PANEL + in)));
  finish();
}
static void test_linear_weight_gradient(void) {
  for_each_product(weight_gradient_case);
  /* So many columns that the inputs are copied. */
  for (size_t in = 0; in <= MOST_ROWS; in++) weight_gradient_case(in, 9, 520 + in, in);
}

static void column_sums_case(size_t rows, size_t columns) {
  float *values = input(rows * columns, any);
  kernels->column_sums(result(columns), values, rows, columns);
  finish();
}
static void test_column_sums(void) { for_each_matrix(column_sums_case); }

static void softmax_cross_entropy_case(size_t rows, size_t columns) {
  if (columns == 0) return;
  float *logits = updated(rows * columns, rows % 2 == 0 ? ordinary : any);
  if (rows > 0) logits[columns - 1] = logits[0]; /* sometimes the largest */
  int32_t labels[MOST_ROWS];
  for (size_t r = 0; r < rows; r++) labels[r] = (int32_t)(random_bits() % columns);
  double loss = within(1);
  int64_t correct = 0;
  kernels->softmax_cross_entropy(logits, labels, rows, columns, &loss, &correct);
  add_double(loss);
  add_double((double)correct);
  finish();
}
static void test_softmax_cross_entropy(void) { for_each_matrix(softmax_cross_entropy_case); }

static void mean_squared_error_case(size_t rows, size_t columns) {
  float (*value)(void) = rows % 2 == 0 ? ordinary : any;
  float *predictions = updated(rows * columns, value), *targets = input(rows * columns, value);
  double loss = within(1), squared_error = within(1);
  kernels->mean_squared_error(predictions, targets, rows, columns, &loss, &squared_error);
  add_double(loss);
  add_double(squared_error);
  finish();
}
static void test_mean_squared_error(void) { for_each_matrix(mean_squared_error_case); }

static void dropout_case(size_t rows, size_t columns) {
  static const uint32_t thresholds[] = {0, 1, 0x40000000, 0x80000000, 0xFFFFFFFF};
  uint64_t key = random_bits(), stream = random_bits(), first = random_bits() >> 20;
  float *separate = result(rows * columns), *values = updated(rows * columns, any);
  kernels->dropout(values, separate, rows, columns, key, stream, first, thresholds[columns % 5], 1.25f);
  kernels->dropout(values, values, rows, columns, key, stream, first + rows, thresholds[rows % 5], 1.25f);
  finish();
}
static void test_dropout(void) { for_each_matrix(dropout_case); }

static void accumulate_case(size_t count) {
  float *sum = updated(count, any), *term = input(count, any);
  kernels->accumulate(sum, term, count);
  finish();
}
static void test_accumulate(void) { for_each_count(accumulate_case); }

static void all_finite_case(size_t count) {
  static const float others[] = {INFINITY, -INFINITY, NAN, -NAN};
  float *values = input(count, ordinary);
  add_double(kernels->all_finite(values, count));
  for (size_t i = 0; i < 4 && count > 0; i++) {
    float *place = values + (i == 0 ? 0 : i == 1 ? count - 1 : random_bits() % count), before = *place;
    *place = others[i];
    add_double(kernels->all_finite(values, count));
    *place = before;
  }
  finish();
}
static void test_all_finite(void) {
  for_each_count(all_finite_case);
  for (size_t count = 4090; count < 4100; count++) all_finite_case(count), all_finite_case(2 * count);
}

static void scale_bytes_case(size_t count) {
  float *offset = input(count, any), *factor = input(count, any), *bytes = input(count, any);
  kernels->scale_bytes(result(count), (const uint8_t *)bytes, offset, factor, count);
  finish();
}
static void test_scale_bytes(void) { for_each_count(scale_bytes_case); }

static void scale_floats_case(size_t count) {
  float *offset = input(count, any), *factor = input(count, any), *values = input(count, any);
  kernels->scale_floats(result(count), values, offset, factor, count);
  finish();
}
static void test_scale_floats(void) { for_each_count(scale_floats_case); }

static float next_bits(void) { return float_of_bits((uint32_t)(seed += 104729)); }

/* Defines the test of an elementary function of vectors. */
#define MAP(NAME)                                                              \
  static void NAME##_of(size_t count, float (*value)(void)) {                  \
    float *values = input(count, value);                                       \
    kernels->NAME(result(count), values, count);                               \
    finish();                                                                  \
  }                                                                            \
  static void NAME##_case(size_t count) { NAME##_of(count, any); }             \
  static void test_##NAME(void) {                                              \
    for_each_count(NAME##_case);                                               \
    NAME##_of((size_t)UINT32_MAX / 104729, next_bits); /* all magnitudes */    \
    NAME##_of(20000, in_exponential_range);                                    \
    NAME##_of(20000, ordinary);                                                  \
  }
MAP(exponentials)
MAP(sigmoids)
MAP(hyperbolic_tangents)
MAP(gelus)
MAP(gelu_derivatives)

static const double specials[] = {
    0.0,       -0.0,      1.0, -1.0,  0.5,   2.0,    0x1p-1074, 0x1p-1022,           0x1.fffffffffffffp1023,
    INFINITY, -INFINITY, NAN, 709.5, 710.5, -745.0, -746.5,    0x1.6a09e667f3bcdp-1,
};
enum { MANY = 20000 };

static void test_exponential(void) {
  for (size_t i = 0; i < LENGTH(specials); i++) add_double(kernels->exponential(specials[i]));
  for (size_t i = 0; i < MANY; i++) {
    add_double(kernels->exponential(within(760)));
    add_double(kernels->exponential(within(1)));
    add_double(kernels->exponential(double_of_bits(random_bits())));
  }
}

static void test_logarithm(void) {
  for (size_t i = 0; i < LENGTH(specials); i++) add_double(kernels->logarithm(specials[i]));
  for (size_t i = 0; i < MANY; i++) {
    add_double(kernels->logarithm(1 + within(0.5)));
    add_double(kernels->logarithm(double_of_bits(random_bits())));
  }
}

static void test_power(void) {
  for (size_t i = 0; i < LENGTH(specials); i++)
    for (size_t j = 0; j < LENGTH(specials); j++) add_double(kernels->power(specials[i], specials[j]));
  for (size_t i = 0; i < MANY; i++) {
    double exponent = within(1000), base = 1 + within(1);
    add_double(kernels->power(base, exponent));
    add_double(kernels->power(fabs(double_of_bits(random_bits())), exponent / 500));
    add_double(kernels->power(1 - 1.0 / (double)(2 + i % 1000), (double)(1 + i)));
  }
}

static void test_of_pi(double (*function)(double)) {
  for (int64_t eighths = -40; eighths <= 40; eighths++) add_double(function((double)eighths / 8));
  for (size_t i = 0; i < MANY; i++) {
    add_double(function(within(2)));
    add_double(function(within(0x1p30)));
    add_double(function((double)(int32_t)random_bits() / 4));
    add_double(function(within(0x1p-30)));
  }
}
static void test_sine_of_pi(void) { test_of_pi(kernels->sine_of_pi); }
static void test_cosine_of_pi(void) { test_of_pi(kernels->cosine_of_pi); }

/* Update rules. */
static const lk_moments moments = {0.9f, 0.1f, 0.999f, 0.001f};
static const float rate = 0.013f, epsilon = 1e-7f, root_scale = 1.37f;

/* A slot that is updated in place, or whose values before the step lie before or after those that the step writes. */
static float *slot(const lk_update *u, float (*value)(void)) {
  float *values = updated(u->before == 0 ? u->count : 2 * u->count, value);
  return u->before < 0 ? values + u->count : values;
}

static void for_each_update(void (*test)(const lk_update *u, unsigned option), float (*value)(void)) {
  for (size_t i = 0; i < LENGTH(counts); i++)
    for (unsigned option = 0; option < 6; option++) {
      lk_update u = {.count = counts[i], .scale = 0.03f};
      u.parameters = input(u.count, value);
      u.gradient_sum = input(u.count, value);
      u.updated = result(u.count);
      u.clip = option % 2 == 0 ? INFINITY : 0.1f;
      u.decay = option % 3 == 0 ? 0.0f : 0.01f;
      u.shrink = option % 3 == 1 ? 0.0f : 0.001f;
      u.before = ((ptrdiff_t)option % 3 - 1) * (ptrdiff_t)u.count;
      test(&u, option);
      finish();
    }
}

/* Defines the test of a rule. The arguments after the update may name these slots. */
#define RULE(NAME, ...)                                             \
  static void NAME##_case(const lk_update *u, unsigned option) {    \
    float *m = slot(u, any), *v = slot(u, not_negative);            \
    float *v2 = slot(u, not_negative), *m2 = slot(u, any);          \
    (void)option, (void)m, (void)v, (void)v2, (void)m2;             \
    kernels->NAME(u, __VA_ARGS__);                                  \
  }                                                                 \
  static void test_##NAME(void) { for_each_update(NAME##_case, any); }
RULE(gradient_descent, rate)
RULE(momentum, m, 0.9f, option < 3 ? 0.1f : 1.0f, rate)
RULE(nesterov, m, 0.9f, rate)
RULE(rmsprop, v, option % 2 == 0 ? m : NULL, option < 3 ? m2 : NULL, 0.9f, 0.1f, 0.7f, epsilon, 1e-3f, rate)
RULE(adam, m, v, option < 3 ? v2 : NULL, &moments, rate, root_scale, epsilon)
RULE(nadam, m, v, &moments, rate, 0.3f, root_scale, epsilon)
RULE(rmsprop_first_moment, m, v, &moments, epsilon, rate)
RULE(adagrad, v, epsilon, rate)
RULE(adadelta, v, v2, 0.9f, 0.1f, epsilon, rate)
RULE(blend, m, v, v2, option < 3 ? m2 : NULL, &moments, 0.9f, 0.1f, rate, root_scale, 0.02f, epsilon, 0.3f)
RULE(lion, m, &moments, rate)
RULE(lamb_move, m, v, 1.1f, root_scale, epsilon, 0.01f, rate)

/* Defines the test of a sum over a vector's range that begins at `first`. Infinities would hide the other terms. */
#define SUM(NAME, ...)                                                               \
  static void NAME##_case(const lk_update *u, unsigned option) {                     \
    float *m = slot(u, ordinary), *v = slot(u, ordinary_not_negative);                   \
    size_t first = random_bits() % 40;                                               \
    double lanes[LK_LANES];                                                          \
    for (size_t i = 0; i < LK_LANES; i++) lanes[i] = within(1);                      \
    memset(u->updated, 0, u->count * sizeof(float)); /* sums do not write it */      \
    (void)option, (void)m, (void)v;                                                  \
    kernels->NAME(__VA_ARGS__, lanes, first);                                        \
    for (size_t i = 0; i < LK_LANES; i++) add_double(lanes[i]);                      \
  }                                                                                  \
  static void test_##NAME(void) { for_each_update(NAME##_case, ordinary); }
SUM(lamb_moments, u, m, v, &moments, 1.1f, root_scale, epsilon, 0.01f)
SUM(sum_squares, u->parameters, u->count)
SUM(sum_gradient_squares, u)
SUM(sum_gradient_products, u, u->parameters)
SUM(sum_adam_products, u, m, v, 1.1f, root_scale, epsilon)

#define TEST(NAME) {#NAME, test_##NAME}
static const struct {
  const char *name;
  void (*compute)(void);
} tests[] = {
    TEST(linear), TEST(linear_input_gradient), TEST(linear_weight_gradient), TEST(column_sums),
    TEST(softmax_cross_entropy), TEST(mean_squared_error), TEST(dropout), TEST(accumulate), TEST(all_finite),
    TEST(scale_bytes), TEST(scale_floats), TEST(exponentials), TEST(sigmoids), TEST(hyperbolic_tangents), TEST(gelus),
    TEST(gelu_derivatives), TEST(exponential), TEST(logarithm), TEST(power), TEST(sine_of_pi), TEST(cosine_of_pi),
    TEST(gradient_descent), TEST(momentum), TEST(nesterov), TEST(rmsprop), TEST(adam), TEST(nadam),
    TEST(rmsprop_first_moment), TEST(adagrad), TEST(adadelta), TEST(blend), TEST(lion), TEST(lamb_moments),
    TEST(lamb_move), TEST(sum_squares), TEST(sum_gradient_squares), TEST(sum_gradient_products),
    TEST(sum_adam_products),
};
/* All but multiply_adds, whose work depends on the width. */
_Static_assert(LENGTH(tests) + 1 == sizeof(lk_kernels) / sizeof(void (*)(void)), "a kernel has no test");

int main(void) {
  struct {
    const char *width;
    const lk_kernels *kernels;
  } tables[] = {{"4 for any processor", &lk_kernels_any},
                {"4", lk_kernels_of_width(4)},
                {"8", lk_kernels_of_width(8)},
                {"16", lk_kernels_of_width(16)}};
  int status = 0;
  for (size_t t = 0; t < LENGTH(tests); t++) {
    uint8_t first[32], digest[32];
    for (size_t w = 0; w < LENGTH(tables); w++) {
      if (!tables[w].kernels || (w > 0 && tables[w].kernels == &lk_kernels_any)) continue;
      kernel = tests[t].name;
      width = tables[w].width;
      kernels = tables[w].kernels;
      seed = t;
      lk_sha256_init(&hash, 0);
      tests[t].compute();
      lk_sha256_finish(&hash, w == 0 ? first : digest);
      if (w > 0 && memcmp(first, digest, sizeof first) != 0) {
        status = 1;
        fprintf(stderr, "%s differs between vectors of %s and of %s\n", kernel, tables[0].width, width);
      }
    }
    printf("%s ", tests[t].name);
    for (size_t i = 0; i < sizeof first; i++) printf("%02x", first[i]);
    printf("\n");
  }
  return status;
}
