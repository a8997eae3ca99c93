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
        job: job.sent, plan: plan,
        fingerprint: fingerprint, scaling: scaling,
        recipe: try recipe.map { DataRecipe(sha256: try $0.digest, json: try $0.json) }, model: model, seed: job.seed,
        numerics: numerics, optimizer: try optimizer(), onNonFinite: job.onNonFinite, precision: job.precision,
        advice: advice,
        targetVariation: targetVariation)
    }
  }

  /// A run that starts anew, with ``initialParameters()``.
  package func newRun() throws -> CoordinatedRun {
    var run = try coordinated
    run.initial = try initialParameters()
    return run
  }

  /// About the most bytes that a run with one worker on this machine and without checkpoints takes, beside the data that this
  /// process holds: the coordinator's vectors, gradients among them, and the worker's data and activations.
  package func memoryBytes() throws -> Int {
    let count = model.layout.count
    let examples = plan.trainCount + plan.validationCount + plan.testCount
    let activations = job.batchSize * (model.network?.valuesPerExample ?? 0)
    let vectors = MemoryWatch.vectorBytes(count, try optimizer(), job.precision, workers: 0, hasCheckpoints: false)
    return vectors + MemoryLayout<Float>.size * (activations + examples * featureCount) + 32 << 20
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
      parameters: state.parameters, slots: state.slots, average: state.average)
  }
}

extension Checkpoint {
  /// The state from which a coordinator resumes.
  package var savedState: SavedState {
    SavedState(
      step: state.step, evaluatedSteps: state.evaluatedSteps, optimizer: state.optimizer, parameters: parameters,
      slots: slots, average: average)
  }
}

extension Recipe {
  /// Reads a coordinator's recipe.
  fileprivate init(_ sent: DataRecipe) throws {
    try self.init(json: sent.json)
    var hash = SHA256()
    hash.update(sent.json)
    let digest = hash.digest.hex
    guard digest == sent.sha256 else {
      throw DatasetError(
        "the coordinator's recipe of the data is \(sent.sha256.prefix(12))…, and what came is \(digest.prefix(12))…: the "
          + "same program is needed on every machine")
    }
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
    let recipe = try welcome.recipe.map { try Recipe($0) }
    let data = try LoadedData(
      job.data, for: LoadedData.Purpose(classify: job.classifies, recipe: recipe), seed: job.seed,
      microBatches: job.microBatches)
    let (model, plan) = (try job.makeModel(models, shape: data.shape, target: data.target, recipe), job.plan(data))
    self.init(
      model: model, data: data, plan: plan, seed: job.seed, precision: job.precision, isAveraged: job.isAveraged,
      optimizer: try plan.local.map { _ in try job.makeOptimizer(model, plan) })
  }
}
