/* All kernels for vectors of WIDTH floats, as the table KERNELS. Included by one file for each width. */
#include "vector.h"

#include "functions.h"

#include "elements.h"
#include "products.h"

#include "layers.h"
#include "rules.h"

const lk_kernels KERNELS = {
    .linear = linear,
    .linear_input_gradient = linear_input_gradient,
    .linear_weight_gradient = weight_gradient,
    .activation_forward = activation_forward,
    .activation_gradient = activation_gradient,
    .column_sums = column_sums,
    .softmax_cross_entropy = softmax_cross_entropy,
    .mean_squared_error = mean_squared_error,
    .dropout = dropout,
    .accumulate = accumulate,
    .all_finite = all_finite,
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
    .rmsprop_first_moment = rmsprop_first_moment,
    .adagrad = adagrad,
    .adadelta = adadelta,
    .blend = blend,
    .lion = lion,
    .lamb_moments = lamb_moments,
    .lamb_move = lamb_move,
    .sum_squares = sum_squares,
    .sum_gradient_squares = sum_gradient_squares,
    .sum_gradient_products = sum_gradient_products,
    .sum_adam_products = sum_adam_products,
};
