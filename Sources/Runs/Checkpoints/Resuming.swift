internal import Datasets
internal import Kernels
internal import Models
internal import Optimizers
internal import Protocol
internal import Schema

/// A resumed run may change only its length; every other option of a job changes the bits.
extension JobOptions {
  /// The options of `job`, the run in `folder`.
  package init(_ job: Job, resuming folder: String) throws {
    self.init()
    for (name, value) in job.options { try set(name, to: value) }
    resumed = folder
  }

  /// Applies the options that a user gives to resume the run in `folder`.
  ///
  /// - Throws: ``OptionError`` that names an option which must not change.
  package mutating func change(by changes: JobOptions, of folder: String) throws {
    let before = self
    changes.overlay(on: &self)
    guard let name = firstDifference(from: before) else { return }
    let (changed, was) = (given[name]?.description ?? "none", before.given[name]?.description ?? "none")
    throw OptionError(
      "--\(name) \(changed): the run in \(folder) was started with \(was); resuming can change --epochs, --steps and --output, the workers and their threads, but nothing that the parameters depend on"
    )
  }
}

extension OptimizerSettings {
  /// The option that makes updates depend on the run's length; nil if none does.
  var lengthDependentOption: String? {
    let isCounted = (values.ifGiven("schedule-steps") ?? 0) > 0
    switch schedule {
    case .linear, .polynomial, .range: return "schedule"
    case .cosine, .step: if !isCounted { return "schedule" }
    case .constant, .exponential, .inverseSquareRoot, .plateau, .hypergradient: break
    }
    let kinds = [values.values["blend"]] + groups.map { $0.values["blend"] }
    return kinds.contains { $0?.description.hasPrefix("to-") == true } ? "blend" : nil
  }
}

extension Checkpoint {
  /// Checks that the job to resume belongs to this checkpoint.
  ///
  /// - Parameter acceptsOtherNumerics: whether the run may go on with other bits than it began with.
  /// - Returns: how it then goes on with other bits; nil if it goes on with the same.
  /// - Throws: ``OptionError`` or ``TrainingError`` that says what does not fit.
  package func check(_ prepared: PreparedJob, _ folder: String, acceptsOtherNumerics: Bool) throws -> String? {
    guard prepared.fingerprint == state.fingerprint else {
      throw TrainingError(
        "\(prepared.job.data.data) is not the data that the run in \(folder) was trained on (fingerprint "
          + "\(prepared.fingerprint.prefix(12))…, and \(state.fingerprint.prefix(12))… then)")
    }
    guard prepared.model.layout.count == parameters.count else {
      throw TrainingError(
        "the model has \(prepared.model.layout.count) parameters, and \(parameters.count) in \(folder)")
    }
    let difference = numericsDifference(prepared).map { "the run in \(folder) \($0)" }
    if let difference, !acceptsOtherNumerics {
      throw TrainingError("\(difference); --accept-other-numerics goes on, with other bits from here on")
    }
    let plan = prepared.plan
    let before = StepPlan(
      trainCount: plan.trainCount, testCount: plan.testCount, batchSize: plan.batchSize,
      microBatches: plan.microBatches, length: state.job.length)
    if before.totalSteps != plan.totalSteps, let name = prepared.job.optimizer.lengthDependentOption {
      throw OptionError(
        "--\(name) of the run in \(folder) follows its length, \(before.totalSteps) steps: resuming it with another "
          + "one would be another run; leave --epochs and --steps out")
    }
    let outerEvery = prepared.job.optimizer.outerEvery
    if before.totalSteps != plan.totalSteps, [before.totalSteps, plan.totalSteps].contains(state.step), outerEvery > 0,
      !state.optimizer.updates.isMultiple(of: outerEvery)
    {
      throw OptionError(
        "--outer-every \(outerEvery) of the run in \(folder) makes the run's last round end with it, and the checkpoint "
          + "after step \(state.step) is within a round of one of the two lengths: resuming it with another length would "
          + "be another run; leave --epochs and --steps out")
    }
    if before.totalSteps != plan.totalSteps, let local = plan.local, plan.roundStart(of: state.step) != state.step {
      throw OptionError(
        "--local-steps \(local.steps) of the run in \(folder) made its last round end with step \(state.step), where it would "
          + "have ended: resuming it with another length would be another run; leave --epochs and --steps out")
    }
    guard plan.isBetweenRounds(state.step) || plan.totalSteps < state.step else {
      throw TrainingError(
        "the checkpoint in \(folder) is damaged: step \(state.step) is within a round of local steps, and none is saved there"
      )
    }
    guard prepared.plan.totalSteps >= state.step else {
      throw OptionError(
        "the run in \(folder) has done \(state.step) steps already, and would end after \(prepared.plan.totalSteps): "
          + "give more --epochs or --steps")
    }
    return difference.map { "\($0); from step \(state.step) on it goes on with other bits" }
  }

  /// How what `prepared` computes differs from what the run computed; nil if it does not.
  private func numericsDifference(_ prepared: PreparedJob) -> String? {
    guard state.job.numerics == prepared.job.numerics else {
      return "has numerics version \(state.job.numerics), and this program version \(prepared.job.numerics)"
    }
    guard let digest = state.numerics, digest != prepared.numerics.digest else { return nil }
    return "computed other bits than this program does here: the program, its model, or one of the machines has changed"
  }
}
