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

private func message(_ model: some Layer, _ input: [Int]) -> String? {
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
    Misfit(Linear(1 << 40), [6], "weight of 6×1099511627776 makes more than 17179869184 parameters"),
    Misfit(
      Embedding(1 << 40, width: 1 << 40), [6],
      "weight of 1099511627776×1099511627776 makes more than 17179869184 parameters"),
    Misfit(LearnedPositions(1 << 34), [5, 3], "weight of 17179869184×3 makes more than 17179869184 parameters"),
  ]

  @Test("a layer that does not fit is named, with what it expects and got", arguments: misfits)
  func names(_ misfit: Misfit) {
    #expect(message(misfit.model, misfit.input) == misfit.message)
  }
}

/// A model of two layers.
private struct Pair<First: Layer, Second: Layer>: Layer {
  let first: First
  let second: Second

  init(_ first: First, _ second: Second) { (self.first, self.second) = (first, second) }

  func callAsFunction(_ x: Tensor) -> Tensor { second(first(x)) }
}

/// A layer that is computed, but does not matter.
private struct Unused: Layer {
  let first = Linear(3)
  let aside = Linear(4)

  func callAsFunction(_ x: Tensor) -> Tensor {
    _ = aside(x)
    return first(x)
  }
}

/// A layer that is made in the forward pass.
private struct Hidden: Layer {
  let first = Linear(3)
  func callAsFunction(_ x: Tensor) -> Tensor { Linear(2)(first(x)) }
}

/// A layer that is used for other sizes the second time.
private struct OtherSizes: Layer {
  let layer = Linear(3)
  func callAsFunction(_ x: Tensor) -> Tensor { layer(layer(x)) }
}

@Suite struct LayerUseTests {
  @Test("one layer in two properties is an error, unless it is tied at one of them")
  func sameLayerTwice() {
    let layer = Linear(6)
    #expect(
      message(Pair(layer, layer), [6])
        == "first and second are the same layer, so they would share their parameters: make a layer for each, or write "
        + "tied(…) if they should")
    let repeated = Sequential { for part in [any Layer](repeating: Pair(layer, ReLU()), count: 2) { part } }
    #expect(message(repeated, [6])?.hasPrefix("0.first and 1.first are the same layer") == true)
    #expect(message(Pair(Pair(layer, tied(layer)), layer), [6])?.hasPrefix("first.first and second") == true)
    #expect(message(Pair(layer, tied(layer)), [6]) == nil)
    #expect(message(Pair(tied(layer), layer), [6]) == nil)
  }

  @Test("a layer must be a property, and the output must depend on it")
  func unreachable() {
    #expect(
      message(Hidden(), [5])
        == "linear after first: it is no property of the model, which must hold every layer that has parameters")
    #expect(message(Unused(), [5]) == "aside: the model's output does not depend on it")
    #expect(
      message(OtherSizes(), [5])
        == "layer: used again, it would need parameters of other sizes: 3×3, 3 in place of 5×3, 3")
    #expect(message(ReLU(), [5]) == "the model has no parameters")
  }

  @Test("an output of another size than the data's is an error")
  func outputs() {
    let error = #expect(throws: ModelError.self) {
      try Network(Linear(3), input: [2, 5], outputs: 4, loss: .meanSquaredError)
    }
    #expect(error?.description == "the model's output is 2×3, and the data need 4 values an example")
  }
}

@Suite struct LayerNameTests {
  private func names(_ model: some Layer, _ input: [Int] = [6]) throws -> [String] {
    try Network(model, input: input, loss: .meanSquaredError).layout.tensors.map(\.name)
  }

  @Test("tied layers have the name of the first place, and one set of parameters")
  func tiedLayers() throws {
    let layer = Linear(6)
    #expect(try names(Pair(layer, tied(layer))) == ["first.weight", "first.bias"])
    #expect(try names(Pair(tied(Pair(layer, ReLU())), tied(layer))) == ["first.first.weight", "first.first.bias"])
    #expect(try names(Pair(Sequential { tied(layer) }, tied(layer))) == ["first.0.weight", "first.0.bias"])
  }

