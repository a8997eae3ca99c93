// A loss of one's own, with an option and a metric of its own: R. Koenker and G. Bassett, "Regression Quantiles", 1978.
// Minimized by the value that a share of the targets is below, so that --share 0.9 predicts a limit that one target in ten
// exceeds.
//
//     swift run -c release custom-loss train --data Examples/linear-regression/diabetes.csv --model linear --loss quantile
import Lockstep

struct Quantile: Loss {
  static let name = "quantile"
  static let classifies = false
  static let options: [OptionDeclaration] = [
    .real("share", default: 0.5, .fraction, "The share of the targets that should be below the prediction.")
  ]

  private let share: Double
  let metrics = MetricSchema(["below"], figures: [.mean("below", of: "below", title: "share below")])

  init() { share = 0.5 }
  init(_ options: OptionValues, for target: Target) { share = options["share"] }

  func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .values(let targets) = targets else { preconditionFailure("quantiles are of numbers") }
    var (loss, below) = (0.0, 0.0)
    for i in outputs.indices {
      let error = Double(outputs[i]) - Double(targets.values[i])
      let slope = error > 0 ? 1 - share : -share
      loss += error * slope
      below += error > 0 ? 1 : 0
      outputs[i] = Float(slope / Double(columns))
    }
    return Metrics(weight: Double(targets.rows), loss: loss / Double(columns), below / Double(columns))
  }
}

LockstepCommands.main(losses: [Quantile.self])
