internal import ArgumentParser
internal import Optimizers
internal import Schema

struct OptimizersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "optimizers",
    abstract: "List the update rules, with equations, state, options and papers.",
    discussion: """
      g is the gradient averaged over the step, η the learning rate. All rules also have --weight-decay, \
      --decay-biases, --clip-value, --clip-norm, --outer-every and the schedules. State is what the coordinator holds \
      beside the parameters; --outer-every adds 8 bytes a parameter.
      """)

  func run() throws {
    for rule in UpdateRules.registry.all {
      let settings = try OptimizerSettings(rule.name, given: [:])
      let slots = try settings.rule().slots
      let state = slots.isEmpty ? "none" : "\(4 * slots.count) bytes a parameter: \(slots.joined(separator: ", "))"
      let own = rule.options.map { "--\($0.name) \($0.defaultValue?.description ?? "")" }
      var decay = ""
      switch rule.weightDecay {
      case .either: break
      case .decoupled(let usual), .own(let usual): decay = " --weight-decay \(usual)"
      }
      printLine("\(rule.name)")
      printLine("  \(rule.equations)")
      printLine("  state    \(state)")
      printLine("  options  \(own.joined(separator: " "))\(decay)")
      printLine("  paper    \(rule.paper)\n")
    }
  }
}
