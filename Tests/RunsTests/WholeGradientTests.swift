import Testing

@testable import Optimizers
@testable import Runs
@testable import Schema

/// Which options keep chunks from being updated while sums of others still come.
@Suite struct WholeGradientTests {
  private func options(_ given: [(String, String)]) throws -> JobOptions {
    var options = JobOptions()
    for (name, value) in given { try options.set(name, to: value) }
    return options
  }

  @Test(
    arguments: [
      ([], []),
      ([("clip-norm", "0"), ("clip-value", "1"), ("schedule", "cosine"), ("on-nonfinite", "stop")], []),
      ([("clip-norm", "1")], ["--clip-norm"]),
      ([("on-nonfinite", "skip")], ["--on-nonfinite skip"]),
      ([("optimizer", "lars")], ["--optimizer lars"]),
      ([("optimizer", "lars"), ("schedule", "linear"), ("warmup", "3")], ["--optimizer lars"]),
      ([("optimizer", "sgd"), ("schedule", "hypergradient")], ["--schedule hypergradient"]),
      (
        [
          ("schedule", "hypergradient"), ("hypergradient-rate", "0.1"), ("outer-every", "4"), ("outer-momentum", "0.5"),
        ],
        ["--schedule hypergradient"]
      ),
      ([("optimizer", "blend"), ("blend", "to-adam")], []),
      ([("optimizer", "blend"), ("blend", "auto"), ("schedule", "step")], ["--blend auto"]),
      (
        [("optimizer", "lamb"), ("clip-norm", "2"), ("on-nonfinite", "skip")],
        ["--clip-norm", "--optimizer lamb", "--on-nonfinite skip"]
      ),
    ] as [([(String, String)], [String])])
  func causesAreNamedAsTheyAreGiven(_ given: [(String, String)], _ causes: [String]) throws {
    let options = try options(given)
    #expect(try options.wholeGradientCauses() == causes)
    #expect(try options.resolve(options.load()).wholeGradientCauses() == causes)
  }

  @Test func everyRuleNamesACauseIfAndOnlyIfItNeedsTheWholeGradient() throws {
    for rule in UpdateRules.registry.all {
      for clipNorm in [0.0, 1] {
        let settings = try OptimizerSettings(rule.name, given: ["clip-norm": .real(clipNorm)])
        let optimizer = try Optimizer(settings, tensors: [], total: 1, stepsPerEpoch: 1)
        #expect(try settings.wholeGradientCauses().isEmpty != optimizer.needsWholeGradient, "\(rule.name)")
      }
    }
  }
}
