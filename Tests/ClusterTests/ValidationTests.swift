import Foundation
import Kernels
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Datasets
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// Runs whose data has a validation part.
@Suite struct ValidationTests {
  private let prepared: PreparedJob
  private let data: LoadedData

  /// An evaluation, and the run as it was after it.
  private struct Evaluated {
    let report: EvaluationReport
    let state: SavedState?
  }

  init() throws {
    var options = JobOptions()
    for (name, value) in [
      ("model", "mlp:6"), ("steps", "7"), ("evaluate-every", "3"), ("batch-size", "64"), ("micro-batches", "4"),
      ("schedule", "plateau"), ("plateau-patience", "0"), ("learning-rate", "0.01"),
    ] {
      try options.set(name, to: value)
    }
    var data = try options.load()
    let train = data.train.dataset
    data.validation = Examples(
      train, permutation: IndexPermutation(count: train.count, seed: 3, stream: Streams.split), range: 0..<600)
    self.data = data
    prepared = try PreparedJob(options, data, models: ModelFactory.builtIn)
  }

  /// Runs to the end with workers of one thread each.
  private func run(
    workers: Int, sharesMemory: Bool = false, resuming saved: SavedState? = nil
  ) throws -> (evaluations: [Evaluated], last: SavedState) {
    var limits = Limits()
    limits.workerTimeout = 20
    let coordinator = try Coordinator(
      prepared.coordinated, binding: "tcp://127.0.0.1:*", awaitedWorkers: workers, resuming: saved,
      sharesMemory: sharesMemory, limits: limits, chunkSize: 100)
    let running = (1...workers).map { RunningWorker(coordinator.address, name: "worker \($0)", with: data) }
    defer { for worker in running { worker.end() } }
    var evaluations: [Evaluated] = []
    try coordinator.run { event in
      guard case .evaluation(let report) = event else { return }
      // Copied, because a run spares the slots of a single checkpoint.
      let state = coordinator.state.map {
        SavedState(
          step: $0.step, evaluatedSteps: $0.evaluatedSteps, optimizer: $0.optimizer,
          parameters: FloatBuffer($0.parameters.array), slots: FloatBuffer($0.slots.array))
      }
      evaluations.append(Evaluated(report: report, state: state))
    }
    coordinator.waitForWorkers()
    return (evaluations, try #require(coordinator.state))
  }

  private func text(_ evaluation: Evaluated) -> String {
    let report = evaluation.report
    let figures = report.figures.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.bitPattern)" }
    return "\(report.part) \(report.step) \(report.examples) \(report.loss.bitPattern) \(figures)"
  }

  @Test(
    "the validation part is evaluated each time and the test part at the end, to the bits of a plain evaluation",
    arguments: [(1, false), (3, false), (2, true)])
  func evaluations(_ workers: Int, _ sharesMemory: Bool) throws {
    let (evaluations, last) = try run(workers: workers, sharesMemory: sharesMemory)
    #expect(evaluations.map(\.report.part) == [.validation, .validation, .validation, .test])
    #expect(evaluations.map(\.report.step) == [3, 6, 7, 7])
    #expect(evaluations.map(\.report.examples) == [600, 600, 600, 359])
    #expect(last.evaluatedSteps == [.validation: 7, .test: 7])
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("model-\(UUID()).safetensors").path
    defer { unlink(path) }
    for evaluated in evaluations {
      let state = try #require(evaluated.state)
      try ModelFile.write(state.parameters.values, step: state.step, of: prepared, to: path)
      let report = evaluated.report
      let plain = Evaluation(
        try ModelFile(path: path, models: ModelFactory.builtIn), on: try #require(data.heldOut[report.part]))
      #expect(plain.loss.bitPattern == report.loss.bitPattern && plain.figures == report.figures)
    }
  }

  @Test func thePlateauScheduleFollowsTheValidationPartAlone() throws {
    let (evaluations, last) = try run(workers: 1)
    var optimizer = try prepared.optimizer()
    for evaluated in evaluations where evaluated.report.part == .validation {
      optimizer.evaluated(loss: evaluated.report.loss)
    }
    #expect(last.optimizer.plateau == optimizer.state.plateau && last.optimizer.plateau.best != nil)
  }

  @Test func aRunThatEndedBetweenItsLastEvaluationsDoesTheMissingOneOnly() throws {
    let whole = try run(workers: 2)
    let saved = try #require(whole.evaluations[2].state)
    #expect(saved.evaluatedSteps == [.validation: 7])
    let resumed = try run(workers: 1, resuming: saved)
    #expect(resumed.evaluations.map(text) == whole.evaluations[3...].map(text))
    #expect(resumed.last.parameters.array == whole.last.parameters.array)
    #expect(resumed.last.evaluatedSteps == whole.last.evaluatedSteps)
    #expect(resumed.last.optimizer.plateau == whole.last.optimizer.plateau)
    // The last step's evaluations are done again from before it.
    let earlier = try #require(whole.evaluations[1].state)
    #expect(try run(workers: 1, resuming: earlier).evaluations.map(text) == whole.evaluations[2...].map(text))
  }
}
