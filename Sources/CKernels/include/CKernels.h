// Elementwise loops over float32 vectors.
//
// Every function gives the same bits on every instruction set: no sum is reordered, no multiply-add is fused,
// and exp is computed here instead of by the system's math library. Vectors never overlap, except where a
// parameter is named as updated in place.
#ifndef LOCKSTEP_CKERNELS_H
#define LOCKSTEP_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

// sum += term, elementwise.
void lk_accumulate(float *sum, const float *term, size_t count);

// Whether no value is infinite or a NaN.
int lk_all_finite(const float *values, size_t count);

// gradient (in × out) = Σ over micro-batches of inputsᵀ · output_gradients, along the reduction tree. Unlike the other
// functions it fuses multiply-adds where the processor can; then the bits are the same on every instruction set.
//   inputs: examples × in            output_gradients: examples × out
//   ends: where each micro-batch's examples end, ascending; at most 2^(LK_TREE_DEPTH − 1) micro-batches
//   scratch: examples · (LK_WIDEST_PANEL + in + 5) values, aligned to 64 bytes
//   widest: no vectors of more floats than so many; 16 for whatever the processor has
#define LK_TREE_DEPTH 32
#define LK_WIDEST_PANEL 64
void lk_weight_gradient(float *gradient, const float *inputs, const float *output_gradients, size_t examples, size_t in,
                        size_t out, const size_t *ends, size_t micro_batches, float *scratch, size_t widest);

// result = valuesᵀ, of rows × columns.
void lk_transpose(float *result, const float *values, size_t rows, size_t columns);

// One step of Adam, bias correction folded into step_size = η / (1 − β₁ᵗ) and root_scale = 1 / √(1 − β₂ᵗ):
//   g = gradient_sum · gradient_scale
//   m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
//   updated = parameters − step_size · m / (√v · root_scale + ε)
void lk_adam(const float *parameters, float *updated, const float *gradient_sum, float *first_moment,
             float *second_moment, size_t count, float gradient_scale, float beta1, float one_minus_beta1, float beta2,
             float one_minus_beta2, float step_size, float root_scale, float epsilon);

// One step of RMSprop, ε outside the root:
//   g = gradient_sum · gradient_scale
//   v ← ρ v + (1 − ρ) g²
//   updated = parameters − η · g / (√v + ε)
void lk_rmsprop(const float *parameters, float *updated, const float *gradient_sum, float *mean_square, size_t count,
                float gradient_scale, float rho, float one_minus_rho, float learning_rate, float epsilon);

// Rows of a layer's output, in place: values[r][c] = activation(values[r][c] + bias[c]).
void lk_bias_identity(float *values, const float *bias, size_t rows, size_t columns);
void lk_bias_relu(float *values, const float *bias, size_t rows, size_t columns);
void lk_bias_tanh(float *values, const float *bias, size_t rows, size_t columns);
void lk_bias_sigmoid(float *values, const float *bias, size_t rows, size_t columns);
// GELU keeps what its derivative needs: values gets the bias, activated the activation.
void lk_bias_gelu(float *values, float *activated, const float *bias, size_t rows, size_t columns);

// gradient *= activation′, in place, from the activation's own output (GELU: from its input).
void lk_relu_derivative(float *gradient, const float *activated, size_t count);
void lk_tanh_derivative(float *gradient, const float *activated, size_t count);
void lk_sigmoid_derivative(float *gradient, const float *activated, size_t count);
void lk_gelu_derivative(float *gradient, const float *input, size_t count);

// Dropout of rows of columns: output = kept ? input · scale : 0, in place where output is input. Value (r, c) is kept
// where word c mod 4 of Philox4x32-10's block (first + r) · ⌈columns / 4⌉ + c / 4 is at least `threshold`; key and stream
// are those of Philox in Swift.
void lk_dropout(const float *input, float *output, size_t rows, size_t columns, uint64_t key, uint64_t stream,
                uint64_t first, uint32_t threshold, float scale);

// sums[c] = Σ over rows, first row first.
void lk_column_sums(float *sums, const float *values, size_t rows, size_t columns);

// Softmax cross-entropy of each row against its label; logits become the gradient, softmax − one-hot.
// Adds to *loss in double; *correct counts the rows whose largest logit (the first of equals) is the label.
void lk_softmax_cross_entropy(float *logits, const int32_t *labels, size_t rows, size_t columns, double *loss,
                              int64_t *correct);

// Squared error averaged over a row's columns; predictions become the gradient, 2 (prediction − target) / columns.
// Adds to *loss, and the plain sum of squared errors to *squared_error.
void lk_mean_squared_error(float *predictions, const float *targets, size_t rows, size_t columns, double *loss,
                           double *squared_error);

// One example's features, scaled: output[c] = (input[c] − offset[c]) · factor[c].
void lk_scale_bytes(float *output, const uint8_t *input, const float *offset, const float *factor, size_t count);
void lk_scale_floats(float *output, const float *input, const float *offset, const float *factor, size_t count);

// Sets OpenMP's thread count for the calling thread to one, where the process has an OpenMP runtime.
void lk_use_one_openmp_thread(void);

#endif
