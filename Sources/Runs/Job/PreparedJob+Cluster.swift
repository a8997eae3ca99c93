package import Cluster
internal import Datasets
internal import Files
internal import Foundation
package import Kernels
package import Models
package import Protocol
internal import Schema

extension PreparedJob {
  /// The parts of the job that a coordinator needs, but for ``initialParameters()``.
  package var coordinated: CoordinatedRun {
    get throws {
      CoordinatedRun(
        job: Dictionary(job.values.map { ($0.name, $0.value) }) { first, _ in first }, plan: plan,
        fingerprint: fingerprint, scaling: scaling, model: model, seed: job.seed,
        numerics: numerics, optimizer: try optimizer(), onNonFinite: job.onNonFinite, advice: advice,
        targetVariation: targetVariation)
    }
  }

  /// The parameters of the saved model that a new run starts from, whose tensors must have the names and shapes of this
  /// job's model; nil for those that the seed determines.
  ///
  /// - Throws: ``FileError`` that names the tensor that does not fit.
  package func initialParameters() throws -> FloatBuffer? {
    guard let path = job.initial else { return nil }
    let parameters = FloatBuffer(count: model.layout.count)
    do {
      try Safetensors.File(path: ModelFile.path(in: path)).read(into: parameters.all, layout: model.layout)
    } catch let error as FileError {
      throw FileError("--initial: \(error.description)")
    }
    return parameters
  }

  /// A checkpoint of this job.
  package func checkpoint(_ state: SavedState, _ statistics: RunStatistics) -> Checkpoint {
    Checkpoint(
      state: CheckpointState(
        job: job, fingerprint: fingerprint, step: state.step, evaluatedStep: state.evaluatedSteps[.test],
        validatedStep: state.evaluatedSteps[.validation], optimizer: state.optimizer, numerics: numerics.digest,
        statistics: statistics, parametersSHA256: "",
        isFinite: true),
      parameters: state.parameters, slots: state.slots)
  }
}

extension Checkpoint {
  /// The state from which a coordinator resumes.
  package var savedState: SavedState {
    SavedState(
      step: state.step, evaluatedSteps: state.evaluatedSteps, optimizer: state.optimizer, parameters: parameters,
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
