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
