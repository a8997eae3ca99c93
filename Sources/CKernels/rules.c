#include "CKernels.h"
#include "vectorized.h"

#include <math.h>

/* It is safe to vectorize: vectors do not overlap, except that a slot may be updated in place. */
#define EACH _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < u.count; i++)
#define ROOT(x) __builtin_elementwise_sqrt(x)

/* A slot's value before the step. */
#define OLD(slot) (slot)[(ptrdiff_t)i + u.before]

/* The averaged gradient, clipped, with the coupled decay. */
INLINE float gradient(const lk_update u, size_t i) {
  float g = u.gradient_sum[i] * u.scale;
  g = g > u.clip ? u.clip : g < -u.clip ? -u.clip : g;
  return g + u.decay * u.parameters[i];
}

INLINE void move(const lk_update u, size_t i, float difference) {
  u.updated[i] = u.parameters[i] - (u.shrink * u.parameters[i] + difference);
}

VECTORIZED void lk_gradient_descent(const lk_update *update, float rate) {
  const lk_update u = *update;
  EACH move(u, i, rate * gradient(u, i));
}

VECTORIZED void lk_momentum(const lk_update *update, float *velocity, float momentum, float gradient_share,
                            float rate) {
  const lk_update u = *update;
  EACH {
    velocity[i] = momentum * OLD(velocity) + gradient_share * gradient(u, i);
    move(u, i, rate * velocity[i]);
  }
}

VECTORIZED void lk_nesterov(const lk_update *update, float *velocity, float momentum, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    velocity[i] = momentum * OLD(velocity) + g;
    move(u, i, rate * (g + momentum * velocity[i]));
  }
}

VECTORIZED void lk_rmsprop(const lk_update *update, float *mean_square, float rho, float one_minus_rho, float epsilon,
                           float epsilon_inside, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    mean_square[i] = rho * OLD(mean_square) + one_minus_rho * (g * g);
    move(u, i, rate * g / (ROOT(mean_square[i] + epsilon_inside) + epsilon));
  }
}

/* RMSprop with any of its options; unused slots are null. */
INLINE void rmsprop(const lk_update u, float *mean_square, float *mean_gradient, float *velocity, float rho,
                    float one_minus_rho, float momentum, float epsilon, float epsilon_inside, float rate) {
  EACH {
    float g = gradient(u, i);
    float v = mean_square[i] = rho * OLD(mean_square) + one_minus_rho * (g * g);
    if (mean_gradient) {
      float a = mean_gradient[i] = rho * OLD(mean_gradient) + one_minus_rho * g;
      v = v - a * a;
      v = v > 0 ? v : 0;
    }
    float d = g / (ROOT(v + epsilon_inside) + epsilon);
    if (velocity) d = velocity[i] = momentum * OLD(velocity) + d;
    move(u, i, rate * d);
  }
}

VECTORIZED void lk_rmsprop_centered(const lk_update *update, float *mean_square, float *mean_gradient, float rho,
                                    float one_minus_rho, float epsilon, float epsilon_inside, float rate) {
  rmsprop(*update, mean_square, mean_gradient, 0, rho, one_minus_rho, 0, epsilon, epsilon_inside, rate);
}

VECTORIZED void lk_rmsprop_momentum(const lk_update *update, float *mean_square, float *velocity, float rho,
                                    float one_minus_rho, float momentum, float epsilon, float epsilon_inside,
                                    float rate) {
  rmsprop(*update, mean_square, 0, velocity, rho, one_minus_rho, momentum, epsilon, epsilon_inside, rate);
}

VECTORIZED void lk_rmsprop_centered_momentum(const lk_update *update, float *mean_square, float *mean_gradient,
                                             float *velocity, float rho, float one_minus_rho, float momentum,
                                             float epsilon, float epsilon_inside, float rate) {
  rmsprop(*update, mean_square, mean_gradient, velocity, rho, one_minus_rho, momentum, epsilon, epsilon_inside, rate);
}

VECTORIZED void lk_adam(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                        float rate, float root_scale, float epsilon) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    first_moment[i] = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
    second_moment[i] = b.beta2 * OLD(second_moment) + b.one_minus_beta2 * (g * g);
    move(u, i, rate * first_moment[i] / (ROOT(second_moment[i]) * root_scale + epsilon));
  }
}

