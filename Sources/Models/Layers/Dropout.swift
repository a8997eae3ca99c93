internal import Datasets
internal import Kernels

/// Training drops each value with the probability `rate`, and divides the others by 1 − `rate` (N. Srivastava et al.,
/// "Dropout", JMLR 15, 2014). Which ones follows from the seed, the step, the example and the operation's position in the
/// model, so every worker drops the same ones.
public struct Dropout: Layer {
  private let operation: DropoutOperation

  /// - Parameter rate: at least 0 and below 1.
  public init(_ rate: Double) {
    precondition(rate >= 0 && rate < 1, "a dropout rate of \(rate); it must be at least 0 and below 1")
    operation = DropoutOperation(rate: rate)
  }

  /// Of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { operation.rate > 0 ? x.applying(operation) : x }
}

struct DropoutOperation: TensorOperation {
  let rate: Double

  let name = "dropout"
  var backwardReads: BackwardReads { [] }
  var sharing: StorageSharing { [.output, .gradient] }

  func outputShape(_ inputs: [[Int]]) -> [Int] { inputs[0] }

  func forward(_ pass: ForwardPass) {
    guard pass.isTraining else {
      pass.output.copy(pass.input(0))
      return
    }
    let mask = DropoutMask(rate: rate, seed: pass.place.seed, step: pass.place.step, operation: pass.operationIndex)
    mask.apply(pass.input(0), into: pass.output, columns: pass.inputShape(0).reduce(1, *), first: pass.place.position)
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    let mask = DropoutMask(rate: rate, seed: pass.place.seed, step: pass.place.step, operation: pass.operationIndex)
    mask.apply(
      pass.outputGradient, into: inputGradient, columns: pass.inputShape(0).reduce(1, *), first: pass.place.position)
  }
}
