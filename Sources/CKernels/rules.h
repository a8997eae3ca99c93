/* It is safe to vectorize: vectors do not overlap, except that a slot may be updated in place. */
#define EACH VECTORIZED for (size_t i = 0; i < u.count; i++)
#define ROOT(x) __builtin_elementwise_sqrt(x)

/* A slot's value before the step. */
#define OLD(slot) (slot)[(ptrdiff_t)i + u.before]

/* The averaged gradient, clipped, with the coupled decay. */
INLINE float gradient(const lk_update u, size_t i) {
  float g = u.gradient_sum[i] * u.scale;
  g = g > u.clip ? u.clip : g < -u.clip ? -u.clip : g;
  return FMA(u.decay, u.parameters[i], g);
}

/* share · value + decay · old */
INLINE float mean(float decay, float old, float share, float value) { return FMA(share, value, decay * old); }

INLINE void move(const lk_update u, size_t i, float difference) {
  u.updated[i] = u.parameters[i] - FMA(u.shrink, u.parameters[i], difference);
}

static void gradient_descent(const lk_update *update, float rate) {
  const lk_update u = *update;
  EACH move(u, i, rate * gradient(u, i));
}

static void momentum(const lk_update *update, float *velocity, float momentum, float gradient_share,
                     float rate) {
  const lk_update u = *update;
  EACH {
    velocity[i] = mean(momentum, OLD(velocity), gradient_share, gradient(u, i));
    move(u, i, rate * velocity[i]);
  }
}

static void nesterov(const lk_update *update, float *velocity, float momentum, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    velocity[i] = FMA(momentum, OLD(velocity), g);
    move(u, i, rate * FMA(momentum, velocity[i], g));
  }
}

static void nesterov_mean(const lk_update *update, float *moment, float decay, float gradient_share) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    moment[i] = mean(decay, OLD(moment), gradient_share, g);
    u.updated[i] = mean(decay, moment[i], gradient_share, g);
  }
}

/* RMSprop with any of its options; unused slots are null. */
INLINE void rmsprop_step(const lk_update u, float *mean_square, float *mean_gradient, float *velocity, float rho,
                         float one_minus_rho, float momentum, float epsilon, float epsilon_inside, float rate) {
  EACH {
    float g = gradient(u, i);
    float v = mean_square[i] = mean(rho, OLD(mean_square), one_minus_rho, g * g);
    if (mean_gradient) {
      float a = mean_gradient[i] = mean(rho, OLD(mean_gradient), one_minus_rho, g);
      v = FMA(-a, a, v);
      v = v > 0 ? v : 0;
    }
    float d = g / (ROOT(v + epsilon_inside) + epsilon);
    if (velocity) d = velocity[i] = FMA(momentum, OLD(velocity), d);
    move(u, i, rate * d);
  }
}

static void rmsprop(const lk_update *update, float *mean_square, float *mean_gradient, float *velocity, float rho,
                    float one_minus_rho, float momentum, float epsilon, float epsilon_inside, float rate) {
#define STEP(MEAN_GRADIENT, VELOCITY)                                                                                  \
  rmsprop_step(*update, mean_square, MEAN_GRADIENT, VELOCITY, rho, one_minus_rho, momentum, epsilon, epsilon_inside,   \
               rate)
  if (mean_gradient && velocity) STEP(mean_gradient, velocity);
  else if (mean_gradient) STEP(mean_gradient, NULL);
  else if (velocity) STEP(NULL, velocity);
  else STEP(NULL, NULL);
#undef STEP
}

/* `largest` is null without AMSGrad. */
INLINE void adam_step(const lk_update u, float *first_moment, float *second_moment, float *largest, const lk_moments b,
                      float rate, float root_scale, float epsilon) {
  EACH {
    float g = gradient(u, i);
    first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
    float v = second_moment[i] = mean(b.beta2, OLD(second_moment), b.one_minus_beta2, g * g);
    if (largest) v = largest[i] = v > OLD(largest) ? v : OLD(largest);
    move(u, i, rate * first_moment[i] / FMA(ROOT(v), root_scale, epsilon));
  }
}

static void adam(const lk_update *update, float *first_moment, float *second_moment, float *largest,
                 const lk_moments *moments, float rate, float root_scale, float epsilon) {
  if (largest) adam_step(*update, first_moment, second_moment, largest, *moments, rate, root_scale, epsilon);
  else adam_step(*update, first_moment, second_moment, NULL, *moments, rate, root_scale, epsilon);
}

static void nadam(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                  float moment_rate, float gradient_rate, float root_scale, float epsilon) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
    second_moment[i] = mean(b.beta2, OLD(second_moment), b.one_minus_beta2, g * g);
    move(u, i, mean(moment_rate, first_moment[i], gradient_rate, g) / FMA(ROOT(second_moment[i]), root_scale, epsilon));
  }
}