VECTORIZED void lk_amsgrad(const lk_update *update, float *first_moment, float *second_moment, float *largest,
                           const lk_moments *moments, float rate, float root_scale, float epsilon) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    first_moment[i] = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
    float v = second_moment[i] = b.beta2 * OLD(second_moment) + b.one_minus_beta2 * (g * g);
    largest[i] = v > OLD(largest) ? v : OLD(largest);
    move(u, i, rate * first_moment[i] / (ROOT(largest[i]) * root_scale + epsilon));
  }
}

VECTORIZED void lk_nadam(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                         float moment_rate, float gradient_rate, float root_scale, float epsilon) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    first_moment[i] = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
    second_moment[i] = b.beta2 * OLD(second_moment) + b.one_minus_beta2 * (g * g);
    move(u, i, (moment_rate * first_moment[i] + gradient_rate * g) / (ROOT(second_moment[i]) * root_scale + epsilon));
  }
}

VECTORIZED void lk_adagrad(const lk_update *update, float *square_sum, float epsilon, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    square_sum[i] = OLD(square_sum) + g * g;
    move(u, i, rate * g / (ROOT(square_sum[i]) + epsilon));
  }
}

VECTORIZED void lk_adadelta(const lk_update *update, float *mean_square, float *mean_square_update, float rho,
                            float one_minus_rho, float epsilon, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    mean_square[i] = rho * OLD(mean_square) + one_minus_rho * (g * g);
    float d = ROOT(OLD(mean_square_update) + epsilon) / ROOT(mean_square[i] + epsilon) * g;
    mean_square_update[i] = rho * OLD(mean_square_update) + one_minus_rho * (d * d);
    move(u, i, rate * d);
  }
}

INLINE void blend(const lk_update u, float *first_moment, float *second_moment, float *mean_square,
                  float *last_difference, const lk_moments b, float rho, float one_minus_rho, float adam_rate,
                  float root_scale, float rate, float epsilon, float lambda) {
  EACH {
    float g = gradient(u, i);
    first_moment[i] = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
    second_moment[i] = b.beta2 * OLD(second_moment) + b.one_minus_beta2 * (g * g);
    mean_square[i] = rho * OLD(mean_square) + one_minus_rho * (g * g);
    float adam = adam_rate * first_moment[i] / (ROOT(second_moment[i]) * root_scale + epsilon);
    float rmsprop = rate * g / (ROOT(mean_square[i]) + epsilon);
    if (last_difference) last_difference[i] = rmsprop - adam;
    move(u, i, lambda * adam + (1 - lambda) * rmsprop);
  }
}

VECTORIZED void lk_blend(const lk_update *update, float *first_moment, float *second_moment, float *mean_square,
                         const lk_moments *moments, float rho, float one_minus_rho, float adam_rate, float root_scale,
                         float rate, float epsilon, float lambda) {
  blend(*update, first_moment, second_moment, mean_square, 0, *moments, rho, one_minus_rho, adam_rate, root_scale, rate,
        epsilon, lambda);
}

VECTORIZED void lk_blend_auto(const lk_update *update, float *first_moment, float *second_moment, float *mean_square,
                              float *last_difference, const lk_moments *moments, float rho, float one_minus_rho,
                              float adam_rate, float root_scale, float rate, float epsilon, float lambda) {
  blend(*update, first_moment, second_moment, mean_square, last_difference, *moments, rho, one_minus_rho, adam_rate,
        root_scale, rate, epsilon, lambda);
}

VECTORIZED void lk_rmsprop_first_moment(const lk_update *update, float *first_moment, float *mean_square,
                                        const lk_moments *moments, float epsilon, float rate) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    first_moment[i] = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
    mean_square[i] = b.beta2 * OLD(mean_square) + b.one_minus_beta2 * (g * g);
    move(u, i, rate * first_moment[i] / (ROOT(mean_square[i]) + epsilon));
  }
}

