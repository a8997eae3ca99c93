package import Kernels
package import Schema

/// SOAP: N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321, 2024, Algorithm 3: Adam in
/// the bases in which Shampoo's two factors of a matrix's gradients are diagonal. For each matrix of r × c values:
///
///     g' = Pᵀ g Q                           the gradient in the bases
///     mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ
///     vₜ = β₂ vₜ₋₁ + (1 − β₂) g'ₜ²
///     n = (Pᵀ m̂ Q) / (√v̂ + ε),  θ ← (1 − η λ) θ − η P n Qᵀ
///     L ← β₂ L + (1 − β₂) g gᵀ,  R ← β₂ R + (1 − β₂) gᵀ g
///
/// As in the authors' program, the first update only takes the eigenvectors of L and R as P and Q: it moves nothing, and is not
/// counted in m̂ and v̂. After every f further updates, P ← the QR decomposition's Q of L P, whose columns are sorted before by
/// their diagonal values in Pᵀ L P; v follows them; likewise Q.
///
/// A side of one value, or of more than `--basis-limit`, has no basis. Without one on either side, a tensor follows ``AdamW``
/// from the second update. Tensors of more than two axes, such as a convolution's, are matrices with a column for each output.
///
/// Defaults: η 0.003, β₁ 0.95, β₂ 0.95, ε 1e-8, f 10, λ 0.01.
package struct SOAP: UpdateRule {
  package static let name = "soap"
  package static let equations =
    "g' = PᵀgQ; m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g'²; θ ← (1 − ηλ)θ − η P((Pᵀm̂Q)/(√v̂ + ε))Qᵀ; P, Q: eigenvectors of means of ggᵀ and gᵀg"
  package static let paper = "Vyas et al. 2024"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.003), .beta1(0.95), .beta2(0.95), .epsilon(),
    .whole("basis-every", default: 10, 1...1_000_000, "The updates from one refresh of the bases to the next."),
    .whole("basis-limit", default: 1024, 1...65536, "The longest side of a matrix that has a basis."),
  ]
  package static let weightDecay = WeightDecay.decoupled(0.01)
  package static let writesSlotsBeside = true
  package static let transformsTensors = true
  package let slots: [String] = []
  /// No sums, but all of a tensor.
  package let sums = RuleSums.eachTensor(0)

  private let beta1, beta2, epsilon: Double
  private let every, limit: Int

  package init(_ values: OptionValues) {
    beta1 = values["beta1"]
    beta2 = values["beta2"]
    epsilon = values["epsilon"]
    every = values.whole("basis-every")
    limit = values.whole("basis-limit")
  }

  /// Rows and columns; a tensor of one axis is one row.
  private func size(_ shape: [Int], count: Int) -> (rows: Int, columns: Int) {
    guard shape.count > 1, let columns = shape.last else { return (1, count) }
    return (count / columns, columns)
  }

  private func hasBasis(_ shape: [Int], side: Int) -> Bool { shape.count > 1 && side > 1 && side <= limit }

  /// The moments, then of each side that has a basis its factor and the basis, a vector a row.
  package func tensorSlots(shape: [Int], count: Int) -> [TensorSlot] {
    let (rows, columns) = size(shape, count: count)
    let moments = shape.count > 1 ? [rows, columns] : [count]
    return [TensorSlot("first-moment", moments), TensorSlot("second-moment", moments)]
      + [("left", rows), ("right", columns)].filter { hasBasis(shape, side: $0.1) }.flatMap { name, side in
        [TensorSlot("\(name)-factor", [side, side]), TensorSlot("\(name)-basis", [side, side])]
      }
  }

  /// Leaves the gradient in ``UpdateRange/direction``.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    range.directAlongGradient()
  }

  /// Makes P n Qᵀ of the gradient.
  package func transform(_ tensor: WholeTensor, _ step: UpdateStep) {
    let (rows, columns) = size(tensor.shape, count: tensor.direction.count)
    var sides: [Side] = []
    for (isLeft, side) in [(true, rows), (false, columns)] where hasBasis(tensor.shape, side: side) {
      let slot = 2 + 2 * sides.count
      sides.append(Side(tensor, slot, isLeft: isLeft, rows: rows, columns: columns))
    }
    for side in sides { side.addFactor(of: tensor.direction.readOnly, weight: 1 - beta2) }
    guard step.number > 1 else {
      for slot in tensor.slots.prefix(2) { slot.fill(0) }
      for side in sides { eigenvectors(of: side.matrix(side.factor), into: side.basis) }
      return tensor.direction.fill(0)
    }
    let number = step.number - 1
    let rotated = rotate(tensor.direction, sides)
    let (first, second) = (tensor.slotBefore(0), tensor.slotBefore(1))
    for i in tensor.direction.indices {
      let g = Double(rotated.values[i])
      tensor.slots[0][i] = Float(beta1 * Double(first[i]) + (1 - beta1) * Double(tensor.direction[i]))
      tensor.slots[1][i] = Float(beta2 * Double(second[i]) + (1 - beta2) * g * g)
    }
    tensor.direction.copy(tensor.slots[0].readOnly)
    let moment = rotate(tensor.direction, sides)
    let correction = BiasCorrection(beta1, beta2, number: number)
    for i in tensor.direction.indices {
      let root = correction.root * Double(tensor.slots[1][i]).squareRoot()
      tensor.direction[i] = Float(correction.moment * Double(moment.values[i]) / (root + epsilon))
    }
    for side in sides { side.rotate(tensor.direction, backwards: true) }
    let isRefreshed = number % every == 0
    for side in sides {
      if isRefreshed { side.refresh(secondMoment: tensor.slots[1]) } else { side.basis.copy(side.basisBefore) }
    }
  }

  /// Pᵀ x Q
  private func rotate(_ values: MutableFloats, _ sides: [Side]) -> FloatBuffer {
    let rotated = FloatBuffer(count: values.count)
    rotated.all.copy(values.readOnly)
    for side in sides { side.rotate(rotated.all) }
    return rotated
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    guard step.number > 1 else { return range.vectors.updated.copy(range.vectors.parameters) }
    range.moveAlongDirection(rate: step.learningRate)
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    for i in range.vectors.parameters.indices {
      if step.number > 1 {
        range.vectors.move(i, by: step.learningRate * Double(range.direction[i]))
      } else {
        range.vectors.updated[i] = range.vectors.parameters[i]
      }
    }
  }
}

