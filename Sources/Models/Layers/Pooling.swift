internal import Kernels

/// The maxima of windows of each channel (PyTorch's `MaxPool2d`).
///
/// - Parameters:
///   - x: height × width × channels.
///   - window: at most 255 pixels.
///   - stride: nil for the window's size.
///   - padding: never the maximum.
public func maxPool(_ x: Tensor, _ window: Size2D, stride: Size2D? = nil, padding: Padding = .valid) -> Tensor {
  let windows = Windows(kernel: window, stride: stride ?? window, padding: padding)
  return x.applying(PoolingOperation(windows: windows, kind: .maximum))
}

/// The averages of windows of each channel (PyTorch's `AvgPool2d`).
///
/// - Parameters:
///   - x: height × width × channels.
///   - window: at most 255 pixels.
///   - stride: nil for the window's size.
///   - countsPadding: whether the padding's zeros belong to the average.
public func averagePool(
  _ x: Tensor, _ window: Size2D, stride: Size2D? = nil, padding: Padding = .valid, countsPadding: Bool = true
) -> Tensor {
  x.applying(
    PoolingOperation(
      windows: Windows(kernel: window, stride: stride ?? window, padding: padding),
      kind: .average(countsPadding: countsPadding)))
}

/// The average of each channel over all pixels: of `channels` values (PyTorch's `AdaptiveAvgPool2d(1)` and `Flatten`).
public func globalAveragePool(_ x: Tensor) -> Tensor { x.applying(GlobalAverageOperation()) }

/// The maximum of each channel over all pixels, at most 255: of `channels` values.
public func globalMaxPool(_ x: Tensor) -> Tensor {
  guard x.shape.count == 3 else { return maxPool(x, 1) }
  let pooled = maxPool(x, [x.shape[0], x.shape[1]])
  return pooled.reshaped(pooled.count)
}

/// ``maxPool(_:_:stride:padding:)`` as a layer.
public struct MaxPool: Layer {
  private let window: Size2D
  private let stride: Size2D?
  private let padding: Padding

  /// The parameters are those of the function.
  public init(_ window: Size2D, stride: Size2D? = nil, padding: Padding = .valid) {
    (self.window, self.stride, self.padding) = (window, stride, padding)
  }

  /// - Parameter x: height × width × channels.
  public func callAsFunction(_ x: Tensor) -> Tensor { maxPool(x, window, stride: stride, padding: padding) }
}

/// ``averagePool(_:_:stride:padding:countsPadding:)`` as a layer.
public struct AveragePool: Layer {
  private let window: Size2D
  private let stride: Size2D?
  private let padding: Padding
  private let countsPadding: Bool

  /// The parameters are those of the function.
  public init(_ window: Size2D, stride: Size2D? = nil, padding: Padding = .valid, countsPadding: Bool = true) {
    (self.window, self.stride, self.padding, self.countsPadding) = (window, stride, padding, countsPadding)
  }

  /// - Parameter x: height × width × channels.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    averagePool(x, window, stride: stride, padding: padding, countsPadding: countsPadding)
  }
}

/// ``globalAveragePool(_:)`` as a layer.
public struct GlobalAveragePool: Layer {
  /// The layer has no options.
  public init() {}
  /// - Parameter x: height × width × channels.
  public func callAsFunction(_ x: Tensor) -> Tensor { globalAveragePool(x) }
}

/// A maximum's gradient goes to the first pixel of the window that has it; an average's to all of them equally.
struct PoolingOperation: TensorOperation {
  enum Kind: Equatable, Sendable {
    case maximum
    case average(countsPadding: Bool)
  }

  let windows: Windows
  let kind: Kind

  var name: String { kind == .maximum ? "max pool" : "average pool" }
  var backwardReads: BackwardReads { [] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let sizes = try windows.on(inputs[0])
    let area = windows.kernel.height.multipliedReportingOverflow(by: windows.kernel.width).partialValue
    guard area <= Pooling.mostPlaces else {
      throw ShapeError(
        "a window of \(windows.kernel.height)×\(windows.kernel.width) has more than \(Pooling.mostPlaces) pixels")
    }
    // A window that lies in the padding alone has no maximum and no average.
    let after = (
      (sizes.outputSize.height - 1) * windows.stride.height, (sizes.outputSize.width - 1) * windows.stride.width
    )
    guard sizes.padding.top < windows.kernel.height, sizes.padding.left < windows.kernel.width,
      after.0 - sizes.padding.top < inputs[0][0], after.1 - sizes.padding.left < inputs[0][1]
    else { throw ShapeError("a padding as wide as the window leaves windows without pixels") }
    return [sizes.outputSize.height, sizes.outputSize.width, inputs[0][2]]
  }

  private func pooling(_ shape: [Int]) -> Pooling {
    guard let windows = try? windows.on(shape) else { preconditionFailure("\(shape) was not checked") }
    return Pooling(windows, channels: shape[2])
  }

  func keptCount(_ inputs: [[Int]]) -> Int {
    guard kind == .maximum, let shape = try? outputShape(inputs) else { return 0 }
    return Pooling.placesCount(shape.reduce(1, *))
  }

  func forward(_ pass: ForwardPass) {
    let pooling = pooling(pass.inputShape(0))
    switch kind {
    case .maximum: pooling.maxima(of: pass.input(0), into: pass.output, places: pass.kept)
    case .average(let countsPadding):
      pooling.averages(of: pass.input(0), into: pass.output, countsPadding: countsPadding)
    }
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    let pooling = pooling(pass.inputShape(0))
    switch kind {
    case .maximum: pooling.maximaGradient(pass.outputGradient, places: pass.kept, into: inputGradient)
    case .average(let countsPadding):
      pooling.averagesGradient(pass.outputGradient, into: inputGradient, countsPadding: countsPadding)
    }
  }
}

struct GlobalAverageOperation: TensorOperation {
  let name = "global average pool"
  var backwardReads: BackwardReads { [] }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].count == 3 else {
      throw ShapeError("expects images of height × width × channels, got \(inputs[0].sizes)")
    }
    return [inputs[0][2]]
  }

  func forward(_ pass: ForwardPass) {
    let shape = pass.inputShape(0)
    globalAverages(of: pass.input(0), pixels: shape[0] * shape[1], channels: shape[2], into: pass.output)
  }

  func backward(_ pass: BackwardPass) {
    guard let inputGradient = pass.inputGradient(0) else { return }
    let shape = pass.inputShape(0)
    globalAveragesGradient(
      pass.outputGradient, pixels: shape[0] * shape[1], channels: shape[2], into: inputGradient)
  }
}