static void adan(const lk_update *update, float *first_moment, float *difference_moment, float *second_moment,
                 float *last_gradient, const lk_moments *moments, float beta3, float one_minus_beta3, int has_last,
                 float moment_rate, float difference_rate, float root_scale, float epsilon) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    float difference = has_last ? g - OLD(last_gradient) : 0;
    float ahead = FMA(b.beta2, difference, g);
    float m = first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
    float d = difference_moment[i] = mean(b.beta2, OLD(difference_moment), b.one_minus_beta2, difference);
    float v = second_moment[i] = mean(beta3, OLD(second_moment), one_minus_beta3, ahead * ahead);
    last_gradient[i] = g;
    move(u, i, mean(moment_rate, m, difference_rate, d) / FMA(ROOT(v), root_scale, epsilon));
  }
}

static void adagrad(const lk_update *update, float *square_sum, float epsilon, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    square_sum[i] = FMA(g, g, OLD(square_sum));
    move(u, i, rate * g / (ROOT(square_sum[i]) + epsilon));
  }
}

static void adadelta(const lk_update *update, float *mean_square, float *mean_square_update, float rho,
                     float one_minus_rho, float epsilon, float rate) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    mean_square[i] = mean(rho, OLD(mean_square), one_minus_rho, g * g);
    float d = ROOT(OLD(mean_square_update) + epsilon) / ROOT(mean_square[i] + epsilon) * g;
    mean_square_update[i] = mean(rho, OLD(mean_square_update), one_minus_rho, d * d);
    move(u, i, rate * d);
  }
}

INLINE void blend_step(const lk_update u, float *first_moment, float *second_moment, float *mean_square,
                       float *last_difference, const lk_moments b, float rho, float one_minus_rho, float adam_rate,
                       float root_scale, float rate, float epsilon, float lambda) {
  EACH {
    float g = gradient(u, i);
    first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
    second_moment[i] = mean(b.beta2, OLD(second_moment), b.one_minus_beta2, g * g);
    mean_square[i] = mean(rho, OLD(mean_square), one_minus_rho, g * g);
    float adam = adam_rate * first_moment[i] / FMA(ROOT(second_moment[i]), root_scale, epsilon);
    float rmsprop = rate * g / (ROOT(mean_square[i]) + epsilon);
    if (last_difference) last_difference[i] = rmsprop - adam;
    move(u, i, mean(lambda, adam, 1 - lambda, rmsprop));
  }
}

static void blend(const lk_update *update, float *first_moment, float *second_moment, float *mean_square,
                  float *last_difference, const lk_moments *moments, float rho, float one_minus_rho, float adam_rate,
                  float root_scale, float rate, float epsilon, float lambda) {
#define STEP(LAST_DIFFERENCE)                                                                                          \
  blend_step(*update, first_moment, second_moment, mean_square, LAST_DIFFERENCE, *moments, rho, one_minus_rho,         \
             adam_rate, root_scale, rate, epsilon, lambda)
  if (last_difference) STEP(last_difference);
  else STEP(NULL);
#undef STEP
}

static void rmsprop_first_moment(const lk_update *update, float *first_moment, float *mean_square,
                                 const lk_moments *moments, float epsilon, float rate) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
    mean_square[i] = mean(b.beta2, OLD(mean_square), b.one_minus_beta2, g * g);
    move(u, i, rate * first_moment[i] / (ROOT(mean_square[i]) + epsilon));
  }
}

static void lion(const lk_update *update, float *first_moment, const lk_moments *moments, float rate) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  EACH {
    float g = gradient(u, i);
    float c = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
    first_moment[i] = mean(b.beta2, OLD(first_moment), b.one_minus_beta2, g);
    move(u, i, c > 0 ? rate : c < 0 ? -rate : 0);
  }
}

static void schedule_free(const lk_update *update, const float *iterate_before, float *iterate, float *second_moment,
                          float decay, float square_share, float rate, float parameter_rate, float toward,
                          float root_scale, float epsilon, float weight_decay) {
  const lk_update u = *update;
  EACH {
    float g = gradient(u, i);
    float v = second_moment[i] = mean(decay, OLD(second_moment), square_share, g * g);
    float y = u.parameters[i], z = iterate_before[i];
    float d = FMA(weight_decay, y, g / FMA(ROOT(v), root_scale, epsilon));
    iterate[i] = FMA(-rate, d, z);
    u.updated[i] = FMA(parameter_rate, d, FMA(toward, z - y, y));
  }
}

static void outer_nesterov(const lk_update *update, const float *anchor_before, float *anchor, float *outer_momentum,
                           float momentum, float rate) {
  const lk_update u = *update;
  EACH {
    float difference = anchor_before[i] - u.updated[i];
    float b = outer_momentum[i] = FMA(momentum, OLD(outer_momentum), difference);
    anchor[i] = u.updated[i] = FMA(-rate, FMA(momentum, b, difference), anchor_before[i]);
  }
}

