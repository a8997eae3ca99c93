package import Kernels
package import Schema

/// Adafactor: N. Shazeer & M. Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", ICML 2018, Algorithm 4
/// without momentum, as PyTorch has it (its ε₁ and its order of decay): the second moment of a matrix is the product of what
/// its rows and its columns have, one number each.
///
///     w = t^−p                                   the share of this step
///     Rₜ = Rₜ₋₁ + w (mean of gₜ² over a row − Rₜ₋₁),   Cₜ likewise over a column
///     v̂ = R Cᵀ / max(mean R, ε)                 of a matrix; of others vₜ = vₜ₋₁ + w (gₜ² − vₜ₋₁)
///     u = g / √max(v̂, ε²)
///     α = max(ε₂, RMS(θ)) min(η, 1/√t)
///     θ ← (1 − η λ) θ − α u / max(1, RMS(u) / d)
///
/// A tensor with more than two axes is a matrix whose columns are its last axis.
///
/// Defaults: η 0.01, p 0.8, ε 2⁻²³, ε₂ 0.001, d 1, λ 0.
package struct Adafactor: UpdateRule {
  package static let name = "adafactor"
  package static let equations =
    "w = t^−p; R, C ← means of g² over rows and columns, with share w; v̂ = RCᵀ/max(mean R, ε); u = g/√max(v̂, ε²); θ ← (1 − ηλ)θ − max(ε₂, RMS θ) min(η, 1/√t) u/max(1, RMS(u)/d)"
  package static let paper = "Shazeer & Stern 2018"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.01),
    .real(
      "decay-exponent", default: 0.8, .positive, "p: step t has the share t^−p in the means of squares."),
    .epsilon(0x1p-23),
    .real(
      "least-scale", default: 1e-3, .positive,
      "ε₂, the least root mean square of a tensor's parameters to which its step is relative."),
    .real(
      "update-clip", default: 1, .positive,
      "d, the largest root mean square of a tensor's update before it is scaled."),
  ]
  package static let weightDecay = WeightDecay.decoupled(0)
  package static let writesSlotsBeside = true
  package static let transformsTensors = true
  package let slots: [String] = []

  private let exponent, epsilon, leastScale, clip: Double

  package init(_ values: OptionValues) {
    exponent = values["decay-exponent"]
    epsilon = values["epsilon"]
    leastScale = values["least-scale"]
    clip = values["update-clip"]
  }

  package func tensorSlots(shape: [Int], count: Int) -> [TensorSlot] {
    guard shape.count > 1, let columns = shape.last else { return [TensorSlot("mean-square", [count])] }
    return [TensorSlot("row-mean-square", [count / columns]), TensorSlot("column-mean-square", [columns])]
  }

  /// Σ θ².
  package let sums = RuleSums.eachTensor(1)

  /// Leaves the gradient in ``UpdateRange/direction``.
  package func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {
    sums[0].addSquares(range.vectors.parameters)
    range.directAlongGradient()
  }

  /// Makes u / max(1, RMS(u) / d) of the gradient.
  package func transform(_ tensor: WholeTensor, _ step: UpdateStep) {
    let share = Elementary.power(Double(step.number), -exponent)
    if tensor.slots.count == 2 { factor(tensor, share) } else { scale(tensor, share) }
    var squares = OrderedSum()
    squares.addSquares(tensor.direction.readOnly)
    let divisor = max(1, (squares.value / Double(tensor.direction.count)).squareRoot() / clip)
    for i in tensor.direction.indices { tensor.direction[i] = Float(Double(tensor.direction[i]) / divisor) }
  }

  private func mean(_ before: Float, _ value: Double, _ share: Double) -> Double {
    Double(before) + share * (value - Double(before))
  }

  private func root(_ square: Double) -> Double { max(square, epsilon * epsilon).squareRoot() }

  private func factor(_ tensor: WholeTensor, _ share: Double) {
    let (rows, columns, g) = (tensor.slots[0].count, tensor.slots[1].count, tensor.direction)
    var (ofRows, ofColumns) = ([Double](repeating: 0, count: rows), [Double](repeating: 0, count: columns))
    for row in 0..<rows {
      for column in 0..<columns {
        let value = Double(g[row * columns + column])
        ofRows[row] += value * value
        ofColumns[column] += value * value
      }
    }
    for row in 0..<rows {
      ofRows[row] = mean(tensor.slotBefore(0)[row], ofRows[row] / Double(columns), share)
      tensor.slots[0][row] = Float(ofRows[row])
    }
    for column in 0..<columns {
      ofColumns[column] = mean(tensor.slotBefore(1)[column], ofColumns[column] / Double(rows), share)
      tensor.slots[1][column] = Float(ofColumns[column])
    }
    let overall = max(ofRows.reduce(0, +) / Double(rows), epsilon)
    for row in 0..<rows {
      for column in 0..<columns {
        let index = row * columns + column
        g[index] = Float(Double(g[index]) / root(ofRows[row] * ofColumns[column] / overall))
      }
    }
  }

  private func scale(_ tensor: WholeTensor, _ share: Double) {
    for i in tensor.direction.indices {
      let g = Double(tensor.direction[i])
      let v = mean(tensor.slotBefore(0)[i], g * g, share)
      tensor.slots[0][i] = Float(v)
      tensor.direction[i] = Float(g / root(v))
    }
  }

  /// α
  private func rate(_ range: UpdateRange, _ step: UpdateStep) -> Double {
    let size = (range.tensorSums[0] / Double(range.tensorCount)).squareRoot()
    return max(leastScale, size) * min(step.learningRate, 1 / Double(step.number).squareRoot())
  }

  package func update(_ range: UpdateRange, _ step: UpdateStep) {
    range.moveAlongDirection(rate: rate(range, step))
  }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let rate = rate(range, step)
    for i in range.vectors.parameters.indices { range.vectors.move(i, by: rate * Double(range.direction[i])) }
  }
}
