import Kernels
import Schema
import Testing

@testable import Models

/// A layer as a property of a model.
private struct Holder: Layer {
  let part: any Layer
  func callAsFunction(_ x: Tensor) -> Tensor { part(x) }
}

/// A function of the input, after a layer with parameters.
private struct After: Layer {
  let first: any Layer
  let function: @Sendable (Tensor) -> Tensor
  func callAsFunction(_ x: Tensor) -> Tensor { function(first(x)) }
}

/// The error of making a network of `model`; nil if there is none.
func networkError(_ model: some Layer, _ input: [Int]) -> String? {
  do {
    _ = try Network(model, input: input, loss: .meanSquaredError)
    return nil
  } catch let error as ModelError {
    return error.description
  } catch {
    return "another error: \(error)"
  }
}

@Suite struct ShapeErrorTests {
  struct Misfit: Sendable, CustomTestStringConvertible {
    let model: any Layer
    let input: [Int]
    let message: String
    var testDescription: String { message }

    /// A layer in a property called `part`.
    init(_ layer: some Layer, _ input: [Int], _ message: String) {
      (model, self.input, self.message) = (
        Holder(part: layer), input, "part\(message.hasPrefix(".") ? "" : ": ")\(message)"
      )
    }

    /// An operation after a linear layer, or another.
    init(
      after first: any Layer, _ input: [Int], _ message: String,
      _ function: @escaping @Sendable (Tensor) -> Tensor
    ) {
      (model, self.input, self.message) = (After(first: first, function: function), input, message)
    }
  }

  static let misfits: [Misfit] = images + pooling + positions + pairs + shapes

  private static let images = [
    Misfit(Conv2D(4, kernel: 3), [784], "expects images of height × width × channels, got 784"),
    Misfit(Conv2D(4, kernel: 3), [28, 28], "expects images of height × width × channels, got 28×28"),
    Misfit(Conv2D(4, kernel: 3), [0, 28, 1], "expects images of height × width × channels, got 0×28×1"),
    Misfit(Conv2D(4, kernel: 5), [4, 9, 1], "a kernel of 5×5 does not fit into 4×9 pixels"),
    Misfit(Conv2D(4, kernel: [1, 10]), [4, 9, 1], "a kernel of 1×10 does not fit into 4×9 pixels"),
    Misfit(
      Conv2D(4, kernel: 9, padding: .pixels(2)), [4, 9, 1],
      "a kernel of 9×9 does not fit into 4×9 pixels with 4 pixels of padding"),
    Misfit(Conv2D(4, kernel: 3, dilation: 3), [6, 9, 1], "a kernel of 3×3 does not fit into 6×9 pixels"),
    Misfit(
      Conv2D(4, kernel: 3, stride: 0), [6, 9, 1],
      "sizes of kernel, stride and dilation are from 1 on, got [3, 3, 0, 0, 1, 1]"),
    Misfit(
      Conv2D(4, kernel: 3, groups: 2), [6, 9, 3], "2 groups do not divide 3 channels and 4 outputs"),
    Misfit(
      Conv2D(5, kernel: 3, groups: 2), [6, 9, 4], "2 groups do not divide 4 channels and 5 outputs"),
    Misfit(
      Conv2D(5, kernel: 3, groups: 0), [6, 9, 4], "0 groups do not divide 4 channels and 5 outputs"),
    Misfit(Conv2D(0, kernel: 3), [6, 9, 4], "0 outputs are not 1 to 1048576"),
    Misfit(
      Conv2D(Int.max, kernel: 3), [6, 9, 4],
      "9223372036854775807 outputs are not 1 to 1048576"),
    Misfit(GroupNorm(4), [3, 3, 6], "4 groups do not divide the channels of 3×3×6"),
    Misfit(GroupNorm(0), [6], "0 groups do not divide the channels of 6"),
  ]

  private static let conv = Conv2D(3, kernel: 3, padding: .same)

  private static let pooling = [
    Misfit(
      after: Linear(6), [4, 6], "max pool after first: expects images of height × width × channels, got 4×6"
    ) { maxPool($0, 2) },
    Misfit(
      after: Linear(6), [4, 6], "average pool after first: expects images of height × width × channels, got 4×6"
    ) { averagePool($0, 2) },
    Misfit(
      after: Linear(6), [4, 6], "global average pool after first: expects images of height × width × channels, got 4×6"
    ) {
      globalAveragePool($0)
    },
    Misfit(
      after: Linear(6), [4, 6], "max pool after first: expects images of height × width × channels, got 4×6"
    ) { globalMaxPool($0) },
    Misfit(after: conv, [4, 4, 1], "max pool after first: a kernel of 5×5 does not fit into 4×4 pixels") {
      maxPool($0, 5)
    },
    Misfit(after: conv, [20, 20, 1], "max pool after first: a window of 16×16 has more than 255 pixels") {
      maxPool($0, 16)
    },
    Misfit(after: conv, [16, 17, 1], "max pool after first: a window of 16×17 has more than 255 pixels") {
      globalMaxPool($0)
    },
    Misfit(
      after: conv, [4, 4, 1], "max pool after first: a padding as wide as the window leaves windows without pixels"
    ) { maxPool($0, 2, padding: .pixels(2)) },
    Misfit(
      after: conv, [4, 4, 1],
      "average pool after first: a padding as wide as the window leaves windows without pixels"
    ) { averagePool($0, [1, 2], padding: .pixels([0, 2])) },
  ]

