internal import ArgumentParser
internal import Cluster
internal import Datasets
internal import Foundation
internal import Models
internal import Optimizers
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

/// A sweep whose options were checked against the data.
struct PreparedSweep {
  /// What decides the trials of a sweep: it goes on only if this is equal.
  struct Description: Codable, Equatable {
    var options: [String: String]
    var optimizers: [String]
    var grids: [String]
    var sample: [String]
    var seeds: [UInt64]
    /// Nil for false.
    var halves: Bool?
    var target: Double?
    var numerics: Int
    var dataDigest: String
  }

  private static let validationShare = "0.1"
  private static let validationOption = "validation-fraction"

  let plan: SweepPlan
  let description: Description
  /// Names the data, the model and the batch.
  let headline: String
  private let base: JobOptions
  private let target: Double?
  private let figures: [Figure]
  /// Of each rule.
  private let stateBytes: [Double]
  /// Whether a validation part decides, and not the training.
  private let hasValidation: Bool

  /// - Parameter file: one of `--jobs`; nil without.
  init(_ command: SweepCommand, job file: String?) throws {
    var base = try command.jobOptions(output: nil, file: file)
    let own = command.own
    let rules = try parseOptimizers(own.text(SweepCommand.Section.optimizers) ?? "all")
    let search = try command.search.chosen
    try PreparedSweep.check(search, rules)
    let sourceOptions = try base.selection.source.type.options
    if base.given[PreparedSweep.validationOption] == nil,
      sourceOptions.contains(where: { $0.name == PreparedSweep.validationOption })
    {
      try base.set(PreparedSweep.validationOption, to: PreparedSweep.validationShare)
    }
    let data = try base.load()
    let seeds = try PreparedSweep.seeds(own.text(SweepCommand.Section.seeds) ?? "5", from: base.chosenSeed)
    let jobs = try rules.map { rule in
      try PreparedJob(base.selecting(rule, among: rules), data, models: ModelKinds.registry.all)
    }
    let space = SweepSpace(rules, rates: jobs.map(\.job.optimizer.learningRate), search)
    let halves = own.isOn(SweepCommand.Section.halving)
    plan = SweepPlan(space, seeds: seeds, halves: halves)
    (self.base, target) = (base, own.has(SweepCommand.Section.target) ? own.real(SweepCommand.Section.target) : nil)
    figures = jobs[0].model.metrics.figures
    stateBytes = try jobs.map { try $0.optimizer().stateBytesPerParameter }
    let (first, split) = (jobs[0], jobs[0].plan)
    hasValidation = split.validationCount > 0
    let parts = [(split.trainCount, "train"), (split.validationCount, "validation"), (split.testCount, "test")]
      .filter { $0.0 > 0 && first.featureCount > 0 }.map { "\(grouped($0)) \($1)" }
    headline =
      first.dataName + (parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))") + ", \(first.job.modelText) "
      + "(\(count(first.model.layout.parameterCount, "parameter"))), \(grouped(split.totalSteps)) steps"
      + (hasValidation ? "" : "; without a validation part, the training loss decides")
    description = Description(
      options: base.given.mapValues(\.description), optimizers: rules, grids: command.search.grids,
      sample: command.search.sample, seeds: seeds, halves: halves ? true : nil, target: target,
      numerics: Numerics.version,
      dataDigest: data.fingerprint)
    // A value that a rule does not take is an error now, not after an hour.
    for trial in plan.progress([:]).next { _ = try options(of: trial, data).resolve(data) }
  }

  /// - Throws: ``OptionError`` for an option that is none of a job, or that none of `rules` has.
  private static func check(_ search: SweepSpace.Search, _ rules: [String]) throws {
    let options: [(flag: String, option: String)] =
      switch search {
      case .grids(let grids): grids.map { ("grid", $0.option) }
      case .samples(_, let ranges): ranges.map { ("sample", $0.option) }
      }
    for (flag, option) in options {
      guard let declaration = JobOptions.declarations.first(where: { $0.name == option }), declaration.decides else {
        throw OptionError("--\(flag) \(option): there is no such option of a job")
      }
      guard !["seed", OptimizerSettings.selector.name].contains(option) else {
        throw OptionError("--\(flag) \(option): give --\(option == "seed" ? "seeds" : "optimizers")")
      }
      let owners = OptimizerSettings.selector.owners(of: option)
      guard owners.isEmpty || owners.contains(where: rules.contains) else {
        throw OptionError(
          "--\(flag) \(option): none of \(rules.joined(separator: ", ")) has this option; it belongs to "
            + owners.joined(separator: ", "))
      }
    }
  }

  /// A count, of seeds from `first` on, or a list with a comma.
  private static func seeds(_ text: String, from first: UInt64) throws -> [UInt64] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let numbers = parts.compactMap(UInt64.init)
    guard numbers.count == parts.count else {
      throw ValidationError("--seeds '\(text)': a count is needed, such as 5, or seeds, such as 1,2,3")
    }
    if parts.count > 1 {
      try refuseRepeated("seeds", text, numbers)
      return numbers
    }
    guard (1...1000).contains(numbers[0]), first <= UInt64.max - numbers[0] else {
      throw ValidationError("--seeds \(text): a count from 1 to 1,000 is needed, or seeds, such as 1,2,3")
    }
    return (0..<numbers[0]).map { first + $0 }
  }

  private func options(of trial: Trial) throws -> JobOptions {
    var options = base.selecting(trial.rule, among: plan.space.rules)
    for choice in trial.choices { try options.set(choice.option, to: choice.value) }
    try options.set("seed", to: "\(trial.seed)")
    return options
  }

  /// The options of a trial, also of one whose run is a part of the whole length; then warm-up and `schedule-steps` are
  /// shorter too.
  private func options(of trial: Trial, _ data: LoadedData) throws -> JobOptions {
    var options = try options(of: trial)
    guard let part = trial.part else { return options }
    let steps = try options.resolve(data).plan(data).totalSteps
    guard steps >= part else {
      throw OptionError(
        "--halving: a run has \(count(steps, "step")), of which there is no quarter; give more --epochs or --steps, or leave "
          + "--halving out")
    }
    var shorter = JobOptions()
    try shorter.set("steps", to: "\(steps / part)")
    for name in ["warmup", "schedule-steps"] {
      if let whole = options.given[name]?.number, whole > 0 {
        try shorter.set(name, to: "\(max(1, Int(whole) / part))")
      }
    }
    shorter.overlay(on: &options)
    return options
  }

  /// Options that do not change how the data are read.
  private static let lengths: Set = ["batch-size", "micro-batches", "epochs", "steps", "evaluate-every"]

  /// The jobs of trials. The data are loaded once for those that read them alike.
  func prepare(_ trials: [Trial]) throws -> [(Trial, PreparedJob)] {
    let ofRules = Set(OptimizerSettings.options.map(\.name)).union(PreparedSweep.lengths)
    let alike = Dictionary(grouping: trials) { trial in
      Trial("", trial.choices.filter { !ofRules.contains($0.option) }, seed: trial.seed)
    }
    var jobs: [Trial: PreparedJob] = [:]
    for group in alike.values {
      let data = try options(of: group[0]).load()
      for trial in group {
        jobs[trial] = try PreparedJob(options(of: trial, data), data, models: ModelKinds.registry.all)
      }
    }
    return trials.map { ($0, jobs[$0]!) }
  }

  /// What the next trials are for, such as `search: 21 trials, 7 a rule`.
  func announcement(of trials: [Trial], after rules: [SweepPlan.Progress]) -> String {
    let budget = rules.map(\.tried.count)
    if rules.contains(where: { !$0.finals.isEmpty }) {
      return "seeds: \(count(trials.count, "trial")), the best of each rule with \(count(plan.seeds.count, "seed"))"
    }
    if trials.contains(where: { $0.part == 2 }) {
      return "halving: \(count(trials.count, "trial")), the better half of each rule for half of the steps"
    }
    if plan.halves, trials.allSatisfy({ $0.part == nil }) {
      return "halving: \(count(trials.count, "trial")), the better half of those for all steps"
    }
    let each = budget.min() == budget.max() ? "\(budget[0])" : "\(budget.min()!) to \(budget.max()!)"
    let isAtEdge = rules.contains { $0.isAtEdge || $0.best == nil && $0.tried.count > SweepSpace.ratePoints }
    let cause = isAtEdge ? " more, because the best learning rate of a rule lies on the edge" : ""
    let length = plan.halves ? " of a quarter of the steps" : ""
    return "search: \(count(trials.count, "trial"))\(length)\(cause); each rule has \(each)"
  }

  func result(_ results: [Trial: TrialResult]) -> SweepResult {
    SweepResult(
      plan, results, target: target, figures: figures, stateBytes: stateBytes, hasValidation: hasValidation)
  }

  func report(_ results: [Trial: TrialResult]) -> SweepReport {
    SweepReport(result(results), .ofThisCommand, headline: headline, command: command(of:))
  }

  /// The command that runs a trial by itself.
  private func command(of trial: Trial) -> String {
    let given = ((try? options(of: trial)) ?? base).given
    let words = JobOptions.declarations.compactMap { option in
      option.decides ? given[option.name].map { "--\(option.name) \(shellQuoted($0.description))" } : nil
    }
    return ([LockstepCommands.programName, "train"] + words).joined(separator: " ")
  }
}
