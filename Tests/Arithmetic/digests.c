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
static const lk_activation activations[] = {LK_IDENTITY, LK_RELU, LK_TANH,     LK_SIGMOID,
                                            LK_GELU,     LK_SILU, LK_GELU_TANH};

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

static size_t below(size_t count) { return random_bits() % count; }
static size_t from(size_t least, size_t most) { return least + below(most - least + 1); }
#define ONE_OF(array) array[below(LENGTH(array))]

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

static void cross_entropy(size_t rows, size_t columns, const lk_cross_entropy *options, int is_plain) {
  float *logits = updated(rows * columns, rows % 2 == 0 ? ordinary : any);
  if (rows > 0) logits[columns - 1] = logits[0]; /* sometimes the largest */
  int32_t labels[MOST_ROWS];
  for (size_t r = 0; r < rows; r++) labels[r] = (int32_t)(random_bits() % columns);
  lk_class_sums sums = {.loss = within(1)};
  kernels->softmax_cross_entropy(logits, labels, rows, columns, options, &sums);
  add_double(sums.loss);
  add_double((double)sums.correct);
  if (!is_plain) {
    add_double(sums.weight);
    add_double(sums.surprise);
    add_double((double)sums.rows);
    add_double((double)sums.among_five);
  }
  finish();
}
static void softmax_cross_entropy_case(size_t rows, size_t columns) {
  if (columns > 0) cross_entropy(rows, columns, &(lk_cross_entropy){.ignored = -1}, 1);
}
static void test_softmax_cross_entropy(void) { for_each_matrix(softmax_cross_entropy_case); }

static void weighted_cross_entropy_case(size_t rows, size_t columns) {
  if (columns == 0) return;
  float *weights = input(columns, ordinary);
  lk_cross_entropy options = {rows % 3 == 0 ? NULL : weights, rows % 4 == 1 ? 0.0 : 0.1, rows % 5 == 2 ? 0 : -1};
  cross_entropy(rows, columns, &options, 0);
}
static void test_weighted_cross_entropy(void) { for_each_matrix(weighted_cross_entropy_case); }

static void regression(size_t rows, size_t columns, lk_regression kind) {
  float (*value)(void) = rows % 2 == 0 ? ordinary : any;
  float *predictions = updated(rows * columns, value), *targets = input(rows * columns, value);
  lk_regression_sums sums = {0};
  sums.loss = within(1);
  sums.squared_error = within(1);
  kernels->regression_loss(predictions, targets, rows, columns, kind, 0.5f, &sums);
  add_double(sums.loss);
  add_double(sums.squared_error);
  if (kind != LK_SQUARED_ERROR) add_double(sums.absolute_error);
  finish();
}
static void mean_squared_error_case(size_t rows, size_t columns) { regression(rows, columns, LK_SQUARED_ERROR); }
static void test_mean_squared_error(void) { for_each_matrix(mean_squared_error_case); }
static void mean_absolute_error_case(size_t rows, size_t columns) { regression(rows, columns, LK_ABSOLUTE_ERROR); }
static void test_mean_absolute_error(void) { for_each_matrix(mean_absolute_error_case); }
static void huber_case(size_t rows, size_t columns) { regression(rows, columns, LK_HUBER); }
static void test_huber(void) { for_each_matrix(huber_case); }

static void binary_cross_entropy_case(size_t rows, size_t columns) {
  float *logits = updated(rows * columns, rows % 2 == 0 ? ordinary : any), *targets = input(rows * columns, ordinary);
  double loss = within(1), correct = 0.0;
  kernels->binary_cross_entropy(logits, targets, rows, columns, &loss, &correct);
  add_double(loss);
  add_double(correct);
  finish();
}
static void test_binary_cross_entropy(void) { for_each_matrix(binary_cross_entropy_case); }

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
RULE(adan, m, m2, v, v2, &moments, 0.99f, 0.01f, option < 3, rate, 0.3f, root_scale, epsilon)
RULE(rmsprop_first_moment, m, v, &moments, epsilon, rate)
RULE(adagrad, v, epsilon, rate)
RULE(adadelta, v, v2, 0.9f, 0.1f, epsilon, rate)
RULE(blend, m, v, v2, option < 3 ? m2 : NULL, &moments, 0.9f, 0.1f, rate, root_scale, 0.02f, epsilon, 0.3f)
RULE(lion, m, &moments, rate)
RULE(lamb_move, m, v, 1.1f, root_scale, epsilon, 0.01f, rate)
RULE(nesterov_mean, m, 0.95f, 0.05f)

/* What the rule has left in `updated` is an input too; the first update's anchor is the parameters. */
static void outer_nesterov_case(const lk_update *u, unsigned option) {
  float *anchor = slot(u, any), *b = slot(u, any);
  for (size_t i = 0; i < u->count; i++) u->updated[i] = any();
  kernels->outer_nesterov(u, option == 0 ? u->parameters : anchor + u->before, anchor, b, 0.9f, option < 3 ? 0.4f : 1);
}
static void test_outer_nesterov(void) { for_each_update(outer_nesterov_case, any); }