VECTORIZED void lk_lion(const lk_update *update, float *first_moment, const lk_moments *moments, float rate) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    float c = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
    first_moment[i] = b.beta2 * OLD(first_moment) + b.one_minus_beta2 * g;
    move(u, i, c > 0 ? rate : c < 0 ? -rate : 0);
  }
}

/* Adds EXPRESSION of elements i < COUNT in double, to the lanes that CKernels.h describes. */
#define SUM(COUNT, EXPRESSION)                                                                                         \
  size_t start = (LK_LANES - first % LK_LANES) % LK_LANES;                                                             \
  if (start > (COUNT)) start = (COUNT);                                                                                \
  size_t end = start + ((COUNT) - start) / LK_LANES * LK_LANES;                                                        \
  for (size_t i = 0; i < start; i++) lanes[(first + i) % LK_LANES] += (EXPRESSION);                                    \
  double sums[LK_LANES];                                                                                               \
  for (size_t lane = 0; lane < LK_LANES; lane++) sums[lane] = lanes[lane];                                             \
  for (size_t row = start; row < end; row += LK_LANES)                                                                 \
    _Pragma("clang loop vectorize(assume_safety)") for (size_t lane = 0; lane < LK_LANES; lane++) {                    \
      size_t i = row + lane;                                                                                           \
      sums[lane] += (EXPRESSION);                                                                                      \
    }                                                                                                                  \
  for (size_t lane = 0; lane < LK_LANES; lane++) lanes[lane] = sums[lane];                                             \
  for (size_t i = end; i < (COUNT); i++) lanes[(first + i) % LK_LANES] += (EXPRESSION);

VECTORIZED void lk_sum_squares(const float *values, size_t count, double *lanes, size_t first) {
  SUM(count, (double)values[i] * (double)values[i])
}

VECTORIZED void lk_sum_gradient_squares(const lk_update *update, double *lanes, size_t first) {
  const lk_update u = *update;
  SUM(u.count, (double)gradient(u, i) * (double)gradient(u, i))
}

VECTORIZED void lk_sum_gradient_products(const lk_update *update, const float *values, double *lanes, size_t first) {
  const lk_update u = *update;
  SUM(u.count, (double)gradient(u, i) * (double)values[i])
}

INLINE float adam_direction(float m, float v, float moment_scale, float root_scale, float epsilon) {
  return moment_scale * m / (ROOT(v) * root_scale + epsilon);
}

VECTORIZED void lk_sum_adam_products(const lk_update *update, const float *first_moment, const float *second_moment,
                                     float moment_scale, float root_scale, float epsilon, double *lanes,
                                     size_t first) {
  const lk_update u = *update;
  SUM(u.count, (double)gradient(u, i) *
                   (double)adam_direction(OLD(first_moment), OLD(second_moment), moment_scale, root_scale, epsilon))
}

INLINE double lamb_square(const lk_update u, size_t i, float *first_moment, float *second_moment, const lk_moments b,
                          float moment_scale, float root_scale, float epsilon, float decay) {
  float g = gradient(u, i);
  float m = first_moment[i] = b.beta1 * OLD(first_moment) + b.one_minus_beta1 * g;
  float v = second_moment[i] = b.beta2 * OLD(second_moment) + b.one_minus_beta2 * (g * g);
  double r = adam_direction(m, v, moment_scale, root_scale, epsilon) + decay * u.parameters[i];
  return r * r;
}

VECTORIZED void lk_lamb_moments(const lk_update *update, float *first_moment, float *second_moment,
                                const lk_moments *moments, float moment_scale, float root_scale, float epsilon,
                                float decay, double *lanes, size_t first) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  SUM(u.count,
      lamb_square(u, i, first_moment, second_moment, b, moment_scale, root_scale, epsilon, decay))
}

VECTORIZED void lk_lamb_move(const lk_update *update, const float *first_moment, const float *second_moment,
                             float moment_scale, float root_scale, float epsilon, float decay, float rate) {
  const lk_update u = *update;
  EACH {
    float r = adam_direction(first_moment[i], second_moment[i], moment_scale, root_scale, epsilon);
    move(u, i, rate * (r + decay * u.parameters[i]));
  }
}
