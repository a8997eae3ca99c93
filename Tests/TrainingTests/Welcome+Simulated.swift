import Datasets

@testable import Training

extension Welcome {
  /// A job that nobody reads.
  static let simulated: Welcome = {
    do {
      var options = JobOptions()
      try options.set("steps", to: "1")
      let data = try LoadedData(options.source, classify: nil, seed: 0)
      return Welcome(job: try options.resolve(data), scaling: Scaling(offset: [], factor: []), chunkSize: 2)
    } catch {
      preconditionFailure("\(error)")
    }
  }()
}

extension Numerics {
  /// What all workers of a test compute.
  static let simulated = Numerics(
    digest: "d", processor: "p", instructionSet: "AVX2", library: "oneDNN 2", build: "release")
}