/* The first update's iterate is the parameters. */
static void schedule_free_case(const lk_update *u, unsigned option) {
  float *z = slot(u, any), *v = slot(u, not_negative);
  kernels->schedule_free(u, option == 0 ? u->parameters : z + u->before, z, v, 0.999f, 0.001f, 0.01f, -0.002f,
                         option < 3 ? 0.2f : 1, 1.5f, 1e-8f, option < 2 ? 0 : 0.1f);
}
static void test_schedule_free(void) { for_each_update(schedule_free_case, any); }

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
SUM(stable_moments, u, m, v, &moments, root_scale, epsilon)
SUM(sum_squares, u->parameters, u->count)
SUM(sum_gradient_squares, u)
SUM(sum_gradient_products, u, u->parameters)
SUM(sum_adam_products, u, m, v, 1.1f, root_scale, epsilon)

/* Activations. */
static void activation_forward_of(size_t count, lk_activation activation, float (*value)(void)) {
  float *values = updated(count, value);
  kernels->activation_forward(result(count), values, count, activation);
  kernels->activation_forward(values, values, count, activation);
  finish();
}
static void activation_gradient_of(size_t count, lk_activation activation, float (*value)(void)) {
  float *gradients = updated(count, ordinary), *kept = input(count, value);
  kernels->activation_gradient(result(count), gradients, kept, count, activation);
  kernels->activation_gradient(gradients, gradients, kept, count, activation);
  finish();
}

static float seldom_bits(void) { return float_of_bits((uint32_t)(seed += 1048573)); }

/* The functions of the others have tests of their own. */
static void of_many_values(void (*test)(size_t count, lk_activation activation, float (*value)(void))) {
  for (size_t i = 0; i < LENGTH(counts); i++)
    for (size_t j = 0; j < LENGTH(activations); j++) test(counts[i], activations[j], any);
  for (lk_activation activation = LK_SILU; activation <= LK_GELU_TANH; activation++) {
    test((size_t)UINT32_MAX / 1048573, activation, seldom_bits); /* all magnitudes */
    test(4000, activation, in_exponential_range);
    test(4000, activation, ordinary);
  }
}
static void test_activation_forward(void) { of_many_values(activation_forward_of); }
static void test_activation_gradient(void) { of_many_values(activation_gradient_of); }

/* Convolutions of images. */

/* How many windows there are, with `before` and `after` rows of padding. */
static size_t windows(size_t size, size_t before, size_t after, size_t kernel, size_t stride) {
  size_t padded = before + size + after;
  return padded < kernel ? 0 : (padded - kernel) / stride + 1;
}

/* Images that are read where they are or copied, as a whole or in parts, several at a time; channels that fill their
 * vectors, or leave lanes for pixels; several panels of channels; nothing at all. */
static const struct {
  size_t examples, height, width, channels, out_channels, kernel, stride, dilation, padding, groups;
} convolutions[] = {
    {1, 40, 40, 12, 3, 2, 1, 1, 0, 1},    {1, 30, 31, 20, 9, 1, 1, 1, 1, 1},    {1, 30, 31, 20, 2, 2, 1, 1, 1, 1},
    {1, 31, 33, 18, 10, 2, 2, 1, 1, 1},   {14, 4, 5, 3, 4, 2, 1, 1, 0, 1},      {30, 2, 3, 4, 20, 2, 1, 1, 1, 1},
    {1, 4, 4, 12, 70, 3, 1, 1, 1, 1},     {1, 3, 3, 50, 100, 1, 1, 1, 0, 1},    {1, 2, 5, 99, 49, 1, 1, 1, 0, 1},
    {2, 7, 64, 3, 8, 3, 1, 1, 1, 1},      {2, 9, 8, 16, 16, 3, 1, 1, 1, 16},    {2, 12, 11, 52, 52, 3, 2, 1, 1, 52},
    {2, 6, 9, 20, 20, 2, 1, 2, 1, 20},    {1, 30, 20, 32, 32, 3, 1, 1, 1, 32},  {3, 5, 5, 48, 48, 2, 1, 1, 0, 48},
    {1, 5, 4, 52, 52, 7, 1, 1, 3, 52},    {1, 5, 6, 8, 12, 3, 1, 1, 1, 4},      {1, 4, 4, 12, 108, 2, 1, 1, 1, 2},
    {2, 5, 4, 5, 10, 3, 1, 1, 1, 5},      {0, 4, 4, 3, 5, 3, 1, 1, 1, 1},       {1, 0, 4, 3, 5, 3, 1, 1, 0, 1},
    {1, 0, 4, 3, 5, 3, 1, 1, 2, 1},       {2, 1, 2, 3, 5, 3, 1, 1, 0, 1},       {1, 4, 4, 0, 5, 3, 1, 1, 1, 1},
    {1, 4, 4, 3, 0, 3, 1, 1, 1, 1},
};
enum { RANDOM_CONVOLUTIONS = 90 };

