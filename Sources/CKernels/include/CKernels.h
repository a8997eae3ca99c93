// Elementwise loops over float32 vectors.
//
// Every function gives the same bits on every instruction set: no sum is reordered, no multiply-add is fused, and exp
// is computed here instead of by the system's math library. Vectors must not overlap, except those that are updated in
// place.
#ifndef LOCKSTEP_CKERNELS_H
#define LOCKSTEP_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

// sum += term, elementwise.
void lk_accumulate(float *sum, const float *term, size_t count);

// Whether no value is infinite or a NaN.
int lk_all_finite(const float *values, size_t count);

// gradient (in × out) = Σ over micro-batches of inputsᵀ · output_gradients, along the reduction tree. Unlike the other
// functions it fuses multiply-adds: the bits are the same on all instruction sets that can.
//   inputs: examples × in            output_gradients: examples × out
//   ends: where each micro-batch's examples end, ascending; at most 2^(LK_TREE_DEPTH − 1) micro-batches
//   scratch: examples · (LK_WIDEST_PANEL + in + 5) values, aligned to 64 bytes
//   widest: the largest SIMD width to use, in floats; 16 for no limit
#define LK_TREE_DEPTH 32
#define LK_WIDEST_PANEL 64
void lk_weight_gradient(float *gradient, const float *inputs, const float *output_gradients, size_t examples, size_t in,
                        size_t out, const size_t *ends, size_t micro_batches, float *scratch, size_t widest);

// result = valuesᵀ, of rows × columns.
void lk_transpose(float *result, const float *values, size_t rows, size_t columns);

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

void lk_gradient_descent(const lk_update *update, float rate);
void lk_momentum(const lk_update *update, float *velocity, float momentum, float gradient_share, float rate);
void lk_nesterov(const lk_update *update, float *velocity, float momentum, float rate);
void lk_rmsprop(const lk_update *update, float *mean_square, float rho, float one_minus_rho, float epsilon,
                float epsilon_inside, float rate);
void lk_rmsprop_centered(const lk_update *update, float *mean_square, float *mean_gradient, float rho,
                         float one_minus_rho, float epsilon, float epsilon_inside, float rate);
void lk_rmsprop_momentum(const lk_update *update, float *mean_square, float *velocity, float rho, float one_minus_rho,
                         float momentum, float epsilon, float epsilon_inside, float rate);
void lk_rmsprop_centered_momentum(const lk_update *update, float *mean_square, float *mean_gradient, float *velocity,
                                  float rho, float one_minus_rho, float momentum, float epsilon, float epsilon_inside,
                                  float rate);
// With bias correction, rate = η / (1 − β₁ᵗ) and root_scale = 1 / √(1 − β₂ᵗ).
void lk_adam(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments, float rate,
             float root_scale, float epsilon);
void lk_amsgrad(const lk_update *update, float *first_moment, float *second_moment, float *largest,
                const lk_moments *moments, float rate, float root_scale, float epsilon);
void lk_nadam(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
              float moment_rate, float gradient_rate, float root_scale, float epsilon);
void lk_rmsprop_first_moment(const lk_update *update, float *first_moment, float *mean_square,
                             const lk_moments *moments, float epsilon, float rate);
void lk_adagrad(const lk_update *update, float *square_sum, float epsilon, float rate);
void lk_adadelta(const lk_update *update, float *mean_square, float *mean_square_update, float rho, float one_minus_rho,
                 float epsilon, float rate);
void lk_blend(const lk_update *update, float *first_moment, float *second_moment, float *mean_square,
              const lk_moments *moments, float rho, float one_minus_rho, float adam_rate, float root_scale, float rate,
              float epsilon, float lambda);
void lk_blend_auto(const lk_update *update, float *first_moment, float *second_moment, float *mean_square,
                   float *last_difference, const lk_moments *moments, float rho, float one_minus_rho, float adam_rate,
                   float root_scale, float rate, float epsilon, float lambda);
void lk_lion(const lk_update *update, float *first_moment, const lk_moments *moments, float rate);
// LAMB in two passes: the moments and Σ r² of r = m̂ / (√v̂ + ε) + λθ, then the move by rate · r.
void lk_lamb_moments(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                     float moment_scale, float root_scale, float epsilon, float decay, double *lanes, size_t first);
void lk_lamb_move(const lk_update *update, const float *first_moment, const float *second_moment, float moment_scale,
                  float root_scale, float epsilon, float decay, float rate);

