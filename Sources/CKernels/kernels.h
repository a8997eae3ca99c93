/* All kernels for vectors of WIDTH floats, as the table KERNELS. Included by one file for each width. */
#include "vector.h"

#include "functions.h"

#include "bf16.h"
#include "elements.h"
#include "products.h"

#include "activations.h"
#include "layers.h"
#include "losses.h"

#include "attention.h"
#include "convolutions.h"
#include "pooling.h"

#include "gathers.h"
#include "normalizations.h"

#include "rules.h"

const lk_kernels KERNELS = {
    .linear = linear,
    .linear_input_gradient = linear_input_gradient,
    .linear_weight_gradient = weight_gradient,
    .activation_forward = activation_forward,
    .activation_gradient = activation_gradient,
    .column_sums = column_sums,
    .convolution = convolution,
    .convolution_input_gradient = convolution_input_gradient,
    .convolution_weight_gradient = convolution_weight_gradient,
    .convolution_scratch = convolution_scratch,
    .max_pool = max_pool,
    .max_pool_gradient = max_pool_gradient,
    .average_pool = average_pool,
    .average_pool_gradient = average_pool_gradient,
    .global_average_pool = global_average_pool,
    .global_average_pool_gradient = global_average_pool_gradient,
    .channels_first = channels_first,
    .attention = attention,
    .attention_gradients = attention_gradients,
    .rotary = rotary,
    .layer_norm = layer_norm,
    .layer_norm_gradients = layer_norm_gradients,
    .rms_norm = rms_norm,
    .rms_norm_gradients = rms_norm_gradients,
    .group_norm = group_norm,
    .group_norm_gradients = group_norm_gradients,
    .batch_norm_statistics = batch_norm_statistics,
    .inverse_deviations = inverse_deviations,
    .batch_norm = batch_norm,
    .batch_norm_gradients = batch_norm_gradients,
    .softmax = softmax,
    .softmax_gradient = softmax_gradient,
    .embedding = embedding,
    .embedding_gradient = embedding_gradient,
    .copy_columns = copy_columns,
    .add = add,
    .multiply_elements = multiply_elements,
    .softmax_cross_entropy = softmax_cross_entropy,
    .regression_loss = regression_loss,
    .binary_cross_entropy = binary_cross_entropy,
    .dropout = dropout,
    .accumulate = accumulate,
    .all_finite = all_finite,
    .round_bf16 = round_bf16,
    .pack_bf16 = pack_bf16,
    .unpack_bf16 = unpack_bf16,
    .accumulate_bf16 = accumulate_bf16,
    .scale_bytes = scale_bytes,
    .scale_floats = scale_floats,
    .multiply_adds = multiply_adds,
    .exponentials = exponentials,
    .sigmoids = sigmoids,
    .hyperbolic_tangents = hyperbolic_tangents,
    .gelus = gelus,
    .gelu_derivatives = gelu_derivatives,
    .exponential = exponential_64,
    .logarithm = logarithm,
    .power = power,
    .sine_of_pi = sine_of_pi,
    .cosine_of_pi = cosine_of_pi,
    .gradient_descent = gradient_descent,
    .momentum = momentum,
    .nesterov = nesterov,
    .rmsprop = rmsprop,
    .adam = adam,
    .nadam = nadam,
    .adan = adan,
    .rmsprop_first_moment = rmsprop_first_moment,
    .adagrad = adagrad,
    .adadelta = adadelta,
    .blend = blend,
    .lion = lion,
    .lamb_moments = lamb_moments,
    .lamb_move = lamb_move,
    .stable_moments = stable_moments,
    .nesterov_mean = nesterov_mean,
    .schedule_free = schedule_free,
    .outer_nesterov = outer_nesterov,
    .sum_squares = sum_squares,
    .sum_gradient_squares = sum_gradient_squares,
    .sum_gradient_products = sum_gradient_products,
    .sum_adam_products = sum_adam_products,
};