static void for_each_convolution(void (*test)(size_t examples, const lk_convolution *shape, size_t variant)) {
  size_t variant = 0;
  for (; variant < LENGTH(convolutions); variant++) {
    lk_convolution s = {.height = convolutions[variant].height, .width = convolutions[variant].width};
    s.channels = convolutions[variant].channels, s.out_channels = convolutions[variant].out_channels;
    s.kernel_height = s.kernel_width = convolutions[variant].kernel;
    s.stride_y = s.stride_x = convolutions[variant].stride;
    s.dilation_y = s.dilation_x = convolutions[variant].dilation;
    s.pad_top = s.pad_left = convolutions[variant].padding;
    s.groups = convolutions[variant].groups;
    size_t reach = (s.kernel_height - 1) * s.dilation_y + 1;
    s.out_height = windows(s.height, s.pad_top, s.pad_top, reach, s.stride_y);
    s.out_width = windows(s.width, s.pad_left, s.pad_left, reach, s.stride_x);
    test(convolutions[variant].examples, &s, variant);
  }
  for (size_t i = 0; i < RANDOM_CONVOLUTIONS; i++, variant++) {
    static const size_t groups[] = {1, 1, 1, 2, 3};
    lk_convolution s;
    s.height = from(1, 9), s.width = from(1, 9), s.groups = ONE_OF(groups);
    s.kernel_height = from(1, 4), s.kernel_width = from(1, 4);
    s.stride_y = from(1, 3), s.stride_x = from(1, 3), s.dilation_y = from(1, 3), s.dilation_x = from(1, 3);
    s.pad_top = below(4), s.pad_left = below(4);
    s.channels = s.groups * from(1, 9), s.out_channels = s.groups * from(1, 12);
    if (i % 5 == 0) s.channels = s.out_channels = s.groups = from(1, 20);
    s.out_height = windows(s.height, s.pad_top, below(4), (s.kernel_height - 1) * s.dilation_y + 1, s.stride_y);
    s.out_width = windows(s.width, s.pad_left, below(4), (s.kernel_width - 1) * s.dilation_x + 1, s.stride_x);
    test(from(1, 3), &s, variant);
  }
}

static size_t input_count(const lk_convolution *s) { return s->height * s->width * s->channels; }
static size_t output_count(const lk_convolution *s) { return s->out_height * s->out_width * s->out_channels; }
static size_t weight_count(const lk_convolution *s) {
  return s->kernel_height * s->kernel_width * (s->channels / s->groups) * s->out_channels;
}

static void convolution_case(size_t examples, const lk_convolution *s, size_t variant) {
  float *inputs = input(examples * input_count(s), variant % 8 == 7 ? any : ordinary);
  float *weight = input(weight_count(s), ordinary), *bias = input(s->out_channels, any);
  float *outputs = result(examples * output_count(s)), *memory = scratch(kernels->convolution_scratch(s));
  size_t option = variant % (2 * LENGTH(activations) + 1); /* as in linear_case */
  if (option == 2 * LENGTH(activations))
    kernels->convolution(outputs, NULL, inputs, weight, NULL, examples, s, LK_IDENTITY, memory);
  else
    kernels->convolution(outputs, option % 2 == 0 ? NULL : result(examples * output_count(s)), inputs, weight, bias,
                         examples, s, activations[option / 2], memory);
  finish();
}
static void test_convolution(void) { for_each_convolution(convolution_case); }

static void convolution_input_gradient_case(size_t examples, const lk_convolution *s, size_t variant) {
  float *gradients = input(examples * output_count(s), variant % 8 == 7 ? any : ordinary);
  float *weight = input(weight_count(s), ordinary), *kept = input(examples * input_count(s), any);
  float *memory = scratch(kernels->convolution_scratch(s));
  size_t option = variant % (LENGTH(activations) + 1);
  int is_first = option == LENGTH(activations);
  kernels->convolution_input_gradient(result(examples * input_count(s)), gradients, weight, is_first ? NULL : kept,
                                      examples, s, is_first ? LK_IDENTITY : activations[option], memory);
  finish();
}
static void test_convolution_input_gradient(void) { for_each_convolution(convolution_input_gradient_case); }

static void convolution_weight_gradient_case(size_t examples, const lk_convolution *s, size_t variant) {
  float *inputs = input(examples * input_count(s), ordinary);
  float *gradients = input(examples * output_count(s), variant % 8 == 7 ? any : ordinary);
  kernels->convolution_weight_gradient(result(weight_count(s)), inputs, gradients, examples, s,
                                       scratch(kernels->convolution_scratch(s)));
  finish();
}
static void test_convolution_weight_gradient(void) { for_each_convolution(convolution_weight_gradient_case); }

/* Pooling. */

/* Has many equal values, zeros of both signs, and NaNs. */
static float one_of_few(void) {
  static const float few[] = {0.0f, -0.0f, 1.0f, 1.0f, -1.0f, -2.0f, -INFINITY, NAN};
  return ONE_OF(few);
}

/* A result of bytes, which end where its memory ends. */
static uint8_t *byte_result(size_t count) {
  size_t words = (count + sizeof(float) - 1) / sizeof(float), before = words * sizeof(float) - count;
  uint8_t *bytes = (uint8_t *)result(words);
  memset(bytes, 0, before);
  return bytes + before;
}

static const size_t pooled_channels[] = {0, 1, 2, 3, 4, 5, 8, 12, 16, 17, 20, 32, 35};

