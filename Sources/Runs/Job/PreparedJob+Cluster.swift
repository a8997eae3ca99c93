package import Cluster
internal import Datasets
internal import Foundation
package import Models
package import Protocol
internal import Schema

extension Job {
  /// The options by name, as workers get them.
  var transferred: [String: OptionValue] {
    get throws { try JSONDecoder().decode([String: OptionValue].self, from: JSONEncoder().encode(self)) }
  }

  /// The job that a coordinator has sent, its options checked as a user's are.
  init(transferred: [String: OptionValue]) throws {
    self = try JSONDecoder().decode(Job.self, from: JSONEncoder().encode(transferred))
  }
}

extension PreparedJob {
  /// What a coordinator needs of it.
  package var coordinated: CoordinatedRun {
    get throws {
      CoordinatedRun(
        job: try job.transferred, plan: plan, fingerprint: fingerprint, scaling: scaling, model: model, seed: job.seed,
        optimizer: try optimizer(), onNonFinite: job.onNonFinite, advice: advice,
        isClassification: target.isClassification, targetVariation: targetVariation)
    }
  }

  /// The run of this job in `state`, with the figures so far.
  package func checkpoint(_ state: SavedState, _ statistics: RunStatistics) -> Checkpoint {
    Checkpoint(
      state: CheckpointState(
        job: job, fingerprint: fingerprint, step: state.step, evaluatedStep: state.evaluatedStep,
        optimizer: state.optimizer, numerics: state.numerics, statistics: statistics, parametersSHA256: "",
        isFinite: true),
      parameters: state.parameters, slots: state.slots)
  }
}

extension Checkpoint {
  /// Where a coordinator goes on.
  package var savedState: SavedState {
    SavedState(
      step: state.step, evaluatedStep: state.evaluatedStep, optimizer: state.optimizer, numerics: state.numerics,
      parameters: parameters, slots: slots)
  }
}

extension LoadedTask {
  /// Loads the data of the job that a coordinator has sent, and makes its model, which must be of a kind in `models`.
  package init(_ welcome: Welcome, models: [ModelFactory]) throws {
    let job = try Job(transferred: welcome.job)
    let data = try LoadedData(job.source, classify: job.loss == .crossEntropy, seed: job.seed)
    self.init(
      model: try models.make(job.model, job.modelRequest(data)), data: data, plan: job.plan(data), seed: job.seed)
  }
}
