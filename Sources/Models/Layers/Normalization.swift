internal import Kernels

/// Normalizes the last axis of each position to mean 0 and variance 1, then scales and shifts it (J. L. Ba et al., "Layer
/// Normalization", 2016; PyTorch's `LayerNorm`).
///
/// Parameters: `weight` of ones and `bias` of zeros, as long as the axis.
public struct LayerNorm: Layer {
  private let identity = LayerIdentity()
  private let operation: RowNormOperation

  /// - Parameter epsilon: added to the variance.
  public init(epsilon: Float = 1e-5) { operation = RowNormOperation(hasMean: true, epsilon: epsilon) }

  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// Divides the last axis of each position by the root of its mean square, then scales it (B. Zhang & R. Sennrich, "Root
/// Mean Square Layer Normalization", 2019; PyTorch's `RMSNorm`).
///
/// Parameters: `weight` of ones, as long as the axis.
public struct RMSNorm: Layer {
  private let identity = LayerIdentity()
  private let operation: RowNormOperation

  /// - Parameter epsilon: added to the mean square.
  public init(epsilon: Float = 1e-5) { operation = RowNormOperation(hasMean: false, epsilon: epsilon) }

  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// Normalizes groups of channels of each image to mean 0 and variance 1, then scales and shifts each channel (Y. Wu &
/// K. He, "Group Normalization", 2018; PyTorch's `GroupNorm`).
///
/// Parameters: `weight` of ones and `bias` of zeros, one for each channel.
public struct GroupNorm: Layer {
  private let identity = LayerIdentity()
  private let operation: GroupNormOperation

  /// - Parameters:
  ///   - groups: divides the number of channels.
  ///   - epsilon: added to the variance.
  public init(_ groups: Int, epsilon: Float = 1e-5) {
    operation = GroupNormOperation(groups: groups, epsilon: epsilon)
  }

  /// - Parameter x: its last axis is the channels.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// Normalizes each channel over all pixels and examples of a micro-batch to mean 0 and variance 1, then scales and shifts
/// it; in evaluations by running averages (S. Ioffe & C. Szegedy, "Batch Normalization", 2015; PyTorch's `BatchNorm2d` and
/// `BatchNorm1d`).
///
/// Parameters: `weight` of ones and `bias` of zeros, one for each channel. Statistics: `running_mean` and `running_var`,
/// which after each step are nine tenths of what they were and one tenth of the average over its micro-batches, weighted by
/// their examples, of the mean and of the unbiased variance. How many micro-batches there are changes the result.
public struct BatchNorm: Layer {
  private let identity = LayerIdentity()
  private let operation: BatchNormOperation

  /// - Parameter epsilon: added to the variance.
  public init(epsilon: Float = 1e-5) { operation = BatchNormOperation(epsilon: epsilon) }

  /// - Parameter x: its last axis is the channels.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// y = (x − mean) / √(variance + ε) · w + b of each row, or y = x / √(mean square + ε) · w. With g = y′·w, normalized x̂ and
/// r the factor: x′ = r·(g − mean(g) − x̂·mean(g·x̂)), without mean(g) for the latter; w′ = Σ y′·x̂, b′ = Σ y′.
struct RowNormOperation: TensorOperation {
  let hasMean: Bool
  let epsilon: Float

  var name: String { hasMean ? "layer norm" : "rms norm" }
  var backwardReads: BackwardReads { .inputs }
  var sharing: StorageSharing { .gradient }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard let width = inputs[0].last, width > 0 else { throw ShapeError("expects at least one value") }
    return inputs[0]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    let shape = [inputs[0].last!]
    return [Parameter("weight", shape, initial: .ones)] + (hasMean ? [Parameter("bias", shape, initial: .zeros)] : [])
  }

  func keptCount(_ inputs: [[Int]]) -> Int { inputs[0].dropLast().reduce(hasMean ? 2 : 1, *) }