/* `may_miss`: whether windows may lie in the padding as a whole. */
static void for_each_pooling(int may_miss, void (*test)(size_t examples, const lk_pooling *shape, size_t variant)) {
  for (size_t variant = 0; variant < 240; variant++) {
    lk_pooling s = {0};
    s.height = from(1, 9), s.width = from(1, 9), s.channels = ONE_OF(pooled_channels);
    if (variant % 3 == 0) { /* the most frequent windows */
      s.kernel_height = s.kernel_width = s.stride_y = s.stride_x = 2;
      s.out_height = s.height / 2, s.out_width = s.width / 2;
    } else {
      size_t most = may_miss ? 4 : 0;
      s.kernel_height = from(1, 4), s.kernel_width = from(1, 4), s.stride_y = from(1, 3), s.stride_x = from(1, 3);
      s.pad_top = below(s.kernel_height + most), s.pad_left = below(s.kernel_width + most);
      s.out_height = windows(s.height, s.pad_top, below(s.kernel_height + most), s.kernel_height, s.stride_y);
      s.out_width = windows(s.width, s.pad_left, below(s.kernel_width + most), s.kernel_width, s.stride_x);
    }
    test(below(4), &s, variant);
  }
}
static size_t pooled_count(const lk_pooling *s) { return s->out_height * s->out_width * s->channels; }
static size_t map_count(const lk_pooling *s) { return s->height * s->width * s->channels; }

static void max_pool_case(size_t examples, const lk_pooling *s, size_t variant) {
  float *inputs = input(examples * map_count(s), variant % 2 == 0 ? any : one_of_few);
  float *outputs = result(examples * pooled_count(s));
  kernels->max_pool(outputs, byte_result(examples * pooled_count(s)), inputs, examples, s);
  finish();
}
static void test_max_pool(void) { for_each_pooling(1, max_pool_case); }

static void max_pool_gradient_case(size_t examples, const lk_pooling *s, size_t variant) {
  float *inputs = input(examples * map_count(s), ordinary);
  float *gradients = input(examples * pooled_count(s), variant % 2 == 0 ? any : ordinary);
  uint8_t *places = byte_result(examples * pooled_count(s));
  kernels->max_pool(result(examples * pooled_count(s)), places, inputs, examples, s);
  kernels->max_pool_gradient(result(examples * map_count(s)), gradients, places, examples, s);
  finish();
}
static void test_max_pool_gradient(void) { for_each_pooling(1, max_pool_gradient_case); }

static void average_pool_case(size_t examples, const lk_pooling *s, size_t variant) {
  float *inputs = input(examples * map_count(s), variant % 2 == 0 ? any : ordinary);
  kernels->average_pool(result(examples * pooled_count(s)), inputs, examples, s, variant / 2 % 2 == 0);
  finish();
}
static void test_average_pool(void) { for_each_pooling(0, average_pool_case); }

static void average_pool_gradient_case(size_t examples, const lk_pooling *s, size_t variant) {
  float *gradients = input(examples * pooled_count(s), variant % 2 == 0 ? any : ordinary);
  kernels->average_pool_gradient(result(examples * map_count(s)), gradients, examples, s, variant / 2 % 2 == 0);
  finish();
}
static void test_average_pool_gradient(void) { for_each_pooling(0, average_pool_gradient_case); }

static void for_each_map(void (*test)(size_t examples, size_t pixels, size_t channels)) {
  static const size_t pixels[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 16, 49};
  for (size_t i = 0; i < LENGTH(pixels); i++)
    for (size_t w = 0; w < LENGTH(widths); w += 2) test((i + w / 2) % 4, pixels[i], widths[w + i % 2]);
  test(2, 3, 1100);
  test(1, 300, 7);
}

static void global_average_pool_case(size_t examples, size_t pixels, size_t channels) {
  float *inputs = input(examples * pixels * channels, examples % 2 == 0 ? any : ordinary);
  kernels->global_average_pool(result(examples * channels), inputs, examples, pixels, channels);
  finish();
}
static void test_global_average_pool(void) { for_each_map(global_average_pool_case); }

static void global_average_pool_gradient_case(size_t examples, size_t pixels, size_t channels) {
  float *gradients = input(examples * channels, any);
  kernels->global_average_pool_gradient(result(examples * pixels * channels), gradients, examples, pixels, channels);
  finish();
}
static void test_global_average_pool_gradient(void) { for_each_map(global_average_pool_gradient_case); }

static void channels_first_case(size_t examples, size_t pixels, size_t channels) {
  float *inputs = input(examples * pixels * channels, any);
  kernels->channels_first(result(examples * pixels * channels), inputs, examples, pixels, channels);
  finish();
}
static void test_channels_first(void) { for_each_map(channels_first_case); }

/* Attention. */
static float within_1(void) { return (float)within(1); }

/* `is_packed`: queries, keys and values are one matrix. `gap`: the values between rows of other matrices. */
static void for_each_attention(void (*test)(lk_attention *shape, int is_packed, size_t gap, float (*value)(void))) {
  static const size_t positions[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 24, 31, 33};
  static const size_t many[] = {58, 63, 64, 65, 66, 127, 128, 129, 130};
  static const size_t head_widths[] = {1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 20, 24, 32, 33};
  static const float scales[] = {1.0f, 0.35f, 0.02f, -0.25f};
  static float (*const values[])(void) = {within_1, ordinary, within_1, any};
  for (size_t variant = 0; variant < 96; variant++) {
    int has_blocks = variant % 8 == 7, is_square = variant % 4 != 0;
    lk_attention s;
    s.heads = has_blocks ? 1 : from(1, 3);
    s.width = variant == 0 ? 0 : has_blocks ? from(1, 16) : ONE_OF(head_widths);
    s.queries = has_blocks ? ONE_OF(many) : ONE_OF(positions);
    s.keys = is_square ? s.queries : ONE_OF(positions);
    s.is_causal = is_square && variant / 8 % 2 == 0, s.scale = ONE_OF(scales);
    test(&s, is_square && variant % 3 == 0, variant % 2 == 0 ? 0 : below(5), values[variant / 16 % 4]);
  }
  /* Several blocks of queries and of keys, of which there are not as many. */
  static const size_t blocks[][2] = {{66, 130}, {130, 66}, {1, 200}, {200, 1}, {64, 128}};
  for (size_t i = 0; i < LENGTH(blocks); i++) {
    lk_attention s = {.queries = blocks[i][0], .keys = blocks[i][1], .heads = 1, .scale = 0.3f};
    s.width = i % 2 == 0 ? 5 : 4;
    test(&s, 0, i, within_1);
  }
}