  private static let positions = [
    Misfit(MultiHeadAttention(heads: 3, causal: true), [5, 128], "3 heads do not divide the width 128"),
    Misfit(MultiHeadAttention(heads: 0, causal: true), [5, 128], "0 heads do not divide the width 128"),
    Misfit(MultiHeadAttention(heads: 2, causal: true), [8], "expects positions × width, got 8"),
    Misfit(MultiHeadAttention(heads: 2, causal: true), [3, 5, 8], "expects positions × width, got 3×5×8"),
    Misfit(MultiHeadAttention(heads: 2, causal: true), [5, 0], "expects positions × width, got 5×0"),
    Misfit(
      MultiHeadAttention(heads: 4, causal: false, positions: .rotary(base: 100)), [5, 20],
      "rotary positions need heads of an even width, got 5"),
    Misfit(LearnedPositions(4), [5, 3], "expects at most 4 positions × width, got 5×3"),
    Misfit(LearnedPositions(9), [5], "expects at most 9 positions × width, got 5"),
    Misfit(
      after: Linear(6), [4, 6], "attention after first: queries, keys and values do not fit: 4×6, 6×4, 6×4"
    ) {
      attention(queries: $0, keys: $0.transposed(), values: $0.transposed(), heads: 2, causal: false)
    },
    Misfit(
      after: Linear(6), [4, 6], "attention after first: queries, keys and values do not fit: 4×6, 2×6, 2×6"
    ) {
      // Fewer keys are no error, but a position cannot attend to those before it then.
      let keys = maxPool($0.reshaped(2, 2, 6), [2, 1]).reshaped(2, 6)
      return attention(queries: $0, keys: keys, values: keys, heads: 2, causal: true)
    },
    Misfit(
      after: Linear(6), [4, 6], "attention after first: 4 heads do not divide the width 6"
    ) {
      attention(queries: $0, keys: $0, values: $0, heads: 4, causal: false)
    },
    Misfit(after: Linear(5), [5], "attention after first: expects positions × width, got 5, 5, 5") {
      attention(queries: $0, keys: $0, values: $0, heads: 5, causal: false)
    },
  ]

  private static let pairs: [Misfit] = [
    Misfit(
      after: Linear(6), [4, 6], "sum after first: expects two tensors of one shape, got 4×6 and 6×4"
    ) { $0 + $0.transposed() },
    Misfit(
      after: Linear(6), [4, 6], "product after first: expects two tensors of one shape, got 4×6 and 24"
    ) { $0 * flatten($0) },
    Misfit(
      after: Linear(6), [4, 6],
      "concatenate after first: expects tensors that differ in the last axis alone, got 4×6 and 6×4"
    ) {
      $0.concatenated(with: $0.transposed())
    },
    Misfit(
      after: Linear(6), [4, 6],
      "concatenate after first: expects tensors that differ in the last axis alone, got 4×6 and 24"
    ) {
      $0.concatenated(with: flatten($0))
    },
    Misfit(
      after: Linear(6), [4, 6],
      "matrix product after first: 4×6 and 4×6 have no product: expects n×k and k×m after equal axes"
    ) {
      matrixProduct($0, $0)
    },
    Misfit(
      after: Linear(6), [4, 6],
      "matrix product after first: 4×6 and 24 have no product: expects n×k and k×m after equal axes"
    ) {
      matrixProduct($0, flatten($0))
    },
    Misfit(
      after: Linear(6), [4, 6],
      "matrix product after first: 2×2×6 and 1×6×4 have no product: expects n×k and k×m after equal axes"
    ) {
      matrixProduct($0.reshaped(2, 2, 6), $0.reshaped(1, 6, 4))
    },
  ]

  private static let shapes: [Misfit] = [
    Misfit(
      after: Linear(6), [4, 6], "reshape after first: 4×6 has 24 values, and 5×5 another number"
    ) { $0.reshaped(5, 5) },
    Misfit(after: Linear(6), [6], "transpose after first: expects at least two axes, got 6") { $0.transposed() },
    Misfit(Linear(0), [6], "expects at least one input and one output, got 6 and 0 outputs"),
    Misfit(Linear(3), [6, 0], "expects at least one input and one output, got 6×0 and 3 outputs"),
    Misfit(Embedding(0, width: 3), [6], "needs at least one token and one value, got 0×3"),
    Misfit(EmbeddingAsLinear(), [5, 7], ".token: expects 5 values, got 5×7"),
    Misfit(LayerNorm(), [6, 0], "expects at least one value"),
    Misfit(RMSNorm(), [], "expects at least one value"),
    Misfit(BatchNorm(), [6, 0], "expects at least one channel"),
    Misfit(BatchNorm(), [0, 3, 6], "expects at least one channel"),
    Misfit(BatchNorm(), [], "expects at least one channel"),
    Misfit(Linear(1 << 40), [6], "weight of 6×1099511627776 makes more than 17179869184 parameters"),
    Misfit(
      Embedding(1 << 40, width: 1 << 40), [6],
      "weight of 1099511627776×1099511627776 makes more than 17179869184 parameters"),
    Misfit(LearnedPositions(1 << 34), [5, 3], "weight of 17179869184×3 makes more than 17179869184 parameters"),
  ]

  @Test("a layer that does not fit is named, with what it expects and got", arguments: misfits)
  func names(_ misfit: Misfit) {
    #expect(networkError(misfit.model, misfit.input) == misfit.message)
  }
}