  func forward(_ pass: ForwardPass) {
    let columns = pass.inputShape(0).last!
    if hasMean {
      layerNorm(
        pass.input(0), columns: columns, weight: pass.parameter(0), bias: pass.parameter(1), epsilon: epsilon,
        into: pass.output, statistics: pass.kept)
    } else {
      rmsNorm(
        pass.input(0), columns: columns, weight: pass.parameter(0), epsilon: epsilon, into: pass.output,
        statistics: pass.kept)
    }
  }

  func backward(_ pass: BackwardPass) {
    let columns = pass.inputShape(0).last!
    let rows = pass.inputShape(0).dropLast().reduce(1, *)
    let (inputs, gradients, statistics) = (pass.input(0), pass.outputGradient, pass.kept)
    let inputGradients = pass.inputGradient(0)
    let perRow = hasMean ? 2 : 1
    pass.sumMicroBatches(intoParametersOf: columns, hasMean ? 2 : 1) { examples, weight, bias in
      let rows = examples.lowerBound * rows..<examples.upperBound * rows
      let values = rows.lowerBound * columns..<rows.upperBound * columns
      let own = statistics[rows.lowerBound * perRow..<rows.upperBound * perRow]
      if hasMean {
        layerNormGradients(
          gradients[values], inputs: inputs[values], statistics: own, columns: columns, weight: pass.parameter(0),
          into: inputGradients?[values], NormGradients(weight: weight, bias: bias))
      } else {
        rmsNormGradients(
          gradients[values], inputs: inputs[values], statistics: own, columns: columns, weight: pass.parameter(0),
          into: inputGradients?[values], weightGradient: weight)
      }
    }
  }
}

/// As ``RowNormOperation``, for each group of channels of an example over all pixels.
struct GroupNormOperation: TensorOperation {
  let groups: Int
  let epsilon: Float

  let name = "group norm"
  var backwardReads: BackwardReads { .inputs }
  var sharing: StorageSharing { .gradient }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard let channels = inputs[0].last, channels > 0, groups > 0, channels % groups == 0 else {
      throw ShapeError("\(groups) groups do not divide the channels of \(inputs[0].sizes)")
    }
    return inputs[0]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    let shape = [inputs[0].last!]
    return [Parameter("weight", shape, initial: .ones), Parameter("bias", shape, initial: .zeros)]
  }

  func keptCount(_ inputs: [[Int]]) -> Int { 2 * groups }

  func forward(_ pass: ForwardPass) {
    let shape = pass.inputShape(0)
    groupNorm(
      pass.input(0), pixels: shape.dropLast().reduce(1, *), channels: shape.last!, groups: groups,
      weight: pass.parameter(0), bias: pass.parameter(1), epsilon: epsilon, into: pass.output, statistics: pass.kept)
  }

  func backward(_ pass: BackwardPass) {
    let shape = pass.inputShape(0)
    let (pixels, channels) = (shape.dropLast().reduce(1, *), shape.last!)
    let (inputs, gradients, statistics) = (pass.input(0), pass.outputGradient, pass.kept)
    let inputGradients = pass.inputGradient(0)
    pass.sumMicroBatches(intoParametersOf: channels, 2) { examples, weight, bias in
      let values = examples.lowerBound * pixels * channels..<examples.upperBound * pixels * channels
      groupNormGradients(
        gradients[values], inputs: inputs[values],
        statistics: statistics[examples.lowerBound * 2 * groups..<examples.upperBound * 2 * groups], pixels: pixels,
        channels: channels, groups: groups, weight: pass.parameter(0), into: inputGradients?[values],
        NormGradients(weight: weight, bias: bias))
    }
  }
}

/// As ``RowNormOperation``, for each channel over the rows (pixels) of all examples of a micro-batch; in evaluations with
/// the running averages as constants.
struct BatchNormOperation: TensorOperation {
  let epsilon: Float

  let name = "batch norm"
  var backwardReads: BackwardReads { .inputs }
  var sharing: StorageSharing { .gradient }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].allSatisfy({ $0 > 0 }), !inputs[0].isEmpty else { throw ShapeError("expects at least one channel") }
    return inputs[0]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    let shape = [inputs[0].last!]
    return [
      Parameter("weight", shape, initial: .ones), Parameter("bias", shape, initial: .zeros),
      Parameter("running_mean", shape, initial: .zeros, isStatistic: true),
      Parameter("running_var", shape, initial: .ones, isStatistic: true),
    ]
  }