enum { BLOCK = LK_ATTENTION_KEYS };
static size_t whole(size_t count, size_t of) { return (count + of - 1) / of * of; }

/* The queries, keys and values, or places for their gradients. Between rows, results keep what they have. */
static void attention_matrices(float *matrices[3], lk_attention *s, int is_packed, size_t gap, purpose purpose,
                               float (*value)(void)) {
  size_t columns = s->heads * s->width;
  s->query_row = s->key_row = s->value_row = is_packed ? 3 * columns : columns + gap;
  s->output_row = columns + gap / 2;
  for (size_t i = 0; i < 3; i++)
    matrices[i] = is_packed && i > 0 ? matrices[0] + i * columns
                                     : filled((i == 0 ? s->queries : s->keys) * s->query_row, purpose, value);
}

static void attention_case(lk_attention *s, int is_packed, size_t gap, float (*value)(void)) {
  float *matrices[3];
  attention_matrices(matrices, s, is_packed, gap, INPUT, value);
  float *outputs = updated(s->queries * s->output_row, ordinary), *statistics = result(2 * s->heads * s->queries);
  size_t keys = whole(s->keys, BLOCK), row = whole(s->width, LK_LANES);
  kernels->attention(outputs, statistics, matrices[0], matrices[1], matrices[2], s,
                     scratch(2 * keys * row + 2 * BLOCK * row + BLOCK * BLOCK + 80));
  finish();
}
static void test_attention(void) { for_each_attention(attention_case); }

static void attention_gradients_case(lk_attention *s, int is_packed, size_t gap, float (*value)(void)) {
  float *matrices[3], *gradients[3];
  attention_matrices(matrices, s, is_packed, gap, INPUT, value);
  attention_matrices(gradients, s, is_packed, gap, RESULT, ordinary);
  float *output_gradients = input(s->queries * s->output_row, value == any ? any : ordinary);
  float *outputs = updated(s->queries * s->output_row, ordinary), *statistics = result(2 * s->heads * s->queries);
  size_t keys = whole(s->keys, BLOCK), row = whole(s->width, LK_LANES);
  kernels->attention(outputs, statistics, matrices[0], matrices[1], matrices[2], s,
                     scratch(2 * keys * row + 2 * BLOCK * row + BLOCK * BLOCK + 80));
  kernels->attention_gradients(gradients[0], gradients[1], gradients[2], output_gradients, outputs, statistics,
                               matrices[0], matrices[1], matrices[2], s,
                               scratch(4 * keys * row + 5 * BLOCK * row + 2 * BLOCK * BLOCK + 176));
  finish();
}
static void test_attention_gradients(void) { for_each_attention(attention_gradients_case); }

static void test_rotary(void) {
  for (size_t half = 0; half < 36; half++)
    for (size_t positions = 0; positions < 4; positions++) {
      size_t heads = from(1, 3), width = 2 * half, row = heads * width + below(4);
      float *cosines = input(positions * half, any), *sines = input(positions * half, any);
      float *values = updated(positions * row, any), *separate = updated(positions * row, ordinary);
      int is_inverse = positions % 2 == 0;
      kernels->rotary(separate, values, cosines, sines, positions, heads, width, row, is_inverse);
      kernels->rotary(values, values, cosines, sines, positions, heads, width, row, !is_inverse);
      finish();
    }
}

/* Norms. */

static float *or_null(float *memory) { return random_bits() % 2 == 0 ? memory : NULL; }

/* Few rows and many, which are computed together, and long ones. */
static void for_each_row_norm(void (*test)(size_t rows, size_t columns, size_t variant)) {
  static const size_t matrices[][2] = {{15, 5},   {16, 17},  {17, 33}, {24, 1},   {35, 20},  {40, 16},
                                       {17, 255}, {17, 256}, {9, 500}, {3, 1500}, {2, 4095}, {2, 4096}};
  size_t variant = 0;
  for (size_t rows = 0; rows < 10; rows += rows == 3 ? 4 : 1)
    for (size_t w = rows % 2; w < LENGTH(widths); w += 1 + rows / 2, variant++) test(rows, widths[w], variant);
  for (size_t i = 0; i < LENGTH(matrices); i++, variant++) test(matrices[i][0], matrices[i][1], variant);
}
static float around_5(void) { return random_bits() % 8 == 0 ? ordinary() : (float)(within(3) + 5); }

