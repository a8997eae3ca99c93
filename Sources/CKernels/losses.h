/* Losses of rows of outputs, which become the gradient of the sum over the rows. */

/* A block of LK_LANES values of a row, with `padding` after the row's end. */
INLINE size_t load_lanes(float block[LK_LANES], const float *values, size_t left, float padding) {
  if (left >= LK_LANES) {
    memcpy(block, values, LK_LANES * sizeof(float));
    return LK_LANES;
  }
  for (size_t lane = 0; lane < LK_LANES; lane++) block[lane] = lane < left ? values[lane] : padding;
  return left;
}
#define EACH_LANE VECTORIZED for (size_t lane = 0; lane < LK_LANES; lane++)

/* Σ weight · (logit − offset). Null weights are 1. */
static double weighted_distances(const float *logits, const float *weights, size_t columns, float offset) {
  double lanes[LK_LANES] = {0};
  for (size_t c = 0; c < columns; c += LK_LANES) {
    float block[LK_LANES], shares[LK_LANES];
    load_lanes(block, logits + c, columns - c, offset);
    if (weights) load_lanes(shares, weights + c, columns - c, 0.0f);
    EACH_LANE {
      double distance = (double)block[lane] - (double)offset;
      lanes[lane] = FMA64(weights ? (double)shares[lane] : 1.0, distance, lanes[lane]);
    }
  }
  return sum_of_lanes_64(lanes);
}

/* How many logits are before that of the label: larger ones, and equal ones with a smaller index. */
static size_t logits_before(const float *logits, size_t label, size_t columns) {
  uint32_t before = 0;
  float own = logits[label];
  VECTORIZED for (size_t c = 0; c < label; c++) before += logits[c] >= own;
  VECTORIZED for (size_t c = label + 1; c < columns; c++) before += logits[c] > own;
  return before;
}

static void softmax_cross_entropy(float *logits, const int32_t *labels, size_t rows, size_t columns,
                                  const lk_cross_entropy *options, lk_class_sums *sums) {
  const float *weights = options->weights;
  double label_share = 1.0 - options->smoothing, class_share = options->smoothing / (double)columns;
  double all_weights = (double)columns;
  if (weights) {
    double lanes[LK_LANES] = {0};
    for (size_t c = 0; c < columns; c++) lanes[c % LK_LANES] += (double)weights[c];
    all_weights = sum_of_lanes_64(lanes);
  }
  for (size_t r = 0; r < rows; r++, logits += columns) {
    if (labels[r] == options->ignored) {
      memset(logits, 0, columns * sizeof *logits);
      continue;
    }
    size_t label = (size_t)labels[r];
    float label_logit = logits[label], block[LK_LANES], lanes[LK_LANES];
    EACH_LANE lanes[lane] = -__builtin_inff();
    for (size_t c = 0; c < columns; c += LK_LANES) {
      load_lanes(block, logits + c, columns - c, -__builtin_inff());
      EACH_LANE lanes[lane] = block[lane] > lanes[lane] ? block[lane] : lanes[lane];
    }
    for (size_t half = LK_LANES / 2; half > 0; half /= 2)
      for (size_t lane = 0; lane < half; lane++)
        lanes[lane] = lanes[lane + half] > lanes[lane] ? lanes[lane + half] : lanes[lane];
    float largest = lanes[0];
    int is_correct = label_logit == largest;
    for (size_t c = 0; c < label && is_correct; c++) is_correct = logits[c] != largest;
    sums->correct += is_correct;
    sums->among_five += is_correct || (label_logit == label_logit && logits_before(logits, label, columns) < 5);
    double distances = class_share > 0.0 ? weighted_distances(logits, weights, columns, largest) : 0.0;

    EACH_LANE lanes[lane] = 0.0f;
    for (size_t c = 0; c < columns; c += LK_LANES) {
      size_t count = load_lanes(block, logits + c, columns - c, -__builtin_inff());
      EACH_LANE {
        float scale, factor = exponential_parts(block[lane] - largest, &scale);
        block[lane] = factor * scale;
        lanes[lane] = FMA(factor, scale, lanes[lane]);
      }
      if (count == LK_LANES)
        memcpy(logits + c, block, sizeof block);
      else
        memcpy(logits + c, block, count * sizeof(float));
    }
    float sum = sum_of_lanes(lanes);
    double log_sum = logarithm((double)sum);
    double surprise = log_sum - ((double)label_logit - (double)largest);
    double weight = weights ? (double)weights[label] : 1.0, own = label_share * weight;

    float scale = 1.0f / sum;
    if (class_share > 0.0) {
      float share = (float)class_share;
      scale *= (float)FMA64(class_share, all_weights, own);
      if (weights)
        VECTORIZED for (size_t c = 0; c < columns; c++) logits[c] = FMA(logits[c], scale, -(share * weights[c]));
      else
        VECTORIZED for (size_t c = 0; c < columns; c++) logits[c] = FMA(logits[c], scale, -share);
    } else {
      scale *= (float)own;
      VECTORIZED for (size_t c = 0; c < columns; c++) logits[c] *= scale;
    }
    logits[label] -= (float)own;
    double spread = class_share > 0.0 ? FMA64(all_weights, log_sum, -distances) : 0.0;
    sums->loss += FMA64(class_share, spread, own * surprise);
    sums->surprise += surprise;
    sums->weight += weight;
    sums->rows += 1;
  }
}

