package import Datasets
package import Kernels
package import Schema

/// A model without data: one tensor θ, whose loss is the mean of θ².
///
/// For trying update rules and measuring the protocol: its minimum is 0 at θ = 0, and a step takes little time. Each
/// example contributes the same gradient, 2θ / n for n parameters.
package struct Quadratic: Model {
  package let layout: ParameterLayout

  /// All sizes must be positive.
  package init(shape: [Int]) {
    var layout = ParameterLayout()
    layout.append("theta", shape: shape)
    self.layout = layout
  }

  /// Standard normal numbers.
  package func initialize(_ parameters: MutableFloats, seed: UInt64) {
    Philox(seed: seed, stream: 0).fillNormal(parameters)
  }

  package func makeWorkspace() {}

  package func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Void
  ) -> Metrics {
    let slope = Float(2 * Double(batch.count) / Double(parameters.count))
    for i in parameters.indices { gradient[i] = slope * parameters[i] }
    return evaluate(batch, at: parameters, using: &workspace)
  }

  /// Sums in float64, in the order of the parameters.
  package func evaluate(_ batch: Batch, at parameters: Floats, using _: inout Void) -> Metrics {
    var squares = 0.0
    for i in parameters.indices { squares += Double(parameters[i]) * Double(parameters[i]) }
    return Metrics(
      weight: Double(batch.count), loss: Double(batch.count) * (squares / Double(parameters.count)))
  }
}

extension Quadratic {
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
