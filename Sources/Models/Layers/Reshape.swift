internal import Kernels

extension Tensor {
  /// The same values in another shape of the same size, in the same order.
  public func reshaped(_ shape: Int...) -> Tensor { applying(ReshapeOperation(shape: shape)) }

  /// The last two axes exchanged.
  public func transposed() -> Tensor { applying(TransposeOperation()) }

  /// This tensor and another, one after the other along the last axis; the other axes are equal.
  public func concatenated(with other: Tensor) -> Tensor { applying(ConcatenateOperation(), to: other) }
}

/// All values in one axis. Images are flattened channel by channel, as in PyTorch.
public func flatten(_ x: Tensor) -> Tensor {
  guard x.shape.count == 3, x.shape[2] > 1, x.shape[0] * x.shape[1] > 1 else {
    return x.applying(ReshapeOperation(shape: [x.count], name: "flatten"))
  }
  return x.applying(FlattenOperation())
}

/// ``flatten(_:)`` as a layer.
public struct Flatten: Layer {
  /// The layer has no options.
  public init() {}
  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { flatten(x) }
}

struct ReshapeOperation: TensorOperation {
  let shape: [Int]
  var name = "reshape"

  var backwardReads: BackwardReads { [] }
  var sharing: StorageSharing { .view }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].reduce(1, *) == shape.reduce(1, *), shape.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("\(inputs[0].sizes) has \(inputs[0].reduce(1, *)) values, and \(shape.sizes) another number")
    }
    return shape
  }

  func forward(_ pass: ForwardPass) {}
  func backward(_ pass: BackwardPass) {}
}

/// The channels of an image one after the other.
struct FlattenOperation: TensorOperation {
  let name = "flatten"
  var backwardReads: BackwardReads { [] }

  func outputShape(_ inputs: [[Int]]) -> [Int] { [inputs[0].reduce(1, *)] }

  func forward(_ pass: ForwardPass) {
    let shape = pass.inputShape(0)
    transposeEach(pass.input(0), rows: shape[0] * shape[1], columns: shape[2], into: pass.output)
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    let shape = pass.inputShape(0)
    transposeEach(pass.outputGradient, rows: shape[2], columns: shape[0] * shape[1], into: inputGradient)
  }
}

struct TransposeOperation: TensorOperation {
  let name = "transpose"
  var backwardReads: BackwardReads { [] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let shape = inputs[0]
    guard shape.count >= 2, shape.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("expects at least two axes, got \(shape.sizes)")
    }
    return shape.dropLast(2) + [shape[shape.count - 1], shape[shape.count - 2]]
  }

  func forward(_ pass: ForwardPass) {
    let shape = pass.inputShape(0)
    transposeEach(pass.input(0), rows: shape[shape.count - 2], columns: shape[shape.count - 1], into: pass.output)
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    let shape = pass.inputShape(0)
    transposeEach(
      pass.outputGradient, rows: shape[shape.count - 1], columns: shape[shape.count - 2], into: inputGradient)
  }
}

struct ConcatenateOperation: TensorOperation {
  let name = "concatenate"
  var backwardReads: BackwardReads { [] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let (a, b) = (inputs[0], inputs[1])
    guard let left = a.last, let right = b.last, a.dropLast() == b.dropLast(), (a + b).allSatisfy({ $0 > 0 }) else {
      throw ShapeError("expects tensors that differ in the last axis alone, got \(a.sizes) and \(b.sizes)")
    }
    return a.dropLast() + [left + right]
  }

  func forward(_ pass: ForwardPass) {
    let (left, right) = (pass.inputShape(0).last!, pass.inputShape(1).last!)
    copyColumns(left, of: pass.input(0), row: left, from: 0, to: pass.output, row: left + right, at: 0)
    copyColumns(right, of: pass.input(1), row: right, from: 0, to: pass.output, row: left + right, at: left)
  }

  func backward(_ pass: BackwardPass) {
    let (left, right) = (pass.inputShape(0).last!, pass.inputShape(1).last!)
    if let gradient = pass.inputGradient(0) {
      copyColumns(left, of: pass.outputGradient, row: left + right, from: 0, to: gradient, row: left, at: 0)
    }
    if let gradient = pass.inputGradient(1) {
      copyColumns(right, of: pass.outputGradient, row: left + right, from: left, to: gradient, row: right, at: 0)
    }
  }
}
