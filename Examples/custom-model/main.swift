// A classifier of one's own: each class has a prototype, and an example belongs to the nearest one.
// It gets the whole command line:
//
//     swift run -c release custom-model train --model prototypes --workers 2
import Lockstep

/// The score of class k is −‖x − pₖ‖²; the loss is softmax cross-entropy over the scores.
struct Prototypes: Model {
  let layout: ParameterLayout
  let classes: Int
  let features: Int
  let loss = CrossEntropy()
  var metrics: MetricSchema { loss.metrics }

  init(_ request: ModelRequest) throws {
    guard case .classification(let classes) = request.target else {
      throw ModelError("--model prototypes classifies: it needs labels that are classes")
    }
    self.classes = classes
    features = request.inputs
    var layout = ParameterLayout()
    layout.append("prototypes", shape: [classes, features])
    self.layout = layout
  }

  func initialize(_ parameters: MutableFloats, seed: UInt64) {
    Philox(seed: seed, stream: 0).fillUniform(parameters, bound: 0.1)
  }

  func makeWorkspace() {}

  func gradient(
    of batch: Batch, at prototypes: Floats, into gradient: MutableFloats, using _: inout Void
  ) -> Metrics {
    let scores = FloatBuffer(count: batch.count * classes)
    let metrics = score(batch, at: prototypes, scores.all)
    gradient.fill(0)
    for example in 0..<batch.count {
      for k in 0..<classes {
        let slope = 2 * scores.all[example * classes + k]
        for i in k * features..<(k + 1) * features {
          gradient[i] += slope * (batch.features.values[example * features + i - k * features] - prototypes[i])
        }
      }
    }
    return metrics
  }

  func evaluate(_ batch: Batch, at prototypes: Floats, using _: inout Void) -> Metrics {
    let scores = FloatBuffer(count: batch.count * classes)
    return score(batch, at: prototypes, scores.all)
  }

  /// Turns `scores` into the loss's gradient with respect to them.
  private func score(_ batch: Batch, at prototypes: Floats, _ scores: MutableFloats) -> Metrics {
    for example in 0..<batch.count {
      let x = batch.features.values[example * features..<(example + 1) * features]
      for k in 0..<classes {
        var squaredDistance: Float = 0
        for i in 0..<features {
          let difference = x[i] - prototypes[k * features + i]
          squaredDistance += difference * difference
        }
        scores[example * classes + k] = -squaredDistance
      }
    }
    return loss.gradient(scores, columns: classes, targets: batch.targets)
  }
}

LockstepCommands.main(models: [ModelFactory("prototypes") { try Prototypes($0) }])