  /// A single row has no variance.
  func leastExamples(_ inputs: [[Int]]) -> Int { inputs[0].dropLast().reduce(1, *) > 1 ? 1 : 2 }

  /// Mean, variance and inverse deviation of a micro-batch, at the place of its first example.
  func keptCount(_ inputs: [[Int]]) -> Int { 3 * inputs[0].last! }

  func forward(_ pass: ForwardPass) {
    let shape = pass.inputShape(0)
    let (channels, count) = (shape.last!, shape.reduce(1, *))
    let (weight, bias, inputs, outputs) = (pass.parameter(0), pass.parameter(1), pass.input(0), pass.output)
    guard pass.isTraining else {
      let inverse = pass.scratch(channels)
      inverseDeviations(pass.parameter(3), epsilon: epsilon, into: inverse)
      batchNorm(
        inputs, mean: pass.parameter(2), inverseDeviation: inverse.readOnly, weight: weight, bias: bias, into: outputs)
      return
    }
    for examples in pass.microBatches where !examples.isEmpty {
      let values = examples.lowerBound * count..<examples.upperBound * count
      let kept = pass.kept[examples.lowerBound * 3 * channels..<(examples.lowerBound + 1) * 3 * channels]
      let (mean, variance) = (kept[0..<channels], kept[channels..<2 * channels])
      let inverse = kept[2 * channels..<3 * channels]
      channelStatistics(of: inputs[values], mean: mean, variance: variance)
      inverseDeviations(variance.readOnly, epsilon: epsilon, into: inverse)
      batchNorm(
        inputs[values], mean: mean.readOnly, inverseDeviation: inverse.readOnly, weight: weight, bias: bias,
        into: outputs[values])
    }
  }

  func backward(_ pass: BackwardPass) {
    let shape = pass.inputShape(0)
    let (channels, count) = (shape.last!, shape.reduce(1, *))
    let (inputs, gradients, allKept) = (pass.input(0), pass.outputGradient, pass.kept)
    let inputGradients = pass.inputGradient(0)
    func kept(_ examples: Range<Int>, _ part: Int) -> Floats {
      let start = (examples.lowerBound * 3 + part) * channels
      return allKept[start..<start + channels]
    }
    pass.sumMicroBatches(intoParametersOf: channels, 2) { examples, weight, bias in
      guard !examples.isEmpty else {
        weight.fill(0)
        bias?.fill(0)
        return
      }
      let values = examples.lowerBound * count..<examples.upperBound * count
      batchNormGradients(
        gradients[values], inputs: inputs[values], mean: kept(examples, 0), inverseDeviation: kept(examples, 2),
        weight: pass.parameter(0), into: inputGradients?[values], NormGradients(weight: weight, bias: bias))
    }
    for part in 0..<2 {
      pass.sumMicroBatches(into: pass.parameterGradient(2 + part)) { examples, sum in
        let rows = examples.count * count / channels
        // The variance is saved unbiased, as in PyTorch.
        let factor = Float(examples.count) * (part == 0 ? 1 : Float(rows) / Float(max(rows - 1, 1)))
        guard !examples.isEmpty else { return sum.fill(0) }
        let own = kept(examples, part)
        for channel in 0..<channels { sum[channel] = factor * own[channel] }
      }
    }
  }
}

extension BackwardPass {
  /// The gradients with respect to the first `parameters` parameters, one or two of `count` values each, from one
  /// function that computes them for a micro-batch together.
  func sumMicroBatches(
    intoParametersOf count: Int, _ parameters: Int,
    _ sum: (_ examples: Range<Int>, _ first: MutableFloats, _ second: MutableFloats?) -> Void
  ) {
    let both = run.jointGradients.reserve(parameters * count)
    sumMicroBatches(into: both) { examples, place in
      sum(examples, place[0..<count], parameters > 1 ? place[count..<2 * count] : nil)
    }
    for index in 0..<parameters { parameterGradient(index).copy(both[index * count..<(index + 1) * count].readOnly) }
  }
}