INLINE void any_regression_loss(float *predictions, const float *targets, size_t rows, size_t columns,
                                lk_regression kind, float bend, lk_regression_sums *sums) {
  float slope = (kind == LK_SQUARED_ERROR ? 2.0f : 1.0f) / (float)columns;
  for (size_t r = 0; r < rows; r++, predictions += columns, targets += columns) {
    double squares[LK_LANES] = {0}, distances[LK_LANES] = {0}, bent[LK_LANES] = {0};
    for (size_t c = 0; c < columns; c += LK_LANES) {
      float errors[LK_LANES], aims[LK_LANES];
      size_t count = load_lanes(errors, predictions + c, columns - c, 0.0f);
      load_lanes(aims, targets + c, columns - c, 0.0f);
      EACH_LANE {
        float error = errors[lane] - aims[lane];
        double exact = (double)error;
        squares[lane] = FMA64(exact, exact, squares[lane]);
        distances[lane] += __builtin_fabs(exact);
        if (kind == LK_HUBER) {
          float clipped = error > bend ? bend : error < -bend ? -bend : error;
          bent[lane] = FMA64((double)clipped, FMA64(-0.5, (double)clipped, exact), bent[lane]);
          error = clipped;
        } else if (kind == LK_ABSOLUTE_ERROR) {
          error = error > 0.0f ? 1.0f : error < 0.0f ? -1.0f : error; /* a NaN stays */
        }
        errors[lane] = error * slope;
      }
      for (size_t lane = 0; lane < count; lane++) predictions[c + lane] = errors[lane];
    }
    double square = sum_of_lanes_64(squares), distance = sum_of_lanes_64(distances);
    double loss = kind == LK_SQUARED_ERROR ? square : kind == LK_ABSOLUTE_ERROR ? distance : sum_of_lanes_64(bent);
    sums->loss += loss / (double)columns;
    sums->squared_error += square;
    sums->absolute_error += distance / (double)columns;
  }
}

static void regression_loss(float *predictions, const float *targets, size_t rows, size_t columns, lk_regression kind,
                            float bend, lk_regression_sums *sums) {
  switch (kind) {
    case LK_ABSOLUTE_ERROR:
      any_regression_loss(predictions, targets, rows, columns, LK_ABSOLUTE_ERROR, bend, sums);
      break;
    case LK_HUBER: any_regression_loss(predictions, targets, rows, columns, LK_HUBER, bend, sums); break;
    default: any_regression_loss(predictions, targets, rows, columns, LK_SQUARED_ERROR, bend, sums);
  }
}

/* log(1 + e) of 0 ≤ e ≤ 1, with what the sum 1 + e lost. */
INLINE double logarithm_of_one_plus(double e) {
  double sum = 1.0 + e;
  return logarithm(sum) + (e - (sum - 1.0)) / sum;
}

static void binary_cross_entropy(float *logits, const float *targets, size_t rows, size_t columns, double *loss,
                                 double *correct) {
  float slope = 1.0f / (float)columns;
  for (size_t r = 0; r < rows; r++, logits += columns, targets += columns) {
    size_t agreeing = 0;
    double lanes[LK_LANES] = {0};
    for (size_t c = 0; c < columns; c += LK_LANES) {
      float block[LK_LANES], aims[LK_LANES], gradients[LK_LANES];
      double powers[LK_LANES]; /* e^−|z| */
      size_t count = load_lanes(block, logits + c, columns - c, 0.0f);
      load_lanes(aims, targets + c, columns - c, 0.0f);
      EACH_LANE {
        float scale, factor = exponential_parts(-__builtin_fabsf(block[lane]), &scale);
        powers[lane] = (double)factor * (double)scale; /* exact: the scale is a power of 2 */
        gradients[lane] = (sigmoid(block[lane]) - aims[lane]) * slope;
      }
      for (size_t lane = 0; lane < count; lane++) {
        double z = (double)block[lane], linear = FMA64(-z, (double)aims[lane], z > 0.0 ? z : 0.0);
        lanes[lane] += linear + logarithm_of_one_plus(powers[lane]);
        agreeing += (block[lane] > 0.0f) == (aims[lane] > 0.5f);
        logits[c + lane] = gradients[lane];
      }
    }
    *loss += sum_of_lanes_64(lanes) / (double)columns;
    *correct += (double)agreeing / (double)columns;
  }
}
