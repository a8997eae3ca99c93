internal import CKernels

/// The gradients with respect to a norm's parameters: null for those that it does not have.
package struct NormGradients {
  package var weight: MutableFloats?
  package var bias: MutableFloats?

  package init(weight: MutableFloats?, bias: MutableFloats?) { (self.weight, self.bias) = (weight, bias) }
}

/// Normalizes each row to mean 0 and variance 1 (J. L. Ba et al., "Layer Normalization", 2016).
///
/// - Parameters:
///   - statistics: takes two values a row.
///   - weight: of `columns` values, as is the bias; nil for 1 and 0.
package func layerNorm(
  _ inputs: Floats, columns: Int, weight: Floats?, bias: Floats?, epsilon: Float, into outputs: MutableFloats,
  statistics: MutableFloats
) {
  let rows = inputs.count / columns
  check(rows * columns == inputs.count && outputs.count == inputs.count && statistics.count == 2 * rows)
  check((weight?.count ?? columns) == columns && (bias?.count ?? columns) == columns)
  kernels.layer_norm(
    outputs.base, statistics.base, inputs.base, weight?.base, bias?.base, rows, columns, epsilon)
}

/// The gradients of one micro-batch. `inputGradients` may be `outputGradients`; nil if it is not needed.
package func layerNormGradients(
  _ outputGradients: Floats, inputs: Floats, statistics: Floats, columns: Int, weight: Floats?,
  into inputGradients: MutableFloats?, _ gradients: NormGradients
) {
  let rows = inputs.count / columns
  check(rows * columns == inputs.count && outputGradients.count == inputs.count && statistics.count == 2 * rows)
  check((inputGradients?.count ?? inputs.count) == inputs.count)
  kernels.layer_norm_gradients(
    inputGradients?.base, gradients.weight?.base, gradients.bias?.base, outputGradients.base, inputs.base,
    statistics.base, weight?.base, rows, columns)
}

/// Divides each row by the root of its mean square (B. Zhang & R. Sennrich, "Root Mean Square Layer Normalization", 2019).
///
/// - Parameter statistics: takes a value a row.
package func rmsNorm(
  _ inputs: Floats, columns: Int, weight: Floats?, epsilon: Float, into outputs: MutableFloats,
  statistics: MutableFloats
) {
  let rows = inputs.count / columns
  check(rows * columns == inputs.count && outputs.count == inputs.count && statistics.count == rows)
  check((weight?.count ?? columns) == columns)
  kernels.rms_norm(outputs.base, statistics.base, inputs.base, weight?.base, rows, columns, epsilon)
}

/// The gradients of one micro-batch. `inputGradients` may be `outputGradients`; nil if it is not needed.
package func rmsNormGradients(
  _ outputGradients: Floats, inputs: Floats, statistics: Floats, columns: Int, weight: Floats?,
  into inputGradients: MutableFloats?, weightGradient: MutableFloats?
) {
  let rows = inputs.count / columns
  check(rows * columns == inputs.count && outputGradients.count == inputs.count && statistics.count == rows)
  check((inputGradients?.count ?? inputs.count) == inputs.count)
  kernels.rms_norm_gradients(
    inputGradients?.base, weightGradient?.base, outputGradients.base, inputs.base, statistics.base, weight?.base,
    rows, columns)
}

/// Normalizes groups of the channels of each example over all pixels (Y. Wu & K. He, "Group Normalization", 2018).
///
/// - Parameters:
///   - statistics: takes two values a group of an example.
///   - weight: of `channels` values, as is the bias; nil for 1 and 0.
package func groupNorm(
  _ inputs: Floats, pixels: Int, channels: Int, groups: Int, weight: Floats?, bias: Floats?, epsilon: Float,
  into outputs: MutableFloats, statistics: MutableFloats
) {
  let examples = inputs.count / (pixels * channels)
  check(examples * pixels * channels == inputs.count && outputs.count == inputs.count)
  check(channels % groups == 0 && statistics.count == 2 * examples * groups)
  check((weight?.count ?? channels) == channels && (bias?.count ?? channels) == channels)
  kernels.group_norm(
    outputs.base, statistics.base, inputs.base, weight?.base, bias?.base, examples, pixels, channels, groups, epsilon)
}

/// The gradients of one micro-batch. `inputGradients` may be `outputGradients`; nil if it is not needed.
package func groupNormGradients(
  _ outputGradients: Floats, inputs: Floats, statistics: Floats, pixels: Int, channels: Int, groups: Int,
  weight: Floats?, into inputGradients: MutableFloats?, _ gradients: NormGradients
) {
  let examples = inputs.count / (pixels * channels)
  check(examples * pixels * channels == inputs.count && outputGradients.count == inputs.count)
  check(channels % groups == 0 && statistics.count == 2 * examples * groups)
  check((inputGradients?.count ?? inputs.count) == inputs.count)
  kernels.group_norm_gradients(
    inputGradients?.base, gradients.weight?.base, gradients.bias?.base, outputGradients.base, inputs.base,
    statistics.base, weight?.base, examples, pixels, channels, groups)
}

/// `mean` and `variance` (divided by the number of rows) of each channel of `inputs`, rows × channels.
package func channelStatistics(of inputs: Floats, mean: MutableFloats, variance: MutableFloats) {
  let channels = mean.count
  check(channels > 0 && inputs.count % channels == 0 && variance.count == channels)
  kernels.batch_norm_statistics(mean.base, variance.base, inputs.base, inputs.count / channels, channels)
}

/// `output` = 1 / √(`variance` + ε), elementwise.
package func inverseDeviations(_ variance: Floats, epsilon: Float, into output: MutableFloats) {
  check(variance.count == output.count)
  kernels.inverse_deviations(output.base, variance.base, variance.count, epsilon)
}

/// `outputs` = (`inputs` − mean) · inverseDeviation · weight + bias for each channel.
package func batchNorm(
  _ inputs: Floats, mean: Floats, inverseDeviation: Floats, weight: Floats, bias: Floats, into outputs: MutableFloats
) {
  let channels = mean.count
  check(channels > 0 && inputs.count % channels == 0 && outputs.count == inputs.count)
  check(inverseDeviation.count == channels && weight.count == channels && bias.count == channels)
  kernels.batch_norm(
    outputs.base, inputs.base, mean.base, inverseDeviation.base, weight.base, bias.base, inputs.count / channels,
    channels)
}

/// The gradients of one micro-batch, whose statistics are those of its inputs. `inputGradients` may be
/// `outputGradients`; nil if it is not needed.
package func batchNormGradients(
  _ outputGradients: Floats, inputs: Floats, mean: Floats, inverseDeviation: Floats, weight: Floats,
  into inputGradients: MutableFloats?, _ gradients: NormGradients
) {
  let channels = mean.count
  check(channels > 0 && inputs.count % channels == 0 && outputGradients.count == inputs.count)
  check(inverseDeviation.count == channels && weight.count == channels)
  check((inputGradients?.count ?? inputs.count) == inputs.count)
  kernels.batch_norm_gradients(
    inputGradients?.base, gradients.weight?.base, gradients.bias?.base, outputGradients.base, inputs.base, mean.base,
    inverseDeviation.base, weight.base, inputs.count / channels, channels)
}

private func check(_ condition: Bool) { precondition(condition, "the sizes of a norm contradict each other") }
