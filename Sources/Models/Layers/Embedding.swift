internal import Kernels

/// A vector for each of `count` tokens (PyTorch's `Embedding`).
///
/// Parameters: `weight`, count × width.
public struct Embedding: Layer {
  private let identity = LayerIdentity()
  private let table: Table

  struct Table: Sendable {
    let count: Int
    let width: Int
    let deviation: Float

    var weight: Parameter { Parameter("weight", [count, width], initial: .normal(deviation: deviation)) }
  }

  /// - Parameter deviation: of the initial normal distribution.
  public init(_ count: Int, width: Int, deviation: Float = 1) {
    table = Table(count: count, width: width, deviation: deviation)
  }

  /// - Parameter x: whole numbers from 0; the vector of another number is NaN. Of any shape.
  /// - Returns: x's shape × width.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(EmbeddingOperation(table: table), of: identity) }

  /// The products of x with each token's vector: an output layer with the same parameters.
  ///
  /// - Parameter x: its last axis is of `width` values.
  /// - Returns: x's shape with `count` in place of `width`.
  public func asLinear(_ x: Tensor) -> Tensor { x.applying(EmbeddingProductOperation(table: table), of: identity) }
}

/// The rows of W that x names; W′ adds the rows of y′, for each micro-batch in the order of the positions.
struct EmbeddingOperation: TensorOperation {
  let table: Embedding.Table

  let name = "embedding"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard table.count > 0, table.width > 0 else {
      throw ShapeError("needs at least one token and one value, got \(table.count)×\(table.width)")
    }
    return inputs[0] + [table.width]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] { [table.weight] }

  func forward(_ pass: ForwardPass) {
    gatherRows(
      of: Matrix(pass.parameter(0), rows: table.count, columns: table.width), pass.input(0), into: pass.output)
  }

  func backward(_ pass: BackwardPass) {
    let positions = pass.inputShape(0).reduce(1, *)
    let (ids, gradients) = (pass.input(0), pass.outputGradient)
    pass.sumMicroBatches(into: pass.parameterGradient(0)) { examples, sum in
      let rows = examples.lowerBound * positions..<examples.upperBound * positions
      scatterRows(
        gradients[rows.lowerBound * table.width..<rows.upperBound * table.width], ids[rows], columns: table.width,
        into: sum)
    }
  }
}

/// y = x·Wᵀ; x′ = y′·W, W′ = Σ y′ᵀ·x.
struct EmbeddingProductOperation: TensorOperation {
  let table: Embedding.Table

  let name = "embedding as linear"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].last == table.width else {
      throw ShapeError("expects \(table.width) values, got \(inputs[0].sizes)")
    }
    return inputs[0].dropLast() + [table.count]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] { [table.weight] }

  func multiplyAdds(_ inputs: [[Int]]) -> Int { inputs[0].reduce(table.count, *) }

  func forward(_ pass: ForwardPass) {
    let rows = pass.input(0).count / table.width
    inputGradient(
      outputGradients: Matrix(pass.input(0), rows: rows, columns: table.width),
      weight: Matrix(pass.parameter(0), rows: table.count, columns: table.width), through: nil, into: pass.output,
      scratch: &pass.run.scratch)
  }

  func backward(_ pass: BackwardPass) {
    let rows = pass.input(0).count / table.width
    let gradients = Matrix(pass.outputGradient, rows: rows, columns: table.count)
    weightGradient(
      inputs: gradients, outputGradients: Matrix(pass.input(0), rows: rows, columns: table.width),
      microBatches: pass.microBatches, rowsPerExample: pass.inputShape(0).dropLast().reduce(1, *),
      into: pass.parameterGradient(0), scratch: &pass.run.scratch)
    guard let inputGradient = pass.inputGradient(0) else { return }
    linear(
      inputs: gradients, weight: Matrix(pass.parameter(0), rows: table.count, columns: table.width), bias: nil,
      activation: nil, into: inputGradient, scratch: &pass.run.scratch)
  }
}

/// Adds a learned vector to each position (GPT-2's positions).
///
/// Parameters: `weight`, context × width.
public struct LearnedPositions: Layer {
  private let identity = LayerIdentity()
  private let operation: PositionOperation

  /// - Parameters:
  ///   - context: the most positions.
  ///   - deviation: of the initial normal distribution.
  public init(_ context: Int, deviation: Float = 1) {
    operation = PositionOperation(context: context, deviation: deviation)
  }

  /// - Parameter x: positions × width.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// y = x + W; x′ = y′, W′ = Σ y′. Positions that x does not have get no gradient.
struct PositionOperation: TensorOperation {
  let context: Int
  let deviation: Float

  let name = "positions"
  var backwardReads: BackwardReads { [] }
  var sharing: StorageSharing { [.output, .gradientIsOutputGradient] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].count == 2, inputs[0][0] <= context else {
      throw ShapeError("expects at most \(context) positions × width, got \(inputs[0].sizes)")
    }
    return inputs[0]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    [Parameter("weight", [context, inputs[0][1]], initial: .normal(deviation: deviation))]
  }

  func forward(_ pass: ForwardPass) {
    add(pass.input(0), pass.parameter(0)[0..<pass.inputShape(0).reduce(1, *)], into: pass.output)
  }

  func backward(_ pass: BackwardPass) {
    let count = pass.inputShape(0).reduce(1, *)
    let gradients = Matrix(pass.outputGradient, rows: pass.examples, columns: count)
    let gradient = pass.parameterGradient(0)
    pass.sumMicroBatches(into: gradient[0..<count]) { examples, sum in
      columnSums(of: gradients.rows(examples), into: sum)
    }
    gradient[count..<gradient.count].fill(0)
  }
}
