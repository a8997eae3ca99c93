package import Kernels
package import Schema

/// Muon: K. Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024, with the step size and the decay of J.
/// Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982, 2025, equation 4. For each matrix of r × c values:
///
///     mₜ = μ mₜ₋₁ + (1 − μ) gₜ
///     Oₜ = NewtonSchulz((1 − μ) gₜ + μ mₜ)
///     θₜ = θₜ₋₁ − η (0.2 √max(r, c) Oₜ + λ θₜ₋₁)
///
/// Newton–Schulz steps bring all singular values near 1: from X = G / (‖G‖ + 10⁻⁷), with Frobenius' norm,
///
///     A = X Xᵀ,  X ← a X + (b A + c A²) X,   (a, b, c) = (3.4445, −4.775, 2.0315)
///
/// Tensors that are no matrices, and those of `--orthogonalize no`, follow ``AdamW``. Tensors of more than two axes, such as
/// a convolution's, are matrices with a column for each output.
///
/// Defaults: η 0.001, μ 0.95, 5 steps, λ 0.1; β₁ 0.9, β₂ 0.999, ε 1e-8.
package struct Muon: UpdateRule {
  package static let name = "muon"
  package static let equations =
    "m ← μm + (1−μ)g; O ← NewtonSchulz((1−μ)g + μm); θ ← θ − η (0.2 √max(r, c) O + λθ), a matrix each; others as adamw"
  package static let paper = "Jordan 2024; Liu et al. 2025"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .momentum(0.95),
    .whole("newton-schulz-steps", default: 5, 1...20, "Steps that bring a matrix's singular values near 1."),
    .flag(
      "orthogonalize", default: true,
      "Orthogonalize the steps of matrices; those of a parameter group with no follow adamw, as embeddings and last layers should."
    ),
    .beta1(), .beta2(), .epsilon(),
  ]
  package static let weightDecay = WeightDecay.decoupled(0.1)
  package static let writesSlotsBeside = true
  package static let transformsTensors = true
  package let slots = ["first-moment", "second-moment"]
  /// No sums, but all of a matrix.
  package let sums = RuleSums.eachTensor(0)

  private let momentum, beta1, beta2, epsilon: Double
  private let steps: Int
  private let orthogonalizes: Bool

  package init(_ values: OptionValues) {
    momentum = values["momentum"]
    steps = values.whole("newton-schulz-steps")
    orthogonalizes = values.isOn("orthogonalize")
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
  }

  /// Rows and columns; nil for a tensor that follows ``AdamW``.
  private func matrix(_ shape: [Int]) -> (rows: Int, columns: Int)? {
    guard orthogonalizes, shape.count > 1, let columns = shape.last, columns > 1 else { return nil }
    let rows = shape.dropLast().reduce(1, *)
    return rows > 1 ? (rows, columns) : nil
  }

  /// Updates a matrix's moment, and leaves what is orthogonalized in ``UpdateRange/direction``.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    guard matrix(range.tensorShape) != nil else { return }
    var vectors = range.vectors
    vectors.updated = range.direction
    vectors.nesterovMean(range.slots[0], decay: momentum)
    // A matrix has none.
    range.slots[1].fill(0)
  }

  package func transform(_ tensor: WholeTensor, _ step: UpdateStep) {
    guard let (rows, columns) = matrix(tensor.shape) else { return }
    newtonSchulz(tensor.direction, rows: rows, columns: columns, steps: steps)
  }

  /// As a tensor's elements move where it is a matrix: by the direction alone.
  private func scale(_ shape: (rows: Int, columns: Int)) -> Double {
    0.2 * Double(max(shape.rows, shape.columns)).squareRoot()
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    if let shape = matrix(range.tensorShape) {
      range.moveAlongDirection(rate: step.learningRate * scale(shape))
    } else {
      let correction = BiasCorrection(beta1, beta2, number: step.number)
      range.vectors.adam(
        range.slots[0], range.slots[1], largest: nil, MomentDecays(beta1, beta2),
        rate: step.learningRate * correction.moment, rootScale: correction.root, epsilon: epsilon)
    }
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    if let shape = matrix(range.tensorShape) {
      for i in range.vectors.parameters.indices {
        range.vectors.move(i, by: step.learningRate * scale(shape) * Double(range.direction[i]))
      }
      return
    }
    let correction = BiasCorrection(beta1, beta2, number: step.number)
    let (before, secondBefore) = (range.slotBefore(0), range.slotBefore(1))
    range.each { i, g in
      let m = beta1 * Double(before[i]) + (1 - beta1) * g
      let v = beta2 * Double(secondBefore[i]) + (1 - beta2) * g * g
      (range.slots[0][i], range.slots[1][i]) = (Float(m), Float(v))
      range.vectors.move(
        i, by: step.learningRate * correction.moment * m / (correction.root * v.squareRoot() + epsilon))
    }
  }
}

/// Newton–Schulz steps in place, in float32, as ``Muon`` defines them. Of a tall matrix, A is Xᵀ X, and X is multiplied from
/// the right.
///
/// - Parameter values: `rows` × `columns`.
private func newtonSchulz(_ values: MutableFloats, rows: Int, columns: Int, steps: Int) {
  var squares = OrderedSum()
  squares.addSquares(values.readOnly)
  let norm = squares.value.squareRoot() + 1e-7
  let factors = FloatBuffer([1 / norm, 3.4445, -4.775, 2.0315].map { Float($0) })
  let (size, isTall) = (min(rows, columns), rows > columns)
  let (gram, square) = (FloatBuffer(count: size * size), FloatBuffer(count: size * size))
  let product = FloatBuffer(count: values.count)
  // What is borrowed from them does not keep them.
  withExtendedLifetime((factors, gram, square, product)) {
    func multiply(_ values: MutableFloats, _ factor: Int) {
      Kernels.multiply(values.readOnly, factors.values[factor..<factor + 1], into: values)
    }
    let matrix = Matrix(values.readOnly, rows: rows, columns: columns)
    let polynomial = Matrix(gram.values, rows: size, columns: size)
    var scratch = LayerScratch()
    multiply(values, 0)
    for _ in 0..<steps {
      if isTall {
        weightGradient(inputs: matrix, outputGradients: matrix, into: gram.all, scratch: &scratch)
      } else {
        inputGradient(outputGradients: matrix, weight: matrix, through: nil, into: gram.all, scratch: &scratch)
      }
      linear(inputs: polynomial, weight: polynomial, bias: nil, activation: nil, into: square.all, scratch: &scratch)
      multiply(gram.all, 2)
      multiply(square.all, 3)
      add(gram.values, square.values, into: gram.all)
      let (left, right) = isTall ? (matrix, polynomial) : (polynomial, matrix)
      linear(inputs: left, weight: right, bias: nil, activation: nil, into: product.all, scratch: &scratch)
      multiply(values, 1)
      add(values.readOnly, product.values, into: values)
    }
  }
}
