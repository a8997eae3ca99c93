internal import Kernels

/// Sizes of height and width: `3` for both, `[1, 7]` for each.
public struct Size2D: ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral, Equatable, Sendable {
  /// The first size.
  public var height: Int
  /// The second size.
  public var width: Int

  /// One size for both.
  public init(_ size: Int) { (height, width) = (size, size) }
  /// One size for both.
  public init(integerLiteral size: Int) { self.init(size) }
  /// Height and width.
  public init(arrayLiteral sizes: Int...) {
    precondition(sizes.count == 2, "\(sizes) are not a height and a width")
    (height, width) = (sizes[0], sizes[1])
  }

  var pair: (height: Int, width: Int) { (height, width) }
  var isPositive: Bool { (1...1 << 20).contains(height) && (1...1 << 20).contains(width) }
}

/// The zeros around an image.
public enum Padding: Equatable, Sendable {
  /// None.
  case valid
  /// As many as the kernel needs to have an output for every `stride`-th pixel; half of them, rounded down, before.
  case same
  /// This many on each side.
  case pixels(Size2D)

  /// The zeros before, and in all, for a window of `extent`.
  func around(_ extent: Int, _ pixels: (Size2D) -> Int) -> (before: Int, total: Int) {
    switch self {
    case .valid: (0, 0)
    case .same: ((extent - 1) / 2, extent - 1)
    case .pixels(let size): (pixels(size), 2 * pixels(size))
    }
  }
}

/// Where windows lie on an image: the sizes that convolution and pooling share.
struct Windows: Sendable {
  let kernel: Size2D
  let stride: Size2D
  var dilation: Size2D = 1
  let padding: Padding

  /// - Throws: ``ShapeError`` if `shape` is no image, or a window does not fit.
  func on(_ shape: [Int]) throws(ShapeError) -> ImageWindows {
    guard shape.count == 3, shape.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("expects images of height × width × channels, got \(shape.sizes)")
    }
    guard kernel.isPositive, stride.isPositive, dilation.isPositive else {
      let sizes = [kernel, stride, dilation].flatMap { [$0.height, $0.width] }
      throw ShapeError("sizes of kernel, stride and dilation are from 1 on, got \(sizes)")
    }
    func axis(_ size: Int, _ pick: (Size2D) -> Int) throws(ShapeError) -> (padding: Int, outputs: Int) {
      let extent = pick(dilation) * (pick(kernel) - 1) + 1
      let padding = padding.around(extent, pick)
      guard padding.before >= 0, extent <= size + padding.total else {
        let padded = padding.total > 0 ? " with \(padding.total) pixels of padding" : ""
        throw ShapeError(
          "a kernel of \(kernel.height)×\(kernel.width) does not fit into \(shape[0])×\(shape[1]) pixels\(padded)")
      }
      return (padding.before, (size + padding.total - extent) / pick(stride) + 1)
    }
    let (rows, columns) = (try axis(shape[0], \.height), try axis(shape[1], \.width))
    return ImageWindows(
      size: (shape[0], shape[1]), outputSize: (rows.outputs, columns.outputs), kernel: kernel.pair,
      stride: stride.pair, dilation: dilation.pair, padding: (rows.padding, columns.padding))
  }
}

/// The convolution of images, height × width × channels (PyTorch's `Conv2d`).
///
/// Parameters: `weight`, stored kernel height × kernel width × channels / groups × outputs and saved in the reverse order
/// of PyTorch's, outputs × channels / groups × height × width; `bias` of `outputs` zeros.
public struct Conv2D: Layer {
  private let identity = LayerIdentity()
  private let operation: ConvolutionOperation

  /// - Parameters:
  ///   - outputs: the channels of the output.
  ///   - dilation: the distance of the pixels that a kernel reads.
  ///   - groups: the channels are divided into so many groups, each with its own outputs; as many as channels for a
  ///     depthwise convolution.
  ///   - hasBias: whether a bias is added.
  ///   - initial: how the weights begin.
  public init(
    _ outputs: Int, kernel: Size2D, stride: Size2D = 1, padding: Padding = .valid, dilation: Size2D = 1,
    groups: Int = 1, bias hasBias: Bool = true, initial: InitialWeights = .pytorch
  ) {
    operation = ConvolutionOperation(
      windows: Windows(kernel: kernel, stride: stride, dilation: dilation, padding: padding), outputs: outputs,
      groups: groups, hasBias: hasBias, initial: initial)
  }

