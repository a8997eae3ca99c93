import Kernels
import Schema
import Testing

@testable import Models

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

/// A batch norm at two places.
private struct NormTwice: Layer {
  let hidden = Linear(4)
  let norm = BatchNorm()
  func callAsFunction(_ x: Tensor) -> Tensor { norm(relu(norm(hidden(x)))) }
}

@Suite struct LayerUseTests {
  @Test("one layer in two properties is an error, unless it is tied at one of them")
  func sameLayerTwice() {
    let layer = Linear(6)
    #expect(
      networkError(Pair(layer, layer), [6])
        == "first and second are the same layer, so they would share their parameters: make a layer for each, or write "
        + "tied(…) if they should")
    let repeated = Sequential { for part in [any Layer](repeating: Pair(layer, ReLU()), count: 2) { part } }
    #expect(networkError(repeated, [6])?.hasPrefix("0.first and 1.first are the same layer") == true)
    #expect(networkError(Pair(Pair(layer, tied(layer)), layer), [6])?.hasPrefix("first.first and second") == true)
    #expect(networkError(Pair(layer, tied(layer)), [6]) == nil)
    #expect(networkError(Pair(tied(layer), layer), [6]) == nil)
  }

  @Test("a layer must be a property, and the output must depend on it")
  func unreachable() {
    #expect(
      networkError(Hidden(), [5])
        == "linear after first: it is no property of the model, which must hold every layer that has parameters")
    #expect(networkError(Unused(), [5]) == "aside: the model's output does not depend on it")
    #expect(
      networkError(OtherSizes(), [5])
        == "layer: used again, it would need parameters of other sizes: 3×3, 3 in place of 5×3, 3")
    #expect(networkError(ReLU(), [5]) == "the model has no parameters")
  }

  @Test("a layer with running averages is used once only, tied or not, whatever the sizes at the second place")
  func runningAveragesOnce() {
    let message = "a layer with running averages can be used once only: give each place its own"
    #expect(networkError(NormTwice(), [5]) == "norm: \(message)")
    let norm = BatchNorm()
    #expect(networkError(Pair(norm, tied(norm)), [5]) == "first: \(message)")
    #expect(networkError(Pair(tied(norm), Pair(Linear(3), tied(norm))), [5]) == "first: \(message)")
    #expect(networkError(Pair(norm, norm), [5])?.hasPrefix("first and second are the same layer") == true)
    #expect(networkError(Pair(BatchNorm(), BatchNorm()), [5]) == nil)
    #expect(networkError(Pair(Linear(5), tied(norm)), [5]) == nil)
  }

  @Test(
    "a batch norm needs two examples in a micro-batch over single pixels, or one over more",
    arguments: [([7], 2), ([1, 1, 4], 2), ([1, 2, 4], 1), ([2, 3], 1), ([3, 5, 6], 1)])
  func leastExamples(_ shape: [Int], _ least: Int) throws {
    #expect(try Network(BatchNorm(), input: shape, loss: .meanSquaredError).leastExamples == least)
    let afterLinear = try Network(Pair(Linear(3), BatchNorm()), input: shape, loss: .meanSquaredError)
    #expect(afterLinear.leastExamples == least)
    #expect(try Network(Pair(Linear(3), LayerNorm()), input: shape, loss: .meanSquaredError).leastExamples == 1)
  }

  @Test("the largest need of a model's layers is the model's")
  func largestLeastExamples() throws {
    let pixels = Sequential {
      BatchNorm()
      GlobalAveragePool()
      BatchNorm()
    }
    #expect(try Network(pixels, input: [3, 3, 2], loss: .meanSquaredError).leastExamples == 2)
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

  @Test("running averages follow all parameters")
  func statistics() throws {
    let network = try Network(
      Pair(BatchNorm(), Pair(Linear(3, bias: false), BatchNorm())), input: [6], loss: .meanSquaredError)
    let tensors = network.layout.tensors
    #expect(
      tensors.map(\.name) == [
        "first.weight", "first.bias", "second.first.weight", "second.second.weight", "second.second.bias",
        "first.running_mean", "first.running_var", "second.second.running_mean", "second.second.running_var",
      ])
    #expect(tensors.map(\.isStatistic) == [Bool](repeating: false, count: 5) + [Bool](repeating: true, count: 4))
    #expect(network.layout.parameterCount == 2 * 6 + 6 * 3 + 2 * 3 && network.layout.count == 36 + 2 * 6 + 2 * 3)
    #expect(network.layout.counters == ["first.num_batches_tracked", "second.second.num_batches_tracked"])
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
