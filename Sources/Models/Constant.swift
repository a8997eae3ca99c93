internal import Datasets
internal import Kernels
internal import Schema

/// Outputs that do not depend on the features, as a baseline: with cross-entropy the classes' frequencies, with the
/// squared error the targets' means.
struct Constant: Model {
  let layout: ParameterLayout
  private let loss: any Loss

  init(_ request: ModelRequest) throws {
    guard request.target.outputs > 0 else { throw ModelError("--model constant learns from data: give --data") }
    var layout = ParameterLayout()
    layout.append("outputs", shape: [request.target.outputs])
    (self.layout, loss) = (layout, request.loss)
  }

  var metrics: MetricSchema { loss.metrics }

  func initialize(_ parameters: MutableFloats, seed: UInt64) {}

  func makeWorkspace() {}

  func gradient(of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using _: inout Void) -> Metrics {
    let outputs = FloatBuffer(count: batch.count * parameters.count)
    let metrics = evaluate(batch, at: parameters, outputs.all)
    for i in parameters.indices {
      gradient[i] = (0..<batch.count).reduce(0) { $0 + outputs.all[$1 * parameters.count + i] }
    }
    return metrics
  }

  func evaluate(_ batch: Batch, at parameters: Floats, using _: inout Void) -> Metrics {
    let outputs = FloatBuffer(count: batch.count * parameters.count)
    return evaluate(batch, at: parameters, outputs.all)
  }

  private func evaluate(_ batch: Batch, at parameters: Floats, _ outputs: MutableFloats) -> Metrics {
    for i in outputs.indices { outputs[i] = parameters[i % parameters.count] }
    return loss.gradient(outputs, columns: parameters.count, targets: batch.targets)
  }

  static let factory = ModelFactory("constant", options: [.loss]) { try Constant($0) }
}