static void layer_norm_case(size_t rows, size_t columns, size_t variant) {
  float *values = updated(rows * columns, variant % 5 == 0 ? any : around_5), *separate = result(rows * columns);
  float *weight = or_null(input(columns, any)), *bias = or_null(input(columns, any));
  float *statistics = result(2 * rows);
  kernels->layer_norm(separate, statistics, values, weight, bias, rows, columns, 1e-5f);
  kernels->layer_norm(values, result(2 * rows), values, weight, bias, rows, columns, 0.25f);
  finish();
}
static void test_layer_norm(void) { for_each_row_norm(layer_norm_case); }

static void layer_norm_gradients_case(size_t rows, size_t columns, size_t variant) {
  float (*value)(void) = variant % 5 == 0 ? any : ordinary;
  float *gradients = updated(rows * columns, value), *inputs = input(rows * columns, value);
  float *statistics = input(2 * rows, ordinary_not_negative), *weight = or_null(input(columns, ordinary));
  float *input_gradients = or_null(updated(rows * columns, any));
  float *weight_gradient = or_null(updated(columns, any));
  float *bias_gradient = or_null(updated(columns, any));
  kernels->layer_norm_gradients(input_gradients, weight_gradient, bias_gradient, gradients, inputs, statistics, weight,
                                rows, columns);
  kernels->layer_norm_gradients(gradients, NULL, bias_gradient, gradients, inputs, statistics, weight, rows, columns);
  finish();
}
static void test_layer_norm_gradients(void) { for_each_row_norm(layer_norm_gradients_case); }

static void rms_norm_case(size_t rows, size_t columns, size_t variant) {
  float *values = updated(rows * columns, variant % 5 == 0 ? any : around_5), *separate = result(rows * columns);
  float *weight = or_null(input(columns, any));
  kernels->rms_norm(separate, result(rows), values, weight, rows, columns, 1e-5f);
  kernels->rms_norm(values, result(rows), values, weight, rows, columns, 0.25f);
  finish();
}
static void test_rms_norm(void) { for_each_row_norm(rms_norm_case); }

static void rms_norm_gradients_case(size_t rows, size_t columns, size_t variant) {
  float (*value)(void) = variant % 5 == 0 ? any : ordinary;
  float *gradients = updated(rows * columns, value), *inputs = input(rows * columns, value);
  float *statistics = input(rows, ordinary_not_negative), *weight = or_null(input(columns, ordinary));
  float *input_gradients = or_null(updated(rows * columns, any));
  float *weight_gradient = or_null(updated(columns, any));
  kernels->rms_norm_gradients(input_gradients, weight_gradient, gradients, inputs, statistics, weight, rows, columns);
  kernels->rms_norm_gradients(gradients, NULL, gradients, inputs, statistics, weight, rows, columns);
  finish();
}
static void test_rms_norm_gradients(void) { for_each_row_norm(rms_norm_gradients_case); }

/* Blocks of rows, and channels that are computed at once. */
static const size_t map_rows[] = {0, 1, 2, 3, 4, 5, 7, 8, 62, 63, 64, 65, 66, 131};

static void for_each_group_norm(void (*test)(size_t examples, size_t pixels, size_t per_group, size_t groups,
                                             size_t variant)) {
  static const size_t shapes[][2] = {{1, 1},  {1, 5}, {2, 2},  {3, 1},  {3, 3},  {4, 4},  {5, 3},
                                     {7, 2},  {8, 1}, {1, 66}, {9, 8},  {16, 3}, {17, 2}, {21, 4},
                                     {64, 1}, {65, 1}, {33, 3}, {130, 1}, {70, 2}, {0, 2}};
  size_t variant = 0;
  for (size_t i = 0; i < LENGTH(shapes); i++)
    for (size_t p = 0; p < LENGTH(map_rows); p++, variant++)
      if (map_rows[p] * shapes[i][0] * shapes[i][1] < 500 || variant % 6 == 0) /* large maps are seldom */
        test(1 + variant % 3, map_rows[p], shapes[i][0], shapes[i][1], variant);
  test(0, 5, 3, 2, variant);
}

static void group_norm_case(size_t examples, size_t pixels, size_t per_group, size_t groups, size_t variant) {
  size_t channels = per_group * groups, count = examples * pixels * channels;
  float *values = updated(count, variant % 5 == 0 ? any : around_5), *separate = result(count);
  float *weight = or_null(input(channels, any)), *bias = or_null(input(channels, any));
  size_t kept = channels == 0 ? 0 : 2 * examples * groups;
  kernels->group_norm(separate, result(kept), values, weight, bias, examples, pixels, channels, groups, 1e-5f);
  kernels->group_norm(values, result(kept), values, weight, bias, examples, pixels, channels, groups, 0.25f);
  finish();
}
static void test_group_norm(void) { for_each_group_norm(group_norm_case); }

static void group_norm_gradients_case(size_t examples, size_t pixels, size_t per_group, size_t groups, size_t variant) {
  size_t channels = per_group * groups, count = examples * pixels * channels;
  float (*value)(void) = variant % 5 == 0 ? any : ordinary;
  float *gradients = updated(count, value), *inputs = input(count, value);
  float *statistics = input(2 * examples * groups, ordinary_not_negative);
  float *weight = or_null(input(channels, ordinary));
  float *input_gradients = or_null(updated(count, any));
  float *weight_gradient = or_null(updated(channels, any));
  float *bias_gradient = or_null(updated(channels, any));
  kernels->group_norm_gradients(input_gradients, weight_gradient, bias_gradient, gradients, inputs, statistics, weight,
                                examples, pixels, channels, groups);
  kernels->group_norm_gradients(gradients, NULL, bias_gradient, gradients, inputs, statistics, weight, examples, pixels,
                                channels, groups);
  finish();
}
static void test_group_norm_gradients(void) { for_each_group_norm(group_norm_gradients_case); }

