internal import Kernels

/// Multi-head self-attention (A. Vaswani et al., "Attention Is All You Need", 2017; PyTorch's `MultiheadAttention`).
///
/// Parameters: `in_proj_weight` and `in_proj_bias`, which make queries, keys and values, and `out_proj.weight` and
/// `out_proj.bias`.
public struct MultiHeadAttention: LayerOfParts {
  private let identity = LayerIdentity()
  private let outputIdentity = LayerIdentity()
  private let heads: Int
  private let isCausal: Bool
  private let positions: Positions
  private let hasBias: Bool
  private let initial: InitialWeights

  var parts: [(name: String?, part: Any)] { [(nil, identity), ("out_proj", outputIdentity)] }

  /// How attention knows where positions are.
  public enum Positions: Equatable, Sendable {
    /// It does not.
    case none
    /// Queries and keys are turned by angles of position · base^(−2i / width) (J. Su et al., "RoFormer", 2021), in the
    /// order of Llama's: element i of a head with element i + width / 2.
    case rotary(base: Double)
  }

  /// - Parameters:
  ///   - heads: divides the width.
  ///   - isCausal: whether a position attends only to itself and those before it.
  ///   - hasBias: of both projections.
  ///   - initial: how the weights of both projections begin.
  public init(
    heads: Int, causal isCausal: Bool, positions: Positions = .none, bias hasBias: Bool = true,
    initial: InitialWeights = .pytorch
  ) {
    (self.heads, self.isCausal, self.positions) = (heads, isCausal, positions)
    (self.hasBias, self.initial) = (hasBias, initial)
  }

  /// - Parameter x: positions × width.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let width = x.shape.last ?? 0
    var projected = x.applying(
      LinearOperation(outputs: 3 * width, hasBias: hasBias, initial: initial, prefix: "in_proj_") { shape in
        guard shape.count == 2, width > 0 else { return "expects positions × width, got \(shape.sizes)" }
        guard heads > 0, width % heads == 0 else { return "\(heads) heads do not divide the width \(width)" }
        let isEven = width / heads % 2 == 0
        return positions == .none || isEven ? nil : "rotary positions need heads of an even width, got \(width / heads)"
      }, of: identity)
    if case .rotary(let base) = positions {
      projected = projected.applying(RotaryOperation(heads: 2 * heads, columns: 2 * width, base: base))
    }
    return projected.applying(AttentionOperation(heads: heads, isCausal: isCausal))
      .applying(LinearOperation(outputs: width, hasBias: hasBias, initial: initial), of: outputIdentity)
  }
}

/// Scaled dot-product attention of `heads` heads: softmax(queries·keysᵀ / √(width of a head))·values.
///
/// - Parameters:
///   - queries: positions × width.
///   - keys: positions × width, as are the values.
///   - isCausal: whether a position attends only to itself and those before it.
public func attention(queries: Tensor, keys: Tensor, values: Tensor, heads: Int, causal isCausal: Bool) -> Tensor {
  queries.applying(AttentionOperation(heads: heads, isCausal: isCausal), to: keys, values)
}

/// O = P·V with P = softmax(Q·Kᵀ / √w), for each head. With P recomputed from what is kept:
/// V′ = Pᵀ·O′, P′ = O′·Vᵀ, S′ = P·(P′ − Σ P·P′), Q′ = S′·K / √w, K′ = S′ᵀ·Q / √w.
struct AttentionOperation: TensorOperation {
  let heads: Int
  let isCausal: Bool

  let name = "attention"

  /// One input holds queries, keys and values side by side.
  private func columns(_ inputs: [[Int]]) -> Int { inputs.count == 1 ? inputs[0][1] / 3 : inputs[0][1] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.allSatisfy({ $0.count == 2 && $0[0] > 0 && $0[1] > 0 }) else {
      throw ShapeError("expects positions × width, got \(inputs.map(\.sizes).joined(separator: ", "))")
    }
    let width = columns(inputs)
    if inputs.count == 3 {
      guard inputs[0][1] == inputs[1][1], inputs[1] == inputs[2], !isCausal || inputs[0] == inputs[1] else {
        throw ShapeError("queries, keys and values do not fit: \(inputs.map(\.sizes).joined(separator: ", "))")
      }
    }
    guard heads > 0, width % heads == 0 else { throw ShapeError("\(heads) heads do not divide the width \(width)") }
    return [inputs[0][0], width]
  }

  private func attention(_ width: Int) -> Attention {
    Attention(heads: heads, width: width / heads, isCausal: isCausal)
  }

