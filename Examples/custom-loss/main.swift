// A loss of one's own, with a metric of its own: P. J. Huber, "Robust Estimation of a Location Parameter", 1964. It is
// quadratic near the target and linear further away, so that outliers count less.
//
//     swift run -c release custom-loss train --data Examples/linear-regression/diabetes.csv --model linear --loss huber
import Lockstep

struct Huber: Loss {
  static let name = "huber"
  static let classifies = false

  /// How far from the target it becomes linear.
  private let bend = 50.0
  let metrics = MetricSchema(["near"], figures: [.mean("near", of: "near", title: "share within 50")])

  func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .values(let targets) = targets else { preconditionFailure("huber is of numbers") }
    var (loss, near) = (0.0, 0.0)
    for i in outputs.indices {
      let error = Double(outputs[i]) - Double(targets.values[i])
      let isNear = abs(error) <= bend
      loss += isNear ? error * error / 2 : bend * (abs(error) - bend / 2)
      near += isNear ? 1 : 0
      outputs[i] = Float(max(-bend, min(bend, error)) / Double(columns))
    }
    return Metrics(weight: Double(targets.rows), loss: loss / Double(columns), near / Double(columns))
  }
}

LockstepCommands.main(losses: [Huber.self])
