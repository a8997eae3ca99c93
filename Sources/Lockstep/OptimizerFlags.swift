internal import ArgumentParser
internal import Optimizers

/// The options of update rules and schedules on the command line.
struct OptimizerFlags: ParsableArguments {
  @Option(parsing: .unconditional, help: help("learning-rate", "The step size."))
  var learningRate: String?

  @Option(parsing: .unconditional, help: help("momentum", "The decay of the velocity."))
  var momentum: String?

  @Option(parsing: .unconditional, help: help("dampening", "The share of the gradient that the velocity leaves out."))
  var dampening: String?

  @Option(parsing: .unconditional, help: help("beta1", "The decay of the first moment."))
  var beta1: String?

  @Option(parsing: .unconditional, help: help("beta2", "The decay of the second moment; for lion, of the first."))
  var beta2: String?

  @Option(parsing: .unconditional, help: help("rho", "The decay of the mean square."))
  var rho: String?

  @Option(parsing: .unconditional, help: help("epsilon", "What is added to the root in the update."))
  var epsilon: String?

  @Option(parsing: .unconditional, help: help("centered", "Take the variance in place of the mean square."))
  var centered: String?

  @Option(parsing: .unconditional, help: help("epsilon-inside", "Add epsilon inside the root."))
  var epsilonInside: String?

  @Option(parsing: .unconditional, help: help("bias-correction", "Correct the moments for their start at zero."))
  var biasCorrection: String?

  @Option(parsing: .unconditional, help: help("epsilon-hat", "Add epsilon before the bias correction."))
  var epsilonHat: String?

  @Option(parsing: .unconditional, help: help("amsgrad", "Take the largest second moment so far."))
  var amsgrad: String?

  @Option(
    parsing: .unconditional,
    help: help("blend", "How lambda goes: constant, to-rmsprop, to-adam, or auto by its own gradient."))
  var blend: String?

  @Option(parsing: .unconditional, help: help("lambda", "Adam's share of a blend; for auto, at the start."))
  var lambda: String?

  @Option(parsing: .unconditional, help: help("lambda-rate", "The step size of an auto blend's lambda."))
  var lambdaRate: String?

  @Option(parsing: .unconditional, help: help("trust", "LARS' trust coefficient."))
  var trust: String?

  @Option(parsing: .unconditional, help: help("weight-decay", "λ, how strongly parameters are drawn to zero."))
  var weightDecay: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "coupled adds λθ to the gradient, decoupled takes ηλθ off the parameters. (adamw and lion: always decoupled; "
        + "lamb and lars: a place of their own; default: coupled)", valueName: "kind"))
  var weightDecayKind: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Decay biases too. (default: yes)", valueName: "yes/no"))
  var decayBiases: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Keep each element of the gradient within ± this; 0 for no limit. (default: 0)", valueName: "number"))
  var clipValue: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Scale the gradient down to this norm; 0 for no limit. (default: 0)", valueName: "number"))
  var clipNorm: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How the learning rate goes: \(ScheduleKind.allCases.map(\.rawValue).joined(separator: ", ")). "
        + "(default: constant)", valueName: "name"))
  var schedule: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps in which the learning rate rises to its value. (default: 0)", valueName: "count"))
  var warmup: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps of a stair (step: a third of the run), of a decay (exponential: an epoch) or of a wave (cosine: the run).",
      valueName: "count"))
  var scheduleSteps: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What the learning rate is multiplied by. (exponential: 0.9; step, plateau: 0.1)", valueName: "share"))
  var scheduleFactor: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The share of the learning rate at the end. (linear, cosine, polynomial; default: 0)", valueName: "share"))
  var scheduleEnd: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How much longer each wave is than the one before. (cosine; default: 1)", valueName: "number"))
  var scheduleGrowth: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("The exponent. (polynomial; default: 2)", valueName: "number"))
  var schedulePower: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Evaluations without a smaller test loss that are borne. (plateau; default: 2)", valueName: "count"))
  var plateauPatience: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "By what share the test loss must become smaller. (plateau; default: 0.0001)", valueName: "share"))
  var plateauThreshold: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The step size of the learning rate. (hypergradient; default: 0.0001)", valueName: "number"))
  var hypergradientRate: String?

  /// Name and text of each option that there is.
  var given: [(String, String?)] {
    [
      ("learning-rate", learningRate), ("momentum", momentum), ("dampening", dampening), ("beta1", beta1),
      ("beta2", beta2), ("rho", rho), ("epsilon", epsilon), ("centered", centered),
      ("epsilon-inside", epsilonInside), ("bias-correction", biasCorrection), ("epsilon-hat", epsilonHat),
      ("amsgrad", amsgrad), ("blend", blend), ("lambda", lambda), ("lambda-rate", lambdaRate), ("trust", trust),
      ("weight-decay", weightDecay), ("weight-decay-kind", weightDecayKind), ("decay-biases", decayBiases),
      ("clip-value", clipValue), ("clip-norm", clipNorm), ("schedule", schedule), ("warmup", warmup),
      ("schedule-steps", scheduleSteps), ("schedule-factor", scheduleFactor), ("schedule-end", scheduleEnd),
      ("schedule-growth", scheduleGrowth), ("schedule-power", schedulePower),
      ("plateau-patience", plateauPatience), ("plateau-threshold", plateauThreshold),
      ("hypergradient-rate", hypergradientRate),
    ]
  }
}

/// `text`, and which rules have the option `name` with which default.
private func help(_ name: String, _ text: String) -> ArgumentHelp {
  let owners = owners[name] ?? OptionOwners(name)
  return ArgumentHelp("\(text) (\(owners.text))", valueName: owners.valueName)
}

/// By option. The parser makes each option's help many times.
private let owners: [String: OptionOwners] = {
  let names = OptimizerSettings.allHyperparameters.map(\.name)
  return Dictionary(uniqueKeysWithValues: names.map { ($0, OptionOwners($0)) })
}()

/// The built-in rules that have an option.
private struct OptionOwners {
  /// Such as `momentum, nesterov: 0.9; rmsprop: 0`, by their defaults.
  let text: String
  /// What stands for a value in the help.
  let valueName: String

  init(_ name: String) {
    var rules: [String: [String]] = [:]
    var defaults: [String] = []
    var allowed = Hyperparameter.Allowed.positive
    for rule in builtInRules {
      guard let own = (OptimizerSettings.hyperparameters(of: rule).first { $0.name == name }) else { continue }
      allowed = own.allowed
      let value = own.text(own.defaultValue)
      if rules[value] == nil { defaults.append(value) }
      rules[value, default: []].append(rule.name)
    }
    text = defaults.map { "\(rules[$0]!.joined(separator: ", ")): \($0)" }.joined(separator: "; ")
    valueName =
      switch allowed {
      case .flag: "yes/no"
      case .choice: "name"
      default: "number"
      }
  }
}
