internal import Kernels

/// y = x·W + b over the last axis of x (PyTorch's `Linear`).
///
/// Parameters: `weight`, stored in × out and saved out × in, and `bias` of `out` zeros.
public struct Linear: Layer {
  private let identity = LayerIdentity()
  private let operation: LinearOperation

  /// - Parameters:
  ///   - outputs: the size of the output's last axis.
  ///   - hasBias: whether b is added.
  ///   - initial: how the weights begin.
  public init(_ outputs: Int, bias hasBias: Bool = true, initial: InitialWeights = .pytorch) {
    operation = LinearOperation(outputs: outputs, hasBias: hasBias, initial: initial)
  }

  /// - Parameter x: of any shape; its last axis is the layer's inputs.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// How a layer's weights begin.
public enum InitialWeights: Sendable {
  /// Uniform in ±√(6 / inputs): He et al. 2015, for layers that a ReLU follows.
  case he
  /// Uniform in ±√(6 / (inputs + outputs)): Glorot & Bengio 2010.
  case glorot
  /// Uniform in ±1 / √inputs: PyTorch's for linear layers and convolutions.
  case pytorch

  /// For a sum over `inputs` values, each of which goes into `outputs` sums.
  func values(inputs: Int, outputs: Int) -> Parameter.Initial {
    switch self {
    case .he: .uniform(bound: (6 / Float(max(inputs, 1))).squareRoot())
    case .glorot: .uniform(bound: (6 / Float(max(inputs + outputs, 1))).squareRoot())
    case .pytorch: .uniform(bound: 1 / Float(max(inputs, 1)).squareRoot())
    }
  }
}

/// y = f(x·W + b) for each row x of the last axis, with an activation f. With y′ the gradient with respect to x·W + b:
/// x′ = y′·Wᵀ, W′ = Σ xᵀ·y′, b′ = Σ y′.
struct LinearOperation: FusesActivation, FinishesInputGradient {
  let outputs: Int
  let hasBias: Bool
  let initial: InitialWeights
  /// The names of weight and bias begin with it.
  var prefix = ""
  /// What is wrong with an input's shape beyond what this operation needs; nil for nothing.
  var flaw: @Sendable (_ shape: [Int]) -> String? = { _ in nil }
  var activation: Activation?

  let name = "linear"

  var canFuseActivation: Bool { hasBias }

  func applying(_ activation: Activation) -> any TensorOperation {
    var fused = self
    fused.activation = activation
    return fused
  }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    if let flaw = flaw(inputs[0]) { throw ShapeError(flaw) }
    guard let width = inputs[0].last, width > 0, outputs > 0 else {
      throw ShapeError("expects at least one input and one output, got \(inputs[0].sizes) and \(outputs) outputs")
    }
    return inputs[0].dropLast() + [outputs]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    let width = inputs[0].last!
    let weight = Parameter(
      "\(prefix)weight", [width, outputs], savedAxes: [1, 0],
      initial: initial.values(inputs: width, outputs: outputs))
    return [weight] + (hasBias ? [Parameter("\(prefix)bias", [outputs], initial: .zeros)] : [])
  }

  func keptCount(_ inputs: [[Int]]) -> Int {
    activation?.keepsInput == true ? inputs[0].dropLast().reduce(outputs, *) : 0
  }

  var backwardReads: BackwardReads { .inputs }

  func multiplyAdds(_ inputs: [[Int]]) -> Int { inputs[0].reduce(outputs, *) }

  func forward(_ pass: ForwardPass) {
    let width = pass.inputShape(0).last!
    let input = pass.input(0)
    let keepsInput = activation?.keepsInput == true
    linear(
      inputs: Matrix(input, rows: input.count / width, columns: width),
      weight: Matrix(pass.parameter(0), rows: width, columns: outputs), bias: hasBias ? pass.parameter(1) : nil,
      activation: activation, into: keepsInput ? pass.kept : pass.output, activated: keepsInput ? pass.output : nil,
      scratch: &pass.run.scratch)
  }

  func backward(_ pass: BackwardPass) {
    let width = pass.inputShape(0).last!
    let rows = pass.input(0).count / width
    let gradients = Matrix(pass.outputGradient, rows: rows, columns: outputs)
    let rowsPerExample = pass.inputShape(0).dropLast().reduce(1, *)
    weightGradient(
      inputs: Matrix(pass.input(0), rows: rows, columns: width), outputGradients: gradients,
      microBatches: pass.microBatches, rowsPerExample: rowsPerExample, into: pass.parameterGradient(0),
      scratch: &pass.run.scratch)
    if hasBias {
      pass.sumMicroBatches(into: pass.parameterGradient(1)) { examples, sums in
        columnSums(
          of: gradients.rows(examples.lowerBound * rowsPerExample..<examples.upperBound * rowsPerExample), into: sums)
      }
    }
    guard let inputGradient = pass.inputGradient(0) else { return }
    Kernels.inputGradient(
      outputGradients: gradients, weight: Matrix(pass.parameter(0), rows: width, columns: outputs),
      through: pass.inputActivation, into: inputGradient, scratch: &pass.run.scratch)
  }
}