/* Adds the products A · B of elements i < COUNT to the lanes that CKernels.h describes; they are exact in double. B may
 * name A's value, a. */
#define SUM_PRODUCTS(COUNT, A, B)                                                                                      \
  size_t start = (LK_LANES - first % LK_LANES) % LK_LANES;                                                             \
  if (start > (COUNT)) start = (COUNT);                                                                                \
  size_t end = start + ((COUNT) - start) / LK_LANES * LK_LANES;                                                        \
  double sums[LK_LANES];                                                                                               \
  for (size_t lane = 0; lane < LK_LANES; lane++) sums[lane] = lanes[lane];                                             \
  for (size_t i = 0; i < start; i++) ADD_PRODUCT(sums[(first + i) % LK_LANES], A, B)                                   \
  for (size_t row = start; row < end; row += LK_LANES)                                                                 \
    VECTORIZED for (size_t lane = 0; lane < LK_LANES; lane++) {                                                        \
      size_t i = row + lane;                                                                                           \
      ADD_PRODUCT(sums[lane], A, B)                                                                                    \
    }                                                                                                                  \
  for (size_t i = end; i < (COUNT); i++) ADD_PRODUCT(sums[(first + i) % LK_LANES], A, B)                               \
  for (size_t lane = 0; lane < LK_LANES; lane++) lanes[lane] = sums[lane];
#define ADD_PRODUCT(SUM, A, B)              \
  {                                         \
    float a = (A);                          \
    SUM = FMA64((double)a, (double)(B), SUM); \
  }

static void sum_squares(const float *values, size_t count, double *lanes, size_t first) {
  SUM_PRODUCTS(count, values[i], a)
}

static void sum_gradient_squares(const lk_update *update, double *lanes, size_t first) {
  const lk_update u = *update;
  SUM_PRODUCTS(u.count, gradient(u, i), a)
}

static void sum_gradient_products(const lk_update *update, const float *values, double *lanes, size_t first) {
  const lk_update u = *update;
  SUM_PRODUCTS(u.count, gradient(u, i), values[i])
}

INLINE float adam_direction(float m, float v, float moment_scale, float root_scale, float epsilon) {
  return moment_scale * m / FMA(ROOT(v), root_scale, epsilon);
}

static void sum_adam_products(const lk_update *update, const float *first_moment, const float *second_moment,
                              float moment_scale, float root_scale, float epsilon, double *lanes, size_t first) {
  const lk_update u = *update;
  SUM_PRODUCTS(u.count, gradient(u, i),
               adam_direction(OLD(first_moment), OLD(second_moment), moment_scale, root_scale, epsilon))
}

INLINE float lamb_direction(const lk_update u, size_t i, float *first_moment, float *second_moment, const lk_moments b,
                            float moment_scale, float root_scale, float epsilon, float decay) {
  float g = gradient(u, i);
  float m = first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
  float v = second_moment[i] = mean(b.beta2, OLD(second_moment), b.one_minus_beta2, g * g);
  return FMA(decay, u.parameters[i], adam_direction(m, v, moment_scale, root_scale, epsilon));
}

static void lamb_moments(const lk_update *update, float *first_moment, float *second_moment, const lk_moments *moments,
                         float moment_scale, float root_scale, float epsilon, float decay, double *lanes,
                         size_t first) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  SUM_PRODUCTS(u.count, lamb_direction(u, i, first_moment, second_moment, b, moment_scale, root_scale, epsilon, decay),
               a)
}

/* g over the root of the second moment, which it updates with the first one. */
INLINE float stable_ratio(const lk_update u, size_t i, float *first_moment, float *second_moment, const lk_moments b,
                          float root_scale, float epsilon) {
  float g = gradient(u, i);
  first_moment[i] = mean(b.beta1, OLD(first_moment), b.one_minus_beta1, g);
  float root = ROOT(second_moment[i] = mean(b.beta2, OLD(second_moment), b.one_minus_beta2, g * g)) * root_scale;
  return g / (root > epsilon ? root : epsilon);
}

static void stable_moments(const lk_update *update, float *first_moment, float *second_moment,
                           const lk_moments *moments, float root_scale, float epsilon, double *lanes, size_t first) {
  const lk_update u = *update;
  const lk_moments b = *moments;
  SUM_PRODUCTS(u.count, stable_ratio(u, i, first_moment, second_moment, b, root_scale, epsilon), a)
}

static void lamb_move(const lk_update *update, const float *first_moment, const float *second_moment,
                      float moment_scale, float root_scale, float epsilon, float decay, float rate) {
  const lk_update u = *update;
  EACH {
    float r = adam_direction(first_moment[i], second_moment[i], moment_scale, root_scale, epsilon);
    move(u, i, rate * FMA(decay, u.parameters[i], r));
  }
}
