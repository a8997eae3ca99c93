internal import Datasets
internal import Kernels
internal import Models

/// What may differ between a run and its continuation: how long it is. Everything else fixes the bits.
extension JobOptions {
  /// The options that give `job` again.
  public init(_ job: Job) throws {
    self.init()
    for (name, value) in job.options { try set(name, to: value) }
  }

  /// Takes in what a user changes when resuming the run in `folder`.
  ///
  /// - Throws: ``JobError`` that names the option, for a change that would not be the same run.
  public mutating func change(by changes: JobOptions, of folder: String) throws {
    let before = self
    if let length = changes.length { self.length = length }
    var wanted = changes
    wanted.length = length
    wanted.overlay(on: &self)
    guard let name = firstDifference(from: before) else { return }
    throw JobError(
      "--\(name): the run in \(folder) was started with another value; resuming can change --epochs, --steps and --output, the workers and their threads, but nothing that the parameters depend on"
    )
  }
}

extension Checkpoint {
  /// Checks that a job, as it would go on, is this checkpoint's.
  ///
  /// - Throws: ``JobError`` or ``TrainingError`` that says what does not fit.
  public func check(_ prepared: PreparedJob, _ folder: String) throws {
    guard prepared.fingerprint == state.fingerprint else {
      throw TrainingError(
        "\(prepared.job.source.data) is not the data that the run in \(folder) was trained on (fingerprint "
          + "\(prepared.fingerprint.prefix(12))…, and \(state.fingerprint.prefix(12))… then)")
    }
    guard prepared.model.layout.count == parameters.count else {
      throw TrainingError(
        "the model has \(prepared.model.layout.count) parameters, and \(parameters.count) in \(folder)")
    }
    guard prepared.plan.totalSteps >= state.step else {
      throw JobError(
        "the run in \(folder) has done \(state.step) steps already, and would end after \(prepared.plan.totalSteps): "
          + "give more --epochs or --steps")
    }
  }
}
