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

typedef enum { LK_IDENTITY, LK_RELU, LK_TANH, LK_SIGMOID, LK_GELU } lk_activation;

#define LK_TREE_DEPTH 32  // a step has at most 2^(LK_TREE_DEPTH − 1) micro-batches
#define LK_LANES 16       // the partial sums of a sum within a row, or over a long vector
#define LK_PANEL 48       // the most columns of a matrix that are copied side by side
#define LK_INNER 512      // the most rows of such a panel

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
  // input_gradient = output_gradient · the derivative, in place if they are the same. `kept`: the activation's output;
  // GELU's input.
  void (*activation_gradient)(float *input_gradient, const float *output_gradient, const float *kept, size_t count,
                              lk_activation activation);
  // sums[c] = Σ of column c, in the order of the rows.
  void (*column_sums)(float *sums, const float *values, size_t rows, size_t columns);

  // Softmax cross-entropy of each row against its label; logits become the gradient, softmax − one-hot.
  // Adds to *loss in double; *correct counts the rows whose largest logit (the first of equals) is the label.
  void (*softmax_cross_entropy)(float *logits, const int32_t *labels, size_t rows, size_t columns, double *loss,
                                int64_t *correct);
  // Squared error averaged over a row's columns; predictions become the gradient, 2 (prediction − target) / columns.
  // Adds to *loss, and the plain sum of squared errors to *squared_error.
  void (*mean_squared_error)(float *predictions, const float *targets, size_t rows, size_t columns, double *loss,
                             double *squared_error);
  // output = kept ? input · scale : 0, in place if output is input. Value (r, c) is kept if word c mod 4 of
  // Philox4x32-10's block (first + r) · ⌈columns / 4⌉ + c / 4 is at least `threshold`; key and stream are those of
  // Philox in Swift.
  void (*dropout)(const float *input, float *output, size_t rows, size_t columns, uint64_t key, uint64_t stream,
                  uint64_t first, uint32_t threshold, float scale);

  // sum += term, elementwise.
  void (*accumulate)(float *sum, const float *term, size_t count);
  // Whether no value is infinite or a NaN.
  int (*all_finite)(const float *values, size_t count);
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

// The cores that the calling thread may run on, one bit each. Both return 0 on success.
int lk_get_cores(uint8_t *bits, size_t bytes);
int lk_set_cores(const uint8_t *bits, size_t bytes);
// The core that the calling thread runs on; negative if unknown.
int lk_current_core(void);
// Gives the calling thread a lower priority, where the system has one for each thread.
void lk_yield_to_others(void);

#endif
