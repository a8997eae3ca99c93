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
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Void,
    ready: (Range<Int>) -> Void
  ) -> Metrics {
    let slope = Float(2 * Double(batch.count) / Double(parameters.count))
    for i in parameters.indices { gradient[i] = slope * parameters[i] }
    ready(gradient.indices)
    return evaluate(batch, at: parameters, using: &workspace)
  }

  /// The mean of θ² for each example, summed in double from the first parameter on.
  package func evaluate(_ batch: Batch, at parameters: Floats, using _: inout Void) -> Metrics {
    var squares = 0.0
    for i in parameters.indices { squares += Double(parameters[i]) * Double(parameters[i]) }
    return Metrics(loss: Double(batch.count) * (squares / Double(parameters.count)))
  }
}

extension Quadratic {
  /// The tensor whose shape a request names, as in `quadratic:10,10`.
  ///
  /// - Throws: ``ModelError`` where that is no shape, or there is data.
  init(_ request: ModelRequest) throws {
    let name = "--model quadratic" + (request.arguments.isEmpty ? "" : ":\(request.arguments)")
    guard request.target == .nothing else {
      throw ModelError("\(name) learns from no data: say --data none, or choose another --model")
    }
    let most = 1 << 34
    var count = 1
    let shape = try request.arguments.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let size = Int(text), size >= 1, size <= most / count else {
        throw ModelError(
          "\(name): a shape of 1 to \(most) values in whole numbers from 1 is needed, as in quadratic:10,10")
      }
      count *= size
      return size
    }
    self.init(shape: shape)
  }
}