  @Test("a sequence counts its layers, those without parameters and those of branches and loops too")
  func sequences() throws {
    func sequence(_ hasNorm: Bool, _ hidden: [Int], _ isWide: Bool) -> Sequential {
      Sequential {
        Linear(6)
        if hasNorm { LayerNorm() }
        for size in hidden {
          Linear(size, bias: false)
          ReLU()
        }
        if isWide {
          Linear(9, bias: false)
          Linear(8, bias: false)
        } else {
          Linear(2, bias: false)
        }
        Sequential {
          Tanh()
          Linear(1)
        }
      }
    }
    #expect(
      try names(sequence(false, [], false)) == ["0.weight", "0.bias", "1.weight", "2.1.weight", "2.1.bias"])
    #expect(
      try names(sequence(true, [4, 5], true)) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "4.weight", "6.weight", "7.weight", "8.1.weight",
        "8.1.bias",
      ])
    #expect(try names(Pair(Sequential {}, sequence(false, [], false))).first == "second.0.weight")
  }

  private struct Optionals: Layer {
    let first: Linear?
    let norm: (any Layer)?
    let last: [Linear?]

    func callAsFunction(_ x: Tensor) -> Tensor {
      let y = first?(x) ?? x
      return last.reduce(norm?(y) ?? y) { $1?($0) ?? $0 }
    }
  }

  @Test("optional layers have the property's name")
  func optionals() throws {
    #expect(
      try names(Optionals(first: Linear(3, bias: false), norm: RMSNorm(), last: [nil, Linear(2)])) == [
        "first.weight", "norm.weight", "last.1.weight", "last.1.bias",
      ])
    #expect(
      try names(Optionals(first: nil, norm: nil, last: [Linear(2), nil])) == ["last.0.weight", "last.0.bias"])
  }

  private struct Arrays: Layer {
    let blocks: [[Pair<Linear, LayerNorm>]]
    let mixed: [any Layer]

    func callAsFunction(_ x: Tensor) -> Tensor {
      mixed.reduce(blocks.joined().reduce(x) { $1($0) }) { $1($0) }
    }
  }

  @Test("layers in arrays are counted, in arrays of arrays too")
  func arrays() throws {
    func block() -> Pair<Linear, LayerNorm> { Pair(Linear(3, bias: false), LayerNorm()) }
    #expect(
      try names(Arrays(blocks: [[block()], [], [block(), block()]], mixed: [ReLU(), Conv2DOfRow()])) == [
        "blocks.0.0.first.weight", "blocks.0.0.second.weight", "blocks.0.0.second.bias", "blocks.2.0.first.weight",
        "blocks.2.0.second.weight", "blocks.2.0.second.bias", "blocks.2.1.first.weight", "blocks.2.1.second.weight",
        "blocks.2.1.second.bias", "mixed.1.conv.weight", "mixed.1.conv.bias",
      ])
  }

  private struct InDictionary: Layer {
    let parts: [String: Linear]
    func callAsFunction(_ x: Tensor) -> Tensor { parts.sorted { $0.key < $1.key }.reduce(x) { $1.value($0) } }
  }

  private struct InTuple: Layer {
    let pair: (Linear, Linear)
    let named: (first: Linear, second: Linear)
    func callAsFunction(_ x: Tensor) -> Tensor { named.second(named.first(pair.1(pair.0(x)))) }
  }

  private enum Choice: Layer {
    case norm(LayerNorm)
    case pair(Linear, last: Linear)

    func callAsFunction(_ x: Tensor) -> Tensor {
      switch self {
      case .norm(let layer): layer(x)
      case .pair(let first, let last): last(first(x))
      }
    }
  }

  @Test("layers in a dictionary have their keys' names, whatever its order, and those in tuples and cases theirs")
  func keys() throws {
    func linear() -> Linear { Linear(3, bias: false) }
    let keys = (0..<20).map { "layer\($0)" }.sorted()
    #expect(
      try names(InDictionary(parts: Dictionary(uniqueKeysWithValues: keys.map { ($0, linear()) })))
        == keys.map { "parts.\($0).weight" })
    #expect(
      try names(InTuple(pair: (linear(), linear()), named: (linear(), linear()))) == [
        "pair.0.weight", "pair.1.weight", "named.first.weight", "named.second.weight",
      ])
    #expect(
      try names(Pair(Choice.norm(LayerNorm()), Choice.pair(linear(), last: linear()))) == [
        "first.norm.weight", "first.norm.bias", "second.pair.0.weight", "second.pair.last.weight",
      ])
  }

  private struct Conv2DOfRow: Layer {
    let conv = Conv2D(2, kernel: [1, 3])
    func callAsFunction(_ x: Tensor) -> Tensor { conv(x.reshaped(1, 3, 1)) }
  }

  @Test("parameters are in the order of first use")
  func order() throws {
    struct Reversed: Layer {
      let a = Linear(3, bias: false)
      let b = Linear(3, bias: false)
      func callAsFunction(_ x: Tensor) -> Tensor { a(b(x)) }
    }
    #expect(try names(Reversed()) == ["b.weight", "a.weight"])
  }
}
