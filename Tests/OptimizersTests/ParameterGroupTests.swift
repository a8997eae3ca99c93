import Foundation
import Kernels
import Schema
import Testing

@testable import Optimizers

/// That groups do what the float64 script does is tested with the rules.
@Suite struct ParameterGroupTests {
  @Test(
    "groups that make no sense are refused with the way out",
    arguments: [
      ("adam", "*.bias", "a pattern of tensor names, a colon and options are needed"),
      ("adam", "*.bias:", "a pattern of tensor names, a colon and options are needed"),
      ("adam", ": beta1 0.5", "a pattern of tensor names, a colon and options are needed"),
      ("adam", "*.bias: weight-decay", "'weight-decay' is no option with its value, nor frozen"),
      ("adam", "*.bias: weight-decay 0 1", "'weight-decay 0 1' is no option with its value"),
      ("adam", "*.bias: weight-decay 0,", "'' is no option with its value"),
      ("adam", "*.bias: weight_decay 0", "'weight_decay' is none of what a group of adam can have: learning-rate, "),
      ("adam", "*.bias: weight-decy 0", "did you mean 'weight-decay'?"),
      (
        "sgd", "*.bias: beta1 0.5",
        "'beta1' is none of what a group of sgd can have: learning-rate, weight-decay, frozen"
      ),
      ("adam", "*: clip-norm 1", "'clip-norm' is none of what"),
      ("adam", "*: beta1 1", "beta1 1 must be at least 0 and below 1"),
      ("adam", "*: beta1 x", "beta1 x must be at least 0 and below 1"),
      ("adam", "*: learning-rate 0", "learning-rate 0 must be above 0"),
      ("adam", "*: beta1 0.5, beta1 0.6", "beta1 is given twice"),
      ("adam", "*: frozen, beta1 0.5", "frozen tensors have no other options"),
      ("adam", "*: amsgrad yes", "this changes what adam holds for each parameter"),
      ("blend", "*: blend auto", "this changes what blend holds for each parameter"),
      (
        "adam", "2.*: beta1 0.5; 3.*: beta1 0.6",
        "no tensor has such a name; they are 0.weight, 0.bias, 2.weight, 2.bias"
      ),
      ("adam", "0.*: beta1 0.5; 0.b*: beta1 0.6", "the groups before it have all its tensors"),
      ("adam", "*: frozen", "all tensors are frozen"),
      ("adam", ";", "a pattern of tensor names, a colon and options are needed"),
    ])
  func refusesGroups(_ rule: String, _ text: String, _ message: String) {
    let error = #expect(throws: OptionError.self) {
      let settings = try OptimizerSettings(rule, given: ["parameter-group": .text(text)])
      _ = try Optimizer(settings, tensors: RuleFixtures.shared.optimizerTensors, total: 1, stepsPerEpoch: 1)
    }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test("groups do not say what follows the gradient of all parameters")
  func groupsOfFollowedValues() throws {
    for (rule, given, group) in [
      ("blend", ["blend": "auto"], "*: lambda 0.9"), ("sgd", ["schedule": "hypergradient"], "*: learning-rate 1"),
    ] as [(String, [String: OptionValue], String)] {
      let error = #expect(throws: OptionError.self) {
        try OptimizerSettings(rule, given: given.merging(["parameter-group": .text(group)]) { $1 })
      }
      #expect(error?.description.contains("for all parameters, which follows their gradient") == true)
    }
  }

  @Test("of groups for several rules, each takes what it has")
  func groupsOfSeveralRules() throws {
    let given: [String: OptionValue] = [
      "parameter-group": "0.*: orthogonalize no, beta1 0.8; 2.*: orthogonalize no; *: frozen", "clip-norm": 1,
    ]
    func part(_ name: String, _ names: [String]) -> String? {
      OptimizerSettings.part(of: given, for: name, among: names)["parameter-group"]?.description
    }
    #expect(part("muon", ["muon", "adamw"]) == given["parameter-group"]?.description)
    #expect(part("adamw", ["muon", "adamw"]) == "0.*: beta1 0.8; *: frozen")
    #expect(part("sgd", ["muon", "sgd"]) == "*: frozen")
    #expect(part("sgd", ["sgd"]) == given["parameter-group"]?.description, "refused, as nobody has it")
    #expect(try OptimizerSettings("sgd", given: ["parameter-group": "none"]).groups.isEmpty)
  }

  @Test("frozen tensors keep their bits, whatever decays and averages")
  func frozen() throws {
    let fixtures = RuleFixtures.shared
    for type in UpdateRules.builtIn {
      let rule = type.name
      let given: [String: OptionValue] = [
        "parameter-group": "0.*: frozen", "weight-decay": 0.1, "learning-rate": 0.01,
        "outer-every": type.averages ? 0 : 2, "ema": type.averages ? 0 : 0.5,
      ]
      var run = try Trajectory(
        OptimizerSettings(rule, given: given), start: fixtures.start, tensors: fixtures.optimizerTensors, total: 5)
      for sums in fixtures.gradientSums["even"]!.prefix(5) {
        run.step(sums, examples: 32, ranges: [0..<11, 11..<24], isBeside: true)
      }
      let after = run.parameters.array
      #expect(after.prefix(18) == fixtures.start.prefix(18) && after.suffix(6) != fixtures.start.suffix(6), "\(rule)")
      #expect(run.slots.allSatisfy { $0.array.prefix(18).allSatisfy { $0 == 0 } }, "\(rule)")
      let average = run.averages.array
      #expect(average.prefix(18) == fixtures.start.prefix(18) && average.suffix(6) != after.suffix(6), "\(rule)")
    }
  }
}