static void for_each_batch_norm(void (*test)(size_t rows, size_t channels, size_t variant)) {
  static const size_t channels[] = {0, 1, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 70, 130};
  size_t variant = 0;
  for (size_t c = 0; c < LENGTH(channels); c++)
    for (size_t r = 0; r < LENGTH(map_rows); r++, variant++)
      if (map_rows[r] * channels[c] < 500 || variant % 5 == 0) test(map_rows[r], channels[c], variant);
}

static void batch_norm_statistics_case(size_t rows, size_t channels, size_t variant) {
  float *inputs = input(rows * channels, variant % 5 == 0 ? any : around_5);
  float *mean = result(channels), *variance = result(channels);
  kernels->batch_norm_statistics(mean, variance, inputs, rows, channels);
  finish();
}
static void test_batch_norm_statistics(void) { for_each_batch_norm(batch_norm_statistics_case); }

static void inverse_deviations_case(size_t count) {
  float *variances = input(count, any);
  kernels->inverse_deviations(result(count), variances, count, count % 2 == 0 ? 1e-5f : 0.0f);
  finish();
}
static void test_inverse_deviations(void) { for_each_count(inverse_deviations_case); }

static void batch_norm_case(size_t rows, size_t channels, size_t variant) {
  float (*value)(void) = variant % 2 == 0 ? any : ordinary;
  float *values = updated(rows * channels, value), *mean = input(channels, value);
  float *inverse = input(channels, not_negative);
  float *weight = or_null(input(channels, any)), *bias = or_null(input(channels, any));
  kernels->batch_norm(result(rows * channels), values, mean, inverse, weight, bias, rows, channels);
  kernels->batch_norm(values, values, mean, inverse, weight, bias, rows, channels);
  finish();
}
static void test_batch_norm(void) { for_each_batch_norm(batch_norm_case); }

static void batch_norm_gradients_case(size_t rows, size_t channels, size_t variant) {
  size_t count = rows * channels;
  float (*value)(void) = variant % 5 == 0 ? any : ordinary;
  float *gradients = updated(count, value), *inputs = input(count, value);
  float *mean = input(channels, ordinary), *inverse = input(channels, ordinary_not_negative);
  float *weight = or_null(input(channels, ordinary));
  float *input_gradients = or_null(updated(count, any));
  float *weight_gradient = or_null(updated(channels, any));
  float *bias_gradient = or_null(updated(channels, any));
  kernels->batch_norm_gradients(input_gradients, weight_gradient, bias_gradient, gradients, inputs, mean, inverse,
                                weight, rows, channels);
  kernels->batch_norm_gradients(gradients, NULL, bias_gradient, gradients, inputs, mean, inverse, weight, rows,
                                channels);
  finish();
}
static void test_batch_norm_gradients(void) { for_each_batch_norm(batch_norm_gradients_case); }

static void for_each_softmax(void (*test)(size_t rows, size_t columns)) {
  static const size_t matrices[][2] = {{16, 9},   {17, 33},  {35, 20},  {9, 500},
                                       {3, 1023}, {3, 1024}, {3, 1025}, {2, 2500}};
  for_each_matrix(test);
  for (size_t i = 0; i < LENGTH(matrices); i++) test(matrices[i][0], matrices[i][1]);
}

static void softmax_case(size_t rows, size_t columns) {
  float *values = updated(rows * columns, rows % 3 == 0 ? any : rows % 3 == 1 ? within_1 : ordinary);
  kernels->softmax(result(rows * columns), values, rows, columns);
  kernels->softmax(values, values, rows, columns);
  finish();
}
static void test_softmax(void) { for_each_softmax(softmax_case); }

static void softmax_gradient_case(size_t rows, size_t columns) {
  float *gradients = updated(rows * columns, rows % 3 == 0 ? any : ordinary);
  float *output = input(rows * columns, ordinary_not_negative);
  kernels->softmax_gradient(result(rows * columns), gradients, output, rows, columns);
  kernels->softmax_gradient(gradients, gradients, output, rows, columns);
  finish();
}
static void test_softmax_gradient(void) { for_each_softmax(softmax_gradient_case); }

/* Rows by number, and parts of rows. */
enum { VOCABULARY = 11 };
/* Sometimes no row's number. */
static float row_number(void) {
  static const float others[] = {-0.0f, -1.0f, 0.5f, 2.25f, VOCABULARY, 0x1p63f, 0x1p64f, INFINITY, -INFINITY, NAN};
  return random_bits() % 4 == 0 ? ONE_OF(others) : (float)below(VOCABULARY);
}

static void embedding_case(size_t count, size_t columns) {
  float *ids = input(count, row_number), *weight = input(VOCABULARY * columns, any);
  kernels->embedding(result(count * columns), ids, weight, count, VOCABULARY, columns);
  finish();
}
static void test_embedding(void) { for_each_matrix(embedding_case); }

