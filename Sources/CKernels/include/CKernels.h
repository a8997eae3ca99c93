// Kernels over float32 vectors and row-major matrices, and what else needs C.
#ifndef LOCKSTEP_CKERNELS_H
#define LOCKSTEP_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

// Update rules: one step over a range of the parameters; Sources/Optimizers has their equations and papers. Every
// vector has `count` values. A slot's values before the step are `before` values away from it, in the same allocation;
// 0 updates slots in place. A kernel computes
//   g = clip(gradient_sum · scale) + decay · parameters
//   updated = parameters − (shrink · parameters + the rule's own difference)
typedef struct {
  const float *parameters;
  const float *gradient_sum;
  float *updated;
  size_t count;
  float scale;  // 1 / (examples in the step), times a clipped norm's factor
  float clip;   // g stays within ±clip; infinity for no limit
  float decay;  // coupled decay, λ
  float shrink; // ηλ of decoupled decay
  ptrdiff_t before;
} lk_update;

typedef struct {
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
} lk_moments;

typedef enum { LK_IDENTITY, LK_RELU, LK_TANH, LK_SIGMOID, LK_GELU, LK_SILU, LK_GELU_TANH } lk_activation;

#define LK_TREE_DEPTH 32  // a step has at most 2^(LK_TREE_DEPTH − 1) micro-batches
#define LK_LANES 16       // the partial sums of a sum within a row, or over a long vector
#define LK_PANEL 48       // the most columns of a matrix that are copied side by side
#define LK_INNER 512      // the most rows of such a panel
#define LK_ATTENTION_KEYS 64 // the keys of a block of attention: between blocks, sums are scaled

// A convolution of images, height × width × channels. Output (y, x) reads the inputs from row y · stride_y − pad_top and
// column x · stride_x − pad_left on. What is outside of the image is zero.
typedef struct {
  size_t height, width, channels;
  size_t out_height, out_width, out_channels;
  size_t kernel_height, kernel_width;
  size_t stride_y, stride_x, dilation_y, dilation_x;
  size_t pad_top, pad_left;
  size_t groups; // which divide the channels of inputs and outputs: each group's outputs read its inputs
} lk_convolution;

// Windows over images, height × width × channels. A window's area is at most 255.
typedef struct {
  size_t height, width, channels;
  size_t out_height, out_width;
  size_t kernel_height, kernel_width;
  size_t stride_y, stride_x;
  size_t pad_top, pad_left;
} lk_pooling;

// Scaled dot-product attention of one example. Head h of a position starts h · width floats after the start of the
// position's row, so three pointers into one packed matrix are three matrices.
typedef struct {
  size_t queries, keys; // positions
  size_t heads, width;  // width of a head
  size_t query_row, key_row, value_row, output_row; // floats from a position to the next
  int is_causal; // query q attends to the keys 0…q; then there are as many keys as queries
  float scale;   // of the scores
} lk_attention;

// With weights w and smoothing ε, the loss of a row with label y among k classes is
//   (1 − ε) · w(y) · −log p(y) + ε / k · Σ over classes c of w(c) · −log p(c), where p = softmax(logits).
typedef struct {
  const float *weights; // one for each class; null: all are 1
  double smoothing;
  int32_t ignored; // rows with this label count for nothing and have no gradient; −1: none
} lk_cross_entropy;

typedef struct {
  double weight;   // Σ w(y)
  double loss;
  double surprise; // Σ −log p(y)
  int64_t rows;    // that are not ignored
  int64_t correct, among_five; // the label's logit is the largest, or one of the five largest; of equals the first
} lk_class_sums;

// (error)², |error|, or error² / 2 that goes on as a line of slope δ where |error| exceeds it.
typedef enum { LK_SQUARED_ERROR, LK_ABSOLUTE_ERROR, LK_HUBER } lk_regression;

typedef struct {
  double loss, absolute_error; // averaged over a row's columns
  double squared_error;
} lk_regression_sums;

