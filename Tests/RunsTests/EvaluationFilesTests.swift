import Foundation
import Kernels
import Models
import Testing

@testable import Cluster
@testable import Datasets
@testable import Protocol
@testable import Runs
@testable import Schema

/// What a run's files say of its evaluations.
@Suite struct EvaluationFilesTests {
  private func evaluation(_ part: HeldOutPart, _ step: Int, loss: Double) -> TrainingEvent {
    .evaluation(
      EvaluationReport(
        part: part, step: step, epoch: 1, examples: 5, loss: loss, figures: ["accuracy": loss / 2], seconds: 0.5))
  }

  private func summary(_ events: [TrainingEvent]) -> RunSummary {
    var statistics = RunStatistics()
    for event in events { statistics.add(event, .loss) }
    return statistics.summary
  }

  @Test func metricsAndSummaryNameThePart() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    var options = JobOptions()
    try options.set("model", to: "linear")
    let prepared = try PreparedJob(options, models: ModelFactory.builtIn)
    let folder = try RunFolder(path, prepared, overwrites: false) { Issue.record("\($0)") }
    let events = [evaluation(.validation, 12, loss: 0.5), evaluation(.test, 12, loss: 0.75)]
    for event in events { try folder.record(event) }
    let summary = summary(events)
    try folder.finish(summary, model: nil)
    #expect(
      try String(contentsOfFile: "\(path)/metrics.jsonl", encoding: .utf8).replacing(/"time":[0-9.]+/, with: "time")
        == """
        {"event":"evaluation","step":12,"epoch":1,"examples":5,"validation_loss":0.5,"validation_accuracy":0.25,time,"seconds":0.5}
        {"event":"evaluation","step":12,"epoch":1,"examples":5,"test_loss":0.75,"test_accuracy":0.375,time,"seconds":0.5}

        """)
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/summary.json"))
    let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    let figures = object.filter { $0.key.hasPrefix("validation_") || $0.key.hasPrefix("test_") }
    #expect(
      figures as? [String: Double] == [
        "validation_loss": 0.5, "validation_accuracy": 0.25, "test_loss": 0.75, "test_accuracy": 0.375,
      ])
    let read = try JSONDecoder().decode(RunSummary.self, from: data)
    #expect(read.validation == summary.validation && read.test == summary.test)
  }

  @Test func theDecidingLossIsTheValidationParts() {
    #expect(summary([]).decidingLoss == nil)
    #expect(summary([evaluation(.test, 1, loss: 2)]).decidingLoss == 2)
    #expect(summary([evaluation(.test, 1, loss: 2)]).decidingPart == .test)
    #expect(summary([evaluation(.validation, 1, loss: 3), evaluation(.test, 1, loss: 2)]).decidingLoss == 3)
  }

  @Test("a test of earlier parameters is no longer told")
  func anEarlierTest() {
    let ended = [evaluation(.validation, 1, loss: 3), evaluation(.test, 1, loss: 2)]
    #expect(summary(ended).testLoss == 2)
    let resumed = summary(ended + [evaluation(.validation, 2, loss: 1)])
    #expect(resumed.testLoss == nil && resumed.validationLoss == 1)
  }

  @Test func eachPartHasItsOwnDenominatorOfRSquared() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("rows-\(UUID()).csv").path
    defer { unlink(path) }
    try Data(("x,y\n" + (0..<20).map { "\($0),\($0 * $0)\n" }.joined()).utf8).write(to: URL(fileURLWithPath: path))
    var options = JobOptions()
    for (name, value) in [("data", path), ("model", "linear"), ("loss", "mse")] { try options.set(name, to: value) }
    var data = try options.load()
    data.validation = data.train
    let variation = try PreparedJob(options, data, models: ModelFactory.builtIn).targetVariation
    #expect(variation[.validation] == data.train.targetVariation && variation[.test] == data.test?.targetVariation)
    #expect(variation.count == 2 && variation[.validation] != variation[.test])
  }
}
