package import Cluster
internal import Datasets
internal import Foundation
package import Models
package import Protocol
internal import Schema

extension PreparedJob {
  /// The parts of the job that a coordinator needs.
  package var coordinated: CoordinatedRun {
    get throws {
      CoordinatedRun(
        job: Dictionary(job.values.map { ($0.name, $0.value) }) { first, _ in first }, plan: plan,
        fingerprint: fingerprint, scaling: scaling, model: model, seed: job.seed,
        numerics: numerics, optimizer: try optimizer(), onNonFinite: job.onNonFinite, advice: advice,
        targetVariation: targetVariation)
    }
  }

  /// A checkpoint of this job.
  package func checkpoint(_ state: SavedState, _ statistics: RunStatistics) -> Checkpoint {
    Checkpoint(
      state: CheckpointState(
        job: job, fingerprint: fingerprint, step: state.step, evaluatedStep: state.evaluatedStep,
        optimizer: state.optimizer, numerics: numerics.digest, statistics: statistics, parametersSHA256: "",
        isFinite: true),
      parameters: state.parameters, slots: state.slots)
  }
}

extension Checkpoint {
  /// The state from which a coordinator resumes.
  package var savedState: SavedState {
    SavedState(
      step: state.step, evaluatedStep: state.evaluatedStep, optimizer: state.optimizer, parameters: parameters,
      slots: slots)
  }
}

extension LoadedTask {
  /// Loads the data of a coordinator's job and makes its model, which must be one of `models`.
  package init(_ welcome: Welcome, models: [ModelFactory]) throws {
    let job = try Job(welcome.job)
    guard job.numerics == Numerics.version else {
      throw OptionError(
        "the coordinator computes numerics version \(job.numerics), and this program version \(Numerics.version): "
          + "the same program is needed on every machine")
    }
    let data = try LoadedData(job.data, classify: job.classifies, seed: job.seed, microBatches: job.microBatches)
    self.init(
      model: try job.makeModel(models, shape: data.shape, target: data.target), data: data, plan: job.plan(data),
      seed: job.seed)
  }
}
