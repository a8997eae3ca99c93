internal import Kernels

extension Tensor {
  /// The elementwise sum of two tensors of one shape.
  public static func + (left: Tensor, right: Tensor) -> Tensor { left.applying(SumOperation(), to: right) }
  /// The elementwise product of two tensors of one shape.
  public static func * (left: Tensor, right: Tensor) -> Tensor { left.applying(ProductOperation(), to: right) }
}

/// The softmax over the last axis.
public func softmax(_ x: Tensor) -> Tensor { x.applying(SoftmaxOperation()) }

/// - Throws: ``ShapeError`` if two shapes differ.
private func same(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
  guard inputs[0] == inputs[1] else {
    throw ShapeError("expects two tensors of one shape, got \(inputs[0].sizes) and \(inputs[1].sizes)")
  }
  return inputs[0]
}

/// y = a + b; a′ = b′ = y′.
struct SumOperation: TensorOperation {
  let name = "sum"
  var backwardReads: BackwardReads { [] }
  var sharing: StorageSharing { [.output, .gradientIsOutputGradient] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] { try same(inputs) }

  func forward(_ pass: ForwardPass) {
    // A sum's bits do not depend on the order of its two terms, but only the first may be the output.
    let (left, right, output) = (pass.input(0), pass.input(1), pass.output)
    if output.isSame(as: right) { add(right, left, into: output) } else { add(left, right, into: output) }
  }

  func backward(_ pass: BackwardPass) {}
}

/// y = a·b; a′ = y′·b, b′ = y′·a.
struct ProductOperation: TensorOperation {
  let name = "product"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] { try same(inputs) }

  func forward(_ pass: ForwardPass) { multiply(pass.input(0), pass.input(1), into: pass.output) }

  func backward(_ pass: BackwardPass) {
    if let gradient = pass.inputGradient(0) { multiply(pass.outputGradient, pass.input(1), into: gradient) }
    if let gradient = pass.inputGradient(1) { multiply(pass.outputGradient, pass.input(0), into: gradient) }
  }
}

/// y = eˣ / Σ eˣ over the last axis; x′ = y·(y′ − Σ y·y′).
struct SoftmaxOperation: TensorOperation {
  let name = "softmax"
  var backwardReads: BackwardReads { .output }
  var sharing: StorageSharing { [.output, .gradient] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard let width = inputs[0].last, width > 0 else { throw ShapeError("expects at least one value") }
    return inputs[0]
  }

  func forward(_ pass: ForwardPass) {
    Kernels.softmax(pass.input(0), columns: pass.inputShape(0).last!, into: pass.output)
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    softmaxGradient(
      pass.outputGradient, output: pass.output, columns: pass.inputShape(0).last!, into: inputGradient)
  }
}

/// The product of matrices, the last two axes of each tensor. The axes before them are equal.
public func matrixProduct(_ a: Tensor, _ b: Tensor) -> Tensor { a.applying(MatrixProductOperation(), to: b) }

/// Y = A·B; A′ = Y′·Bᵀ, B′ = Aᵀ·Y′.
struct MatrixProductOperation: TensorOperation {
  let name = "matrix product"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let (a, b) = (inputs[0], inputs[1])
    guard a.count >= 2, b.count == a.count, a.dropLast(2) == b.dropLast(2), a[a.count - 1] == b[b.count - 2],
      (a + b).allSatisfy({ $0 > 0 })
    else { throw ShapeError("\(a.sizes) and \(b.sizes) have no product: expects n×k and k×m after equal axes") }
    return a.dropLast() + [b[b.count - 1]]
  }

  func multiplyAdds(_ inputs: [[Int]]) -> Int { inputs[0].reduce(1, *) * inputs[1].last! }

  /// Calls `body` for each pair of matrices, with views of the values of both and of the product.
  private func forEachPair(
    _ a: [Int], _ b: [Int], examples: Int, _ body: (_ a: Range<Int>, _ b: Range<Int>, _ product: Range<Int>) -> Void
  ) {
    let (n, k, m) = (a[a.count - 2], a[a.count - 1], b[b.count - 1])
    for pair in 0..<examples * a.dropLast(2).reduce(1, *) {
      body(
        pair * n * k..<(pair + 1) * n * k, pair * k * m..<(pair + 1) * k * m, pair * n * m..<(pair + 1) * n * m)
    }
  }

  func forward(_ pass: ForwardPass) {
    let (a, b) = (pass.inputShape(0), pass.inputShape(1))
    let (n, k, m) = (a[a.count - 2], a[a.count - 1], b[b.count - 1])
    forEachPair(a, b, examples: pass.examples) { left, right, product in
      linear(
        inputs: Matrix(pass.input(0)[left], rows: n, columns: k),
        weight: Matrix(pass.input(1)[right], rows: k, columns: m), bias: nil, activation: nil,
        into: pass.output[product], scratch: &pass.run.scratch)
    }
  }

  func backward(_ pass: BackwardPass) {
    let (a, b) = (pass.inputShape(0), pass.inputShape(1))
    let (n, k, m) = (a[a.count - 2], a[a.count - 1], b[b.count - 1])
    let (leftGradient, rightGradient) = (pass.inputGradient(0), pass.inputGradient(1))
    forEachPair(a, b, examples: pass.examples) { left, right, product in
      let gradient = Matrix(pass.outputGradient[product], rows: n, columns: m)
      if let leftGradient {
        inputGradient(
          outputGradients: gradient, weight: Matrix(pass.input(1)[right], rows: k, columns: m), through: nil,
          into: leftGradient[left], scratch: &pass.run.scratch)
      }
      if let rightGradient {
        weightGradient(
          inputs: Matrix(pass.input(0)[left], rows: n, columns: k), outputGradients: gradient,
          into: rightGradient[right], scratch: &pass.run.scratch)
      }
    }
  }
}
