package import Datasets
package import Kernels
package import Schema

/// A model without data: one tensor θ, whose loss is the mean of θ².
///
/// Its minimum, zero at θ = 0, is known, and a step costs next to nothing: for trying update rules and measuring the
/// protocol. Each example of a batch contributes the same gradient, 2θ / n of n parameters.
package struct Quadratic: Model {
  /// The tensor `theta`.
  package let layout: ParameterLayout

  /// A tensor of the given sizes, all positive.
  package init(shape: [Int]) {
    var layout = ParameterLayout()
    layout.append("theta", shape: shape)
    self.layout = layout
  }

  /// Standard normal numbers.
  package func initialize(_ parameters: MutableFloats, seed: UInt64) {
    Philox(seed: seed, stream: 0).fillNormal(parameters)
  }

  /// It needs no memory.
  package func makeWorkspace() {}

  /// 2θ / n for each example.
  package func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Void
  ) -> Metrics {
    let slope = Float(2 * Double(batch.count) / Double(parameters.count))
    for i in parameters.indices { gradient[i] = slope * parameters[i] }
    return evaluate(batch, at: parameters, using: &workspace)
  }

  /// The mean of θ² for each example, summed in double from the first parameter on.
  package func evaluate(_ batch: Batch, at parameters: Floats, using _: inout Void) -> Metrics {
    var squares = 0.0
    for i in parameters.indices { squares += Double(parameters[i]) * Double(parameters[i]) }
    return Metrics(
      weight: Double(batch.count), loss: Double(batch.count) * (squares / Double(parameters.count)))
  }
}

extension Quadratic {
  /// `quadratic:10,10`.
  static let factory = ModelFactory(
    "quadratic", options: [.sizes("shape", 1...1 << 34, "The tensor's shape, as in quadratic:10,10.")],
    argument: "shape"
  ) { request in
    let text = request.options.values["shape"]?.description ?? ""
    let name = "--model quadratic" + (text.isEmpty ? "" : ":\(text)")
    guard request.target.outputs == 0 else {
      throw ModelError("\(name) learns from no data: say --data none, or choose another --model")
    }
    let most = 1 << 34
    var count = 1
    let shape = text.split(separator: ",").compactMap { Int($0) }
    for size in shape where count > 0 { count = size <= most / count ? count * size : 0 }
    guard count > 0, !shape.isEmpty else {
      throw ModelError(
        "\(name): a shape of 1 to \(most) values in whole numbers from 1 is needed, as in quadratic:10,10")
    }
    return Quadratic(shape: shape)
  }
}