// The kernels for vectors of one width. All of them give the same bits; the guide's page Numerics defines them. Vectors
// must not overlap, except those that are updated in place.
typedef struct {
  // outputs (examples × out) = activation(inputs (examples × in) · weight (in × out) + bias). If `activated` is not
  // null, it takes the result, and `outputs` the activation's input. A null bias: outputs = inputs · weight.
  //   scratch: LK_INNER · LK_PANEL values
  void (*linear)(float *outputs, float *activated, const float *inputs, const float *weight, const float *bias,
                 size_t examples, size_t in, size_t out, lk_activation activation, float *scratch);
  // input_gradients (examples × in) = output_gradients · weightᵀ, times the derivative of the activation that gave the
  // inputs. `kept`: its output; GELU's input; null for no activation.
  //   scratch: the larger of LK_INNER · LK_PANEL and (examples + LK_LANES) · (in + out) values
  void (*linear_input_gradient)(float *input_gradients, const float *output_gradients, const float *weight,
                                const float *kept, size_t examples, size_t in, size_t out, lk_activation activation,
                                float *scratch);
  // gradient (in × out) = Σ over micro-batches of inputsᵀ · output_gradients, along the reduction tree.
  //   ends: where each of the micro-batches' examples end, ascending; at least one
  //   scratch: examples · (LK_PANEL + in) values
  void (*linear_weight_gradient)(float *gradient, const float *inputs, const float *output_gradients, size_t examples,
                                 size_t in, size_t out, const size_t *ends, size_t micro_batches, float *scratch);
  // output = activation(input), in place if they are the same.
  void (*activation_forward)(float *output, const float *input, size_t count, lk_activation activation);
  // input_gradient = output_gradient · the derivative, in place if they are the same. `kept`: the activation's output,
  // or the input of GELU, its approximation and SiLU.
  void (*activation_gradient)(float *input_gradient, const float *output_gradient, const float *kept, size_t count,
                              lk_activation activation);
  // sums[c] = Σ of column c, in the order of the rows.
  void (*column_sums)(float *sums, const float *values, size_t rows, size_t columns);

  // outputs = activation(convolution(inputs) + bias), as in `linear`. weight: kernel_height × kernel_width ×
  // channels / groups × out_channels.
  //   scratch: of all three functions, convolution_scratch(shape) values, for any number of examples
  void (*convolution)(float *outputs, float *activated, const float *inputs, const float *weight, const float *bias,
                      size_t examples, const lk_convolution *shape, lk_activation activation, float *scratch);
  // The gradient with respect to the inputs, times the derivative of the activation that gave them, as in
  // `linear_input_gradient`.
  void (*convolution_input_gradient)(float *input_gradients, const float *output_gradients, const float *weight,
                                     const float *kept, size_t examples, const lk_convolution *shape,
                                     lk_activation activation, float *scratch);
  // The gradient of one micro-batch with respect to the weight.
  void (*convolution_weight_gradient)(float *gradient, const float *inputs, const float *output_gradients,
                                      size_t examples, const lk_convolution *shape, float *scratch);
  size_t (*convolution_scratch)(const lk_convolution *shape);

  // Maxima of windows. `places`: ky · kernel_width + kx of the first maximum. The first NaN wins; padding never does: a
  // window wholly in the padding gives −∞.
  void (*max_pool)(float *outputs, uint8_t *places, const float *inputs, size_t examples, const lk_pooling *shape);
  // Writes all input gradients.
  void (*max_pool_gradient)(float *input_gradients, const float *output_gradients, const uint8_t *places,
                            size_t examples, const lk_pooling *shape);
  // Averages over the part of a window that is in the image, or with counts_padding over the window's area. No window
  // may lie wholly in the padding.
  void (*average_pool)(float *outputs, const float *inputs, size_t examples, const lk_pooling *shape,
                       int counts_padding);
  void (*average_pool_gradient)(float *input_gradients, const float *output_gradients, size_t examples,
                                const lk_pooling *shape, int counts_padding);
  // outputs (examples × channels) = averages of inputs (examples × pixels × channels).
  void (*global_average_pool)(float *outputs, const float *inputs, size_t examples, size_t pixels, size_t channels);
  void (*global_average_pool_gradient)(float *input_gradients, const float *output_gradients, size_t examples,
                                       size_t pixels, size_t channels);
  // Transposes each example, pixels × channels to channels × pixels. With the two counts exchanged, back.
  void (*channels_first)(float *outputs, const float *inputs, size_t examples, size_t pixels, size_t channels);

  // outputs(q, h) = Σ over keys k of softmax(scale · query(q, h) · key(k, h)) · value(k, h). Without keys, all is +0.
  //   statistics: heads × 2 × queries. For each head the queries' largest scores, then 1 / the sums of the
  //   exponentials of the distances from it
  //   scratch: 2 · K · W + 2 · B · W + B² + 80 values. B = LK_ATTENTION_KEYS; K: keys rounded up to a multiple of B;
  //   W: width rounded up to a multiple of LK_LANES
  void (*attention)(float *outputs, float *statistics, const float *queries, const float *keys, const float *values,
                    const lk_attention *shape, float *scratch);
  // Writes the gradients, which have the rows of queries, keys and values and must not overlap them; they may be
  // interleaved in one packed matrix. `outputs` and `statistics`: what `attention` gave for the same inputs. Without
  // queries or keys, all gradients are +0.
  //   scratch: 4 · K · W + 5 · B · W + 2 · B² + 176 values
  void (*attention_gradients)(float *query_gradients, float *key_gradients, float *value_gradients,
                              const float *output_gradients, const float *outputs, const float *statistics,
                              const float *queries, const float *keys, const float *values, const lk_attention *shape,
                              float *scratch);
  // Turns the pairs (i, i + width / 2) of each head by the position's angles; back if `inverse`. `width` is even.
  //   cosines, sines: positions × width / 2
  //   row: floats from a position to the next, of input and output; output may be the input
  void (*rotary)(float *output, const float *input, const float *cosines, const float *sines, size_t positions,
                 size_t heads, size_t width, size_t row, int inverse);

  // Norms. Weight and bias may be null. In place if outputs are inputs, or input gradients output gradients. Gradients
  // are of one micro-batch; null for those not wanted.
  //   statistics: (mean, 1 / √(variance + epsilon)) of each row, or of each group of channels of each example; of
  //   rms_norm 1 / √(mean square + epsilon) of each row
  void (*layer_norm)(float *outputs, float *statistics, const float *inputs, const float *weight, const float *bias,
                     size_t rows, size_t columns, float epsilon);
  void (*layer_norm_gradients)(float *input_gradients, float *weight_gradient, float *bias_gradient,
                               const float *output_gradients, const float *inputs, const float *statistics,
                               const float *weight, size_t rows, size_t columns);
  void (*rms_norm)(float *outputs, float *statistics, const float *inputs, const float *weight, size_t rows,
                   size_t columns, float epsilon);
  void (*rms_norm_gradients)(float *input_gradients, float *weight_gradient, const float *output_gradients,
                             const float *inputs, const float *statistics, const float *weight, size_t rows,
                             size_t columns);
  void (*group_norm)(float *outputs, float *statistics, const float *inputs, const float *weight, const float *bias,
                     size_t examples, size_t pixels, size_t channels, size_t groups, float epsilon);
  void (*group_norm_gradients)(float *input_gradients, float *weight_gradient, float *bias_gradient,
                               const float *output_gradients, const float *inputs, const float *statistics,
                               const float *weight, size_t examples, size_t pixels, size_t channels, size_t groups);
  // Of each channel over rows; the variance is divided by the number of rows.
  void (*batch_norm_statistics)(float *mean, float *variance, const float *inputs, size_t rows, size_t channels);
  // 1 / √(variance + epsilon) of each.
  void (*inverse_deviations)(float *outputs, const float *variances, size_t count, float epsilon);
  void (*batch_norm)(float *outputs, const float *inputs, const float *mean, const float *inverse_deviation,
                     const float *weight, const float *bias, size_t rows, size_t channels);
  // Where the statistics are those of the same rows.
  void (*batch_norm_gradients)(float *input_gradients, float *weight_gradient, float *bias_gradient,
                               const float *output_gradients, const float *inputs, const float *mean,
                               const float *inverse_deviation, const float *weight, size_t rows, size_t channels);

  // Of each row; in place if output is input.
  void (*softmax)(float *output, const float *input, size_t rows, size_t columns);
  // In place if input_gradient is output_gradient.
  void (*softmax_gradient)(float *input_gradient, const float *output_gradient, const float *output, size_t rows,
                           size_t columns);
  // output (count × width) = the rows of weight (vocabulary × width) that ids name: whole numbers below `vocabulary`. The
  // row of any other id is NaN, and its gradient is left out.
  void (*embedding)(float *output, const float *ids, const float *weight, size_t count, size_t vocabulary,
                    size_t width);
  // The gradient of one micro-batch with respect to the weight, added in the order of the ids.
  void (*embedding_gradient)(float *gradient, const float *output_gradients, const float *ids, size_t count,
                             size_t vocabulary, size_t width);
  // Rows of `columns` values, `output_row` and `input_row` apart.
  void (*copy_columns)(float *output, size_t output_row, const float *input, size_t input_row, size_t rows,
                       size_t columns);
  // Elementwise, in place if output is a. b has `period` elements, which hold for each part of a; count is a multiple.
  void (*add)(float *output, const float *a, const float *b, size_t count, size_t period);
  void (*multiply_elements)(float *output, const float *a, const float *b, size_t count, size_t period);

  // Losses of each row. Outputs become the gradient of the loss summed over the rows; the sums are added to.
  // Softmax cross-entropy of each row against its label.
  void (*softmax_cross_entropy)(float *logits, const int32_t *labels, size_t rows, size_t columns,
                                const lk_cross_entropy *options, lk_class_sums *sums);
  // The errors are predictions − targets; `bend` is Huber's δ.
  void (*regression_loss)(float *predictions, const float *targets, size_t rows, size_t columns, lk_regression kind,
                          float bend, lk_regression_sums *sums);
  // max(z, 0) − z · target + log(1 + e^−|z|), averaged over a row's columns; *correct takes the share of them
  // where z > 0 and target > ½ agree.
  void (*binary_cross_entropy)(float *logits, const float *targets, size_t rows, size_t columns, double *loss,
                               double *correct);
  // output = kept ? input · scale : 0, in place if output is input. Value (r, c) is kept if word c mod 4 of
  // Philox4x32-10's block (first + r) · ⌈columns / 4⌉ + c / 4 is at least `threshold`; key and stream are those of
  // Philox in Swift.
  void (*dropout)(const float *input, float *output, size_t rows, size_t columns, uint64_t key, uint64_t stream,
                  uint64_t first, uint32_t threshold, float scale);

  // sum += term, elementwise.
  void (*accumulate)(float *sum, const float *term, size_t count);
  // Whether no value is infinite or a NaN.
  int (*all_finite)(const float *values, size_t count);
  // bf16, the upper half of a float. Rounding is to the nearest, ties to even; every NaN becomes the same.
  // output = the rounded input, as floats; in place if they are the same.
  void (*round_bf16)(float *output, const float *input, size_t count);
  // output (2 · count bytes, at any address) = the upper halves of the rounded input.
  void (*pack_bf16)(void *output, const float *input, size_t count);
  void (*unpack_bf16)(float *output, const void *input, size_t count);
  // sum = the rounded sum of both, each of which is rounded first.
  void (*accumulate_bf16)(float *sum, const float *term, size_t count);
  // One example's features, scaled: output[c] = (input[c] − offset[c]) · factor[c].
  void (*scale_bytes)(float *output, const uint8_t *input, const float *offset, const float *factor, size_t count);
  void (*scale_floats)(float *output, const float *input, const float *offset, const float *factor, size_t count);

  // Computes multiply-adds in registers, and returns how many: to measure what the processor can do.
  double (*multiply_adds)(size_t rounds);

  // Elementary functions of each value.
  void (*exponentials)(float *output, const float *input, size_t count);
  void (*sigmoids)(float *output, const float *input, size_t count);
  void (*hyperbolic_tangents)(float *output, const float *input, size_t count);
  void (*gelus)(float *output, const float *input, size_t count);
  void (*gelu_derivatives)(float *output, const float *input, size_t count);
  double (*exponential)(double x);
  double (*logarithm)(double x);
  double (*power)(double base, double exponent); // of a base that is not negative
  double (*sine_of_pi)(double x);                // sin πx of |x| ≤ 2³⁰
  double (*cosine_of_pi)(double x);              // cos πx of |x| ≤ 2³⁰

  void (*gradient_descent)(const lk_update *update, float rate);
  void (*momentum)(const lk_update *update, float *velocity, float momentum, float gradient_share, float rate);
  void (*nesterov)(const lk_update *update, float *velocity, float momentum, float rate);
  // Without centring, `mean_gradient` is null; without momentum, `velocity`.
  void (*rmsprop)(const lk_update *update, float *mean_square, float *mean_gradient, float *velocity, float rho,
                  float one_minus_rho, float momentum, float epsilon, float epsilon_inside, float rate);
  // With bias correction, rate = η / (1 − β₁ᵗ) and root_scale = 1 / √(1 − β₂ᵗ). Without AMSGrad, `largest` is null.
  void (*adam)(const lk_update *update, float *first_moment, float *second_moment, float *largest,
               const lk_moments *moments, float rate, float root_scale, float epsilon);
  void (*nadam)(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                float moment_rate, float gradient_rate, float root_scale, float epsilon);
  // Without `has_last`, the difference to the last gradient is 0.
  void (*adan)(const lk_update *update, float *first_moment, float *difference_moment, float *second_moment,
               float *last_gradient, const lk_moments *moments, float beta3, float one_minus_beta3, int has_last,
               float moment_rate, float difference_rate, float root_scale, float epsilon);
  void (*rmsprop_first_moment)(const lk_update *update, float *first_moment, float *mean_square,
                               const lk_moments *moments, float epsilon, float rate);
  void (*adagrad)(const lk_update *update, float *square_sum, float epsilon, float rate);
  void (*adadelta)(const lk_update *update, float *mean_square, float *mean_square_update, float rho,
                   float one_minus_rho, float epsilon, float rate);
  // `last_difference` takes the difference of the two rules' moves, if it is not null.
  void (*blend)(const lk_update *update, float *first_moment, float *second_moment, float *mean_square,
                float *last_difference, const lk_moments *moments, float rho, float one_minus_rho, float adam_rate,
                float root_scale, float rate, float epsilon, float lambda);
  void (*lion)(const lk_update *update, float *first_moment, const lk_moments *moments, float rate);
  // LAMB in two passes: the moments and Σ r² of r = m̂ / (√v̂ + ε) + λθ, then the move by rate · r.
  void (*lamb_moments)(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                       float moment_scale, float root_scale, float epsilon, float decay, double *lanes, size_t first);
  void (*lamb_move)(const lk_update *update, const float *first_moment, const float *second_moment, float moment_scale,
                    float root_scale, float epsilon, float decay, float rate);
  // StableAdamW's first pass: the moments and Σ (g / max(√v̂, ε))².
  void (*stable_moments)(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                         float root_scale, float epsilon, double *lanes, size_t first);
  // Muon's first pass: the mean of the gradients, and in place of parameters the mean that looks ahead.
  void (*nesterov_mean)(const lk_update *update, float *moment, float decay, float gradient_share);
  // Schedule-Free AdamW: z, `iterate`, moves by −rate · d and θ by toward · (z − θ) + parameter_rate · d, with d = g / (√v
  // root_scale + ε) + weight_decay · θ. `iterate` may be `iterate_before`.
  void (*schedule_free)(const lk_update *update, const float *iterate_before, float *iterate, float *second_moment,
                        float decay, float square_share, float rate, float parameter_rate, float toward,
                        float root_scale, float epsilon, float weight_decay);
  // Moves on from the anchor before the update by what a rule has left in `updated`, which it replaces. `anchor` may be
  // `anchor_before`.
  void (*outer_nesterov)(const lk_update *update, const float *anchor_before, float *anchor, float *outer_momentum,
                         float momentum, float rate);

  // Sums over long vectors in LK_LANES partial sums: element e of the whole vector is added to lane e mod LK_LANES, so
  // the bits do not depend on how the vector is divided into ranges. `first` is the index of the range's first element.
  void (*sum_squares)(const float *values, size_t count, double *lanes, size_t first);
  void (*sum_gradient_squares)(const lk_update *update, double *lanes, size_t first);
  void (*sum_gradient_products)(const lk_update *update, const float *values, double *lanes, size_t first);
  // Σ g · moment_scale · m / (√v · root_scale + ε)
  void (*sum_adam_products)(const lk_update *update, const float *first_moment, const float *second_moment,
                            float moment_scale, float root_scale, float epsilon, double *lanes, size_t first);
} lk_kernels;