  func keptCount(_ inputs: [[Int]]) -> Int { attention(columns(inputs)).keptCount(queries: inputs[0][0]) }

  func multiplyAdds(_ inputs: [[Int]]) -> Int {
    let keys = inputs.count == 1 ? inputs[0][0] : inputs[1][0]
    let all = 2 * inputs[0][0] * keys * columns(inputs)
    return isCausal ? all / 2 : all
  }

  private func rows(_ input: (Int) -> Floats, _ isPacked: Bool, _ width: Int, _ part: Int) -> StridedRows {
    isPacked
      ? StridedRows(input(0), stride: 3 * width, first: part * width, columns: width)
      : StridedRows(input(part), stride: width, columns: width)
  }

  func forward(_ pass: ForwardPass) {
    let isPacked = pass.inputCount == 1
    let width = isPacked ? pass.inputShape(0)[1] / 3 : pass.inputShape(0)[1]
    attention(width).forward(
      queries: rows(pass.input, isPacked, width, 0), keys: rows(pass.input, isPacked, width, 1),
      values: rows(pass.input, isPacked, width, 2), examples: pass.examples, into: pass.output, statistics: pass.kept,
      scratch: &pass.run.scratch)
  }

  func backward(_ pass: BackwardPass) {
    let isPacked = pass.inputCount == 1
    let width = isPacked ? pass.inputShape(0)[1] / 3 : pass.inputShape(0)[1]
    // Gradients that nothing needs go to the end of a memory of their own.
    func gradient(_ part: Int) -> MutableStridedRows {
      if isPacked {
        return MutableStridedRows(pass.inputGradient(0)!, stride: 3 * width, first: part * width, columns: width)
      }
      let unneeded = pass.run.jointGradients.reserve(pass.input(0).count + 2 * pass.input(1).count)
      let first = part == 0 ? 0 : pass.input(0).count + (part - 1) * pass.input(1).count
      let own = pass.inputGradient(part) ?? unneeded[first..<first + pass.input(part).count]
      return MutableStridedRows(own, stride: width, columns: width)
    }
    guard !isPacked || pass.inputGradient(0) != nil else { return }
    attention(width).backward(
      outputGradients: pass.outputGradient, outputs: pass.output, statistics: pass.kept,
      queries: rows(pass.input, isPacked, width, 0), keys: rows(pass.input, isPacked, width, 1),
      values: rows(pass.input, isPacked, width, 2), examples: pass.examples, queryGradients: gradient(0),
      keyGradients: gradient(1), valueGradients: gradient(2), scratch: &pass.run.scratch)
  }
}

/// Turns the pairs of each head by the angles of its position; the gradient is turned back. Other columns stay.
struct RotaryOperation: TensorOperation {
  let heads: Int
  /// The columns that are turned, the first ones.
  let columns: Int
  let base: Double

  let name = "rotary positions"
  var backwardReads: BackwardReads { [] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].count == 2, inputs[0][0] > 0, columns <= inputs[0][1] else {
      throw ShapeError("expects positions × width, got \(inputs[0].sizes)")
    }
    guard heads > 0, columns % heads == 0, columns / heads % 2 == 0 else {
      throw ShapeError("rotary positions need heads of an even width, got \(columns) values in \(heads) heads")
    }
    return inputs[0]
  }

  /// The cosines and sines of all angles: positions × half the width of a head each.
  private func writeAngles(_ table: MutableFloats, positions: Int) {
    let half = columns / heads / 2
    for position in 0..<positions {
      for index in 0..<half {
        let turns = Double(position) * Elementary.power(base, -Double(2 * index) / Double(2 * half)) / .pi
        table[position * half + index] = Float(Elementary.cosineOfPi(turns))
        table[(positions + position) * half + index] = Float(Elementary.sineOfPi(turns))
      }
    }
  }

  private func turn(
    _ input: Floats, into output: MutableFloats, _ shape: [Int], _ run: NetworkRun, _ node: Int, back: Bool
  ) {
    let count = shape[0] * columns / heads / 2
    let table = run.constants(node, count: 2 * count) { writeAngles($0, positions: shape[0]) }
    output.copy(input)
    rotate(
      input, positions: shape[0], heads: heads, width: columns / heads, row: shape[1], cosines: table[0..<count],
      sines: table[count..<2 * count], isInverse: back, into: output)
  }

  func forward(_ pass: ForwardPass) {
    turn(pass.input(0), into: pass.output, pass.inputShape(0), pass.run, pass.node, back: false)
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    turn(pass.outputGradient, into: inputGradient, pass.inputShape(0), pass.run, pass.node, back: true)
  }
}
