import Schema

@testable import Protocol

extension Welcome {
  /// A job that nobody reads.
  static let simulated = Welcome(
    job: ["steps": .whole(1)], onNonFinite: .stop, scaling: FeatureScaling(offset: [], factor: []), chunkSize: 2)

  /// The same in skip mode.
  static let skipping: Welcome = {
    var welcome = simulated
    welcome.onNonFinite = .skip
    return welcome
  }()
}

extension Numerics {
  /// What all workers of a test compute.
  static let simulated = Numerics(
    digest: "d", processor: "p", kernels: "AVX2, 8 floats a vector", build: "release")
}

extension NodeMetrics {
  /// Metrics of a model that sums its loss alone, each example of weight 1.
  init(examples: Int64 = 0, loss: Double = 0, computeSeconds: Double = 0, flaw: Flaw? = nil) {
    self.init(
      examples: examples, weight: Double(examples), sums: [loss], computeSeconds: computeSeconds, flaw: flaw)
  }
}

extension SharedMemoryNames {
  /// Of a worker that shares memory with the coordinator.
  static let simulated = SharedMemoryNames(
    vectors: SharedVectorsName(process: 1, descriptor: 0, token: 1, vectors: 1, count: 1),
    inbox: PipeName(process: 1, descriptor: 0, inode: 1))
}
