internal import ArgumentParser
internal import Optimizers
internal import Schema

struct OptimizersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "optimizers",
    abstract: "List the update rules, with equations, state, options and papers.",
    discussion: """
      g is the gradient averaged over the step, η the learning rate. All rules also have --weight-decay, \
      --decay-biases, --clip-value, --clip-norm, --ema, --outer-every and the schedules. State is what the coordinator \
      holds beside the parameters; --ema adds 4 bytes a parameter, and --outer-every 8.
      """)

  func run() throws {
    for rule in UpdateRules.registry.all {
      let settings = try OptimizerSettings(rule.name, given: [:])
      let state = state(of: try settings.rule())
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

  private func state(of rule: any UpdateRule) -> String {
    let slots = rule.slots + (type(of: rule).averages ? ["average"] : [])
    let ofMatrices = rule.tensorSlots(shape: [2, 3], count: 6).map(\.name)
    guard ofMatrices.isEmpty else {
      let others = rule.tensorSlots(shape: [], count: 6).map(\.name)
      return
        "\((slots + ofMatrices).joined(separator: ", ")) of a matrix, \((slots + others).joined(separator: ", ")) of others"
    }
    return slots.isEmpty ? "none" : "\(4 * slots.count) bytes a parameter: \(slots.joined(separator: ", "))"
  }
}