/// One side of a matrix, with its factor (L or R) and its basis (P or Q, a vector a row).
private struct Side {
  let factor, basis: MutableFloats
  let factorBefore, basisBefore: Floats
  private let isLeft: Bool
  private let rows, columns: Int

  init(_ tensor: WholeTensor, _ slot: Int, isLeft: Bool, rows: Int, columns: Int) {
    (factor, basis) = (tensor.slots[slot], tensor.slots[slot + 1])
    (factorBefore, basisBefore) = (tensor.slotBefore(slot), tensor.slotBefore(slot + 1))
    (self.isLeft, self.rows, self.columns) = (isLeft, rows, columns)
  }

  private var count: Int { isLeft ? rows : columns }

  func matrix(_ values: MutableFloats) -> Matrix { Matrix(values.readOnly, rows: count, columns: count) }

  private func whole(_ values: Floats) -> Matrix { Matrix(values, rows: rows, columns: columns) }

  /// F ← F + w (g gᵀ − F), or gᵀ g.
  func addFactor(of gradient: Floats, weight: Double) {
    let product = FloatBuffer(count: count * count)
    var scratch = LayerScratch()
    if isLeft {
      inputGradient(
        outputGradients: whole(gradient), weight: whole(gradient), through: nil, into: product.all, scratch: &scratch)
    } else {
      weightGradient(
        inputs: whole(gradient), outputGradients: whole(gradient), into: product.all, scratch: &scratch)
    }
    withExtendedLifetime(product) { interpolate(factorBefore, product.values, weight: weight, into: factor) }
  }

  /// x ← Pᵀ x, or x Q; backwards x ← P x, or x Qᵀ.
  func rotate(_ values: MutableFloats, backwards: Bool = false) {
    let product = FloatBuffer(count: values.count)
    let (x, basis) = (whole(values.readOnly), Matrix(basisBefore, rows: count, columns: count))
    var scratch = LayerScratch()
    switch (isLeft, backwards) {
    case (true, true): weightGradient(inputs: basis, outputGradients: x, into: product.all, scratch: &scratch)
    case (false, false):
      inputGradient(outputGradients: x, weight: basis, through: nil, into: product.all, scratch: &scratch)
    case (true, false), (false, true):
      let (left, right) = isLeft ? (basis, x) : (x, basis)
      linear(inputs: left, weight: right, bias: nil, activation: nil, into: product.all, scratch: &scratch)
    }
    withExtendedLifetime(product) { values.copy(product.values) }
  }

  /// One step of the power iteration, after which `secondMoment` belongs to the sorted vectors.
  func refresh(secondMoment: MutableFloats) {
    let product = FloatBuffer(count: count * count)
    let before = Matrix(basisBefore, rows: count, columns: count)
    var scratch = LayerScratch()
    linear(inputs: before, weight: matrix(factor), bias: nil, activation: nil, into: product.all, scratch: &scratch)
    let values = (0..<count).map { row in
      (row * count..<(row + 1) * count).reduce(0) { $0 + Double(product.values[$1]) * Double(basisBefore[$1]) }
    }
    let order = (0..<count).sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
    orthonormalBasis(of: Matrix(product.values, rows: count, columns: count), order: order, into: basis)
    let moment = FloatBuffer(secondMoment.readOnly.array)
    for row in 0..<rows {
      for column in 0..<columns {
        let from = isLeft ? order[row] * columns + column : row * columns + order[column]
        secondMoment[row * columns + column] = moment.values[from]
      }
    }
    withExtendedLifetime((product, moment)) {}
  }
}