  /// - Parameter x: height × width × channels.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(operation, of: identity) }
}

/// y = f(x ∗ W + b) for an activation f. With y′ the gradient with respect to x ∗ W + b: x′ sums W·y′ over the outputs
/// that read a pixel, W′ sums x·y′ over pixels, b′ sums y′.
struct ConvolutionOperation: FusesActivation, FinishesInputGradient {
  let windows: Windows
  let outputs: Int
  let groups: Int
  let hasBias: Bool
  let initial: InitialWeights
  var activation: Activation?

  let name = "conv2d"

  func applying(_ activation: Activation) -> any TensorOperation {
    var fused = self
    fused.activation = activation
    return fused
  }

  var canFuseActivation: Bool { hasBias }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let size = try windows.on(inputs[0]).outputSize
    let channels = inputs[0][2]
    guard (1...1 << 20).contains(outputs) else { throw ShapeError("\(outputs) outputs are not 1 to \(1 << 20)") }
    guard groups > 0, channels % groups == 0, outputs % groups == 0 else {
      throw ShapeError("\(groups) groups do not divide \(channels) channels and \(outputs) outputs")
    }
    return [size.height, size.width, outputs]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    let channels = inputs[0][2] / groups
    let area = windows.kernel.height * windows.kernel.width
    let weight = Parameter(
      "weight", [windows.kernel.height, windows.kernel.width, channels, outputs], savedAxes: [3, 2, 0, 1],
      initial: initial.values(inputs: area * channels, outputs: area * outputs / groups))
    return [weight] + (hasBias ? [Parameter("bias", [outputs], initial: .zeros)] : [])
  }

  private func sizes(_ shape: [Int]) -> (convolution: Convolution, pixels: Int) {
    // The shape was checked when the operation was recorded.
    guard let windows = try? windows.on(shape) else { preconditionFailure("\(shape) was not checked") }
    return (
      Convolution(windows, channels: shape[2], outputChannels: outputs, groups: groups),
      windows.outputSize.height * windows.outputSize.width
    )
  }

  func keptCount(_ inputs: [[Int]]) -> Int { activation?.keepsInput == true ? sizes(inputs[0]).pixels * outputs : 0 }

  var backwardReads: BackwardReads { .inputs }

  func multiplyAdds(_ inputs: [[Int]]) -> Int {
    sizes(inputs[0]).pixels * outputs * windows.kernel.height * windows.kernel.width * inputs[0][2] / groups
  }

  func forward(_ pass: ForwardPass) {
    let keepsInput = activation?.keepsInput == true
    sizes(pass.inputShape(0)).convolution.forward(
      inputs: pass.input(0), weight: pass.parameter(0), bias: hasBias ? pass.parameter(1) : nil,
      activation: activation, into: keepsInput ? pass.kept : pass.output, activated: keepsInput ? pass.output : nil,
      scratch: &pass.run.scratch)
  }

  func backward(_ pass: BackwardPass) {
    let (convolution, pixels) = sizes(pass.inputShape(0))
    let (inputs, gradients) = (pass.input(0), pass.outputGradient)
    let inputCount = pass.inputShape(0).reduce(1, *)
    let outputCount = pixels * outputs
    pass.sumMicroBatches(into: pass.parameterGradient(0)) { examples, sum in
      convolution.weightGradient(
        inputs: inputs[examples.lowerBound * inputCount..<examples.upperBound * inputCount],
        outputGradients: gradients[examples.lowerBound * outputCount..<examples.upperBound * outputCount], into: sum,
        scratch: &pass.run.scratch)
    }
    if hasBias {
      let rows = Matrix(gradients, rows: pass.examples * pixels, columns: outputs)
      pass.sumMicroBatches(into: pass.parameterGradient(1)) { examples, sum in
        columnSums(of: rows.rows(examples.lowerBound * pixels..<examples.upperBound * pixels), into: sum)
      }
    }
    guard let inputGradient = pass.inputGradient(0) else { return }
    convolution.inputGradient(
      outputGradients: gradients, weight: pass.parameter(0), through: pass.inputActivation, into: inputGradient,
      scratch: &pass.run.scratch)
  }
}
