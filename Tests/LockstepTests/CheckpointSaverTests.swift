import Foundation
import Kernels
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Datasets
@testable import Lockstep
@testable import Protocol
@testable import Runs
@testable import Schema

/// When a run is saved whose data has held-out parts.
@Suite struct CheckpointSaverTests {
  /// A run of 24 steps, 12 of them an epoch.
  private func prepared(_ parts: [HeldOutPart]) throws -> PreparedJob {
    var options = JobOptions()
    for (name, value) in [("model", "linear"), ("optimizer", "sgd"), ("epochs", "2")] {
      try options.set(name, to: value)
    }
    var data = try options.load()
    if parts.contains(.validation) { data.validation = data.test }
    return try PreparedJob(options, data, models: ModelKinds.registry.all)
  }

  private func evaluation(_ part: HeldOutPart, _ step: Int) -> TrainingEvent {
    .evaluation(EvaluationReport(part: part, step: step, epoch: 1, examples: 1, loss: 1, figures: [:], seconds: 0))
  }

  private func step(_ step: Int) -> TrainingEvent {
    .step(StepReport(step: step, epoch: 1, examples: 1, weight: 1, sums: [1], seconds: 0, computeSeconds: []))
  }

  private func withStore(_ prepared: PreparedJob, _ body: (CheckpointStore, CheckpointSaver) throws -> Void) throws {
    let run = FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: run) }
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    let store = CheckpointStore(run: run)
    try body(store, CheckpointSaver(store, prepared, every: .steps(1), start: 0, saved: nil))
  }

  @Test func aRunIsSavedAfterEachEvaluationButForTheLast() throws {
    let last = [step(24), evaluation(.validation, 24), evaluation(.test, 24)]
    try withStore(prepared([.test])) { _, saver in
      #expect([step(11), step(12), evaluation(.test, 12)].map(saver.isDue) == [true, false, true])
      #expect([last[0], last[2]].map(saver.isDue) == [false, false])
    }
    try withStore(prepared([.validation, .test])) { _, saver in
      #expect([step(11), step(12), evaluation(.validation, 12)].map(saver.isDue) == [true, false, true])
      #expect(last.map(saver.isDue) == [false, true, false])
    }
  }

  @Test func whatIsEvaluatedAfterTheLastSaveIsSavedInTheEnd() throws {
    let prepared = try prepared([.validation, .test])
    let parameters = FloatBuffer(count: prepared.model.layout.count)
    func checkpoint(_ evaluated: [HeldOutPart: Int]) -> Checkpoint {
      prepared.checkpoint(
        SavedState(
          step: 24, evaluatedSteps: evaluated, optimizer: OptimizerState(), parameters: parameters,
          slots: FloatBuffer(count: 0)), RunStatistics())
    }
    try withStore(prepared) { store, saver in
      #expect(saver.isDue(evaluation(.validation, 24)))
      saver.save(checkpoint([.validation: 24]))
      saver.finish()
      func saved() throws -> [HeldOutPart: Int] { try Checkpoint.state(at: store.folder(ofStep: 24)).evaluatedSteps }
      #expect(try saved() == [.validation: 24])
      #expect(!saver.isDue(evaluation(.test, 24)))
      try saver.saveAtOnce(checkpoint([.validation: 24, .test: 24]))
      #expect(try saved() == [.validation: 24, .test: 24])
      #expect(saver.takeFailures().isEmpty)
    }
  }
}