static void embedding_gradient_case(size_t count, size_t columns) {
  float *ids = input(3 * count, row_number), *gradients = input(3 * count * columns, count % 2 == 0 ? any : ordinary);
  kernels->embedding_gradient(result(VOCABULARY * columns), gradients, ids, 3 * count, VOCABULARY, columns);
  finish();
}
static void test_embedding_gradient(void) { for_each_matrix(embedding_gradient_case); }

static void copy_columns_case(size_t rows, size_t columns) {
  size_t output_row = columns + (rows % 3 == 0 ? 0 : below(20)), input_row = columns + (rows % 2 == 0 ? 0 : below(20));
  float *values = input(rows * input_row, any);
  kernels->copy_columns(updated(rows * output_row, ordinary), output_row, values, input_row, rows, columns);
  finish();
}
static void test_copy_columns(void) { for_each_matrix(copy_columns_case); }

/* Operations on the elements of two vectors. */
static void for_each_period(void (*test)(size_t count, size_t period)) {
  static const size_t periods[] = {1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 127, 128, 129, 200, 257};
  test(0, 0);
  for (size_t i = 0; i < LENGTH(periods); i++)
    for (size_t parts = 0; parts < 6; parts++) test(parts * periods[i], periods[i]);
  for (size_t count = 120; count < 140; count++) test(count, 1), test(3 * count, 3);
}
#define BROADCAST(NAME)                                              \
  static void NAME##_case(size_t count, size_t period) {             \
    float *a = updated(count, any), *b = input(period, any);         \
    kernels->NAME(updated(count, any), a, b, count, period);         \
    kernels->NAME(a, a, b, count, period);                           \
    finish();                                                        \
  }                                                                  \
  static void test_##NAME(void) { for_each_period(NAME##_case); }
BROADCAST(add)
BROADCAST(multiply_elements)

/* Halfway between two bf16, next to it, or anything. */
static float near_a_tie(void) {
  static const uint32_t lower[] = {0x7FFF, 0x8000, 0x8001, 0};
  uint32_t bits = (uint32_t)random_bits();
  if (bits % 16 == 0) bits |= 0x7F000000; /* the largest ones, infinities and NaNs */
  return random_bits() % 2 == 0 ? any() : float_of_bits((bits & 0xFFFF0000) | lower[bits % LENGTH(lower)]);
}
static void round_bf16_case(size_t count) {
  float *values = updated(count, near_a_tie);
  kernels->round_bf16(result(count), values, count);
  kernels->round_bf16(values, values, count);
  finish();
}
static void test_round_bf16(void) { for_each_count(round_bf16_case); }
static void pack_bf16_case(size_t count) {
  float *values = input(count, near_a_tie);
  uint8_t *packed = malloc(2 * count + 2);
  for (size_t shift = 0; shift < 2; shift++) {
    memset(packed, 0xFF, 2 * count + 2);
    kernels->pack_bf16(packed + shift, values, count);
    lk_sha256_update(&hash, packed, 2 * count + 2);
  }
  free(packed);
  finish();
}
static void test_pack_bf16(void) { for_each_count(pack_bf16_case); }
static void unpack_bf16_case(size_t count) {
  float *halves = input(count / 2 + 2, near_a_tie);
  kernels->unpack_bf16(result(count), halves, count);
  kernels->unpack_bf16(result(count), (const uint8_t *)halves + 1, count);
  finish();
}
static void test_unpack_bf16(void) { for_each_count(unpack_bf16_case); }
static void accumulate_bf16_case(size_t count) {
  float *sum = updated(count, near_a_tie), *term = input(count, near_a_tie);
  kernels->accumulate_bf16(sum, term, count);
  finish();
}
static void test_accumulate_bf16(void) { for_each_count(accumulate_bf16_case); }

#define TEST(NAME) {#NAME, test_##NAME}
/* A test's place is the seed of its inputs, so new ones come last. */
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
    TEST(activation_forward), TEST(activation_gradient), TEST(convolution), TEST(convolution_input_gradient),
    TEST(convolution_weight_gradient), TEST(max_pool), TEST(max_pool_gradient), TEST(average_pool),
    TEST(average_pool_gradient), TEST(global_average_pool), TEST(global_average_pool_gradient), TEST(channels_first),
    TEST(attention), TEST(attention_gradients), TEST(rotary), TEST(layer_norm), TEST(layer_norm_gradients),
    TEST(rms_norm), TEST(rms_norm_gradients), TEST(group_norm), TEST(group_norm_gradients), TEST(batch_norm_statistics),
    TEST(inverse_deviations), TEST(batch_norm), TEST(batch_norm_gradients), TEST(softmax), TEST(softmax_gradient),
    TEST(embedding), TEST(embedding_gradient), TEST(copy_columns), TEST(add), TEST(multiply_elements),
    TEST(weighted_cross_entropy), TEST(mean_absolute_error), TEST(huber),
    TEST(binary_cross_entropy), TEST(outer_nesterov), TEST(round_bf16), TEST(pack_bf16), TEST(unpack_bf16),
    TEST(accumulate_bf16), TEST(adan), TEST(stable_moments), TEST(nesterov_mean), TEST(schedule_free),
};
/* All but multiply_adds and convolution_scratch, whose results depend on the width. */
/* softmax_cross_entropy has two tests and regression_loss three. */
_Static_assert(LENGTH(tests) - 3 + 2 == sizeof(lk_kernels) / sizeof(void (*)(void)), "a kernel has no test");

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