// The kernels for vectors of 4, 8 or 16 floats; null if this processor lacks the instructions, and for other widths.
// Those for 4 need none: without fused multiply-add instructions they compute it by fmaf, slowly.
const lk_kernels *lk_kernels_of_width(int width);
// Whether this processor has fused multiply-add instructions.
int lk_has_fma(void);

// SHA-256 (FIPS 180-4) of fewer than 2^61 bytes, added in pieces. Uses the processor's SHA-256 instructions if it has
// them and `is_portable` is 0.
typedef struct {
  uint32_t hash[8];
  uint8_t block[64]; // the bytes after the last whole block
  uint64_t length;   // bytes so far
  int is_portable;
} lk_sha256;
void lk_sha256_init(lk_sha256 *state, int is_portable);
// `bytes` may be null where `count` is 0.
void lk_sha256_update(lk_sha256 *state, const void *bytes, size_t count);
// The digest of the bytes so far. `state` does not change: more bytes may follow.
void lk_sha256_finish(const lk_sha256 *state, uint8_t digest[32]);

// Starts to load memory into the cache.
void lk_prefetch(const void *memory, size_t bytes);

// Creates `size` zero bytes that other processes of this user can map. Returns a descriptor, or -1 with errno.
int lk_memory_create(size_t size);
void lk_memory_make_read_only(int descriptor);
// Opens such memory, which process `process` has as `descriptor`. Returns a descriptor, or -1 with errno.
int lk_memory_open(int process, int descriptor, size_t size, int is_writable);

// Maps the first `size` bytes of a file for reading. Where one of them is read after the file has become shorter, the
// program ends with `message` on standard error and status 1. Returns null with errno where that fails.
const void *lk_map_file(int descriptor, size_t size, const char *message);
void lk_unmap_file(const void *start, size_t size);

// The cores that the calling thread may run on, one bit each. Both return 0 on success.
int lk_get_cores(uint8_t *bits, size_t bytes);
int lk_set_cores(const uint8_t *bits, size_t bytes);
// The core that the calling thread runs on; negative if unknown.
int lk_current_core(void);
// Gives the calling thread a lower priority, where the system has one for each thread.
void lk_yield_to_others(void);

#endif