// Sums over long vectors in LK_LANES partial sums: element e of the whole vector is added to lane e mod LK_LANES, so
// the bits do not depend on how the vector is divided into ranges. `first` is the index of the range's first element.
#define LK_LANES 16
void lk_sum_squares(const float *values, size_t count, double *lanes, size_t first);
void lk_sum_gradient_squares(const lk_update *update, double *lanes, size_t first);
void lk_sum_gradient_products(const lk_update *update, const float *values, double *lanes, size_t first);
// Σ g · moment_scale · m / (√v · root_scale + ε)
void lk_sum_adam_products(const lk_update *update, const float *first_moment, const float *second_moment,
                          float moment_scale, float root_scale, float epsilon, double *lanes, size_t first);

// Rows of a layer's output, in place: values[r][c] = activation(values[r][c] + bias[c]).
void lk_bias_identity(float *values, const float *bias, size_t rows, size_t columns);
void lk_bias_relu(float *values, const float *bias, size_t rows, size_t columns);
void lk_bias_tanh(float *values, const float *bias, size_t rows, size_t columns);
void lk_bias_sigmoid(float *values, const float *bias, size_t rows, size_t columns);
// values[r][c] += bias[c], which the derivative needs; activated = GELU(values).
void lk_bias_gelu(float *values, float *activated, const float *bias, size_t rows, size_t columns);

// gradient *= activation′, in place, from the activation's own output (GELU: from its input).
void lk_relu_derivative(float *gradient, const float *activated, size_t count);
void lk_tanh_derivative(float *gradient, const float *activated, size_t count);
void lk_sigmoid_derivative(float *gradient, const float *activated, size_t count);
void lk_gelu_derivative(float *gradient, const float *input, size_t count);

// Dropout: output = kept ? input · scale : 0, in place if output is input. Value (r, c) is kept if word c mod 4 of
// Philox4x32-10's block (first + r) · ⌈columns / 4⌉ + c / 4 is at least `threshold`; key and stream are those of Philox
// in Swift.
void lk_dropout(const float *input, float *output, size_t rows, size_t columns, uint64_t key, uint64_t stream,
                uint64_t first, uint32_t threshold, float scale);

// sums[c] = Σ of column c, in the order of the rows.
void lk_column_sums(float *sums, const float *values, size_t rows, size_t columns);

// Softmax cross-entropy of each row against its label; logits become the gradient, softmax − one-hot.
// Adds to *loss in double; *correct counts the rows whose largest logit (the first of equals) is the label.
void lk_softmax_cross_entropy(float *logits, const int32_t *labels, size_t rows, size_t columns, double *loss,
                              int64_t *correct);

// Squared error averaged over a row's columns; predictions become the gradient, 2 (prediction − target) / columns.
// Adds to *loss, and the plain sum of squared errors to *squared_error.
void lk_mean_squared_error(float *predictions, const float *targets, size_t rows, size_t columns, double *loss,
                           double *squared_error);

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

// One example's features, scaled: output[c] = (input[c] − offset[c]) · factor[c].
void lk_scale_bytes(float *output, const uint8_t *input, const float *offset, const float *factor, size_t count);
void lk_scale_floats(float *output, const float *input, const float *offset, const float *factor, size_t count);

// Creates `size` zero bytes that other processes of this user can map. Returns a descriptor, or -1 with errno.
int lk_memory_create(size_t size);
void lk_memory_make_read_only(int descriptor);
// Opens such memory, which process `process` has as `descriptor`. Returns a descriptor, or -1 with errno.
int lk_memory_open(int process, int descriptor, size_t size, int is_writable);

// Sets OpenMP's thread count for the calling thread to one, if the process has an OpenMP runtime.
void lk_use_one_openmp_thread(void);

// The cores that the calling thread may run on, one bit each. Both return 0 on success.
int lk_get_cores(uint8_t *bits, size_t bytes);
int lk_set_cores(const uint8_t *bits, size_t bytes);
// The core that the calling thread runs on; negative if unknown.
int lk_current_core(void);

#endif
