import Foundation
import Models
import Testing

@testable import Protocol
@testable import Runs
@testable import Schema

/// How a run is, from its events.
@Suite struct StatusRecorderTests {
  private func recorder() throws -> StatusRecorder {
    var options = JobOptions()
    try options.set("epochs", to: "2")
    let prepared = try PreparedJob(options, models: ModelKinds.registry.all)
    return StatusRecorder(prepared, RunStatistics(), headline: "headline", program: "1", now: 100)
  }

  private func step(_ step: Int, loss: Double = 0.5) -> TrainingEvent {
    .step(
      StepReport(
        step: step, epoch: 1, examples: 10, weight: 10, sums: [10 * loss, 5], seconds: 0.002,
        computeSeconds: [WorkerSeconds(worker: 1, seconds: 0.002, from: 0, to: 0.0015)], sumUpdateSeconds: 0.0001,
        sendSeconds: 0.0002))
  }

  private func member(leaves: Int, assigned: Double, computed: Double) -> MemberStatus {
    MemberStatus(
      number: 1, name: "nova/12", threads: 2, state: .idle, isSlow: false, parent: nil, sharesMemory: true,
      finishedLeaves: leaves, assignedSeconds: assigned, computedSeconds: computed, silence: 0.25)
  }

  private func network(_ members: [MemberStatus]) -> StatusRecorder.Network {
    StatusRecorder.Network(roster: members, topology: .star, bytes: (sent: 7, received: 8), reassignedLeaves: 9)
  }

  private func at(_ seconds: Double) -> (wall: Double, instant: Instant) {
    (1000 + seconds, Instant(nanoseconds: 1).advanced(by: seconds))
  }

  @Test func theLastValuesAndTheLastStepsAreShown() throws {
    var recorder = try recorder()
    var statistics = RunStatistics()
    let schema = MetricSchema(["correct"], figures: [.mean("accuracy", of: "correct", title: "accuracy")])
    recorder.add(.workerJoined(name: "nova/12", number: 1, threads: 2, count: 1), at: at(0).instant)
    for number in 1...20 {
      recorder.add(step(number), at: at(1).instant)
      statistics.add(step(number), schema)
    }
    recorder.add(
      .evaluation(
        EvaluationReport(
          part: .test, step: 20, epoch: 1, examples: 5, loss: 0.25, figures: ["accuracy": 0.75], seconds: 0.1)),
      at: at(1).instant)
    let status = recorder.status(network([member(leaves: 3, assigned: 0, computed: 0)]), statistics, now: at(2))
    #expect(status.state == .running && status.step == 20 && status.process.steps == 20 && status.examples == 200)
    #expect(
      status.latest == ["train_loss": 0.5, "train_accuracy": 0.5, "test_loss": 0.25, "test_accuracy": 0.75])
    #expect(status.recentSteps.map(\.step) == Array(13...20))
    #expect(status.recentSteps[0].workers == [RunStatus.Step.Part(number: 1, from: 0, to: 0.0015, compute: 0.001)])
    #expect(status.durations.counts.reduce(0, +) == 20 && abs(status.durations.sum - 0.04) < 1e-12)
    #expect(status.lastProgress == 1001 && status.updated == 1002)
    #expect(status.workers[0].host == "nova" && status.workers[0].lastHeard == 1001.75)
    #expect(status.bytes.sent == 7 && status.reassignedLeaves == 9)
    #expect(try RunStatus.decode(status.encoded()) == status)
    // The loss is missing where it is not finite, and is not the one before.
    recorder.add(step(21, loss: .nan), at: at(2).instant)
    #expect(recorder.status(network([]), statistics, now: at(3)).latest["train_loss"] == nil)
  }

  @Test func aWorkersTimeIsSharedOutBetweenMomentsInWhichItHasFinished() throws {
    var recorder = try recorder()
    recorder.add(.workerJoined(name: "nova/12", number: 1, threads: 2, count: 1), at: at(0).instant)
    func worker(_ seconds: Double, _ member: MemberStatus) -> RunStatus.Worker {
      recorder.status(network([member]), RunStatistics(), now: at(seconds)).workers[0]
    }
    #expect(worker(0, member(leaves: 0, assigned: 0, computed: 0)).busy == nil)
    let first = worker(2, member(leaves: 4, assigned: 1.5, computed: 1))
    #expect(first.busy == 0.5 && first.sending == 0.25 && first.waiting == 0.25)
    // It computes, and has finished nothing: what is known stays.
    var computing = member(leaves: 4, assigned: 5, computed: 1)
    computing.state = .busy
    #expect(worker(6, computing).busy == 0.5)
    computing.finishedLeaves = 8
    computing.computedSeconds = 5
    let later = worker(6, computing)
    #expect(later.busy == 1 && later.sending == 0 && later.waiting == 0)
  }

  @Test func thoseThatHaveLeftAreShownWithTheReasonAndAreNotTooMany() throws {
    var recorder = try recorder()
    for number in 1...50 {
      recorder.add(.workerJoined(name: "w\(number)", number: number, threads: 1, count: 1), at: at(0).instant)
      var one = member(leaves: 1, assigned: 0, computed: 0)
      (one.number, one.name) = (number, "w\(number)")
      _ = recorder.status(network([one]), RunStatistics(), now: at(0))
      recorder.add(.workerLeft(name: "w\(number)", number: number, reason: "gone", count: 0), at: at(0).instant)
    }
    let status = recorder.status(network([]), RunStatistics(), now: at(1))
    #expect(status.state == .waiting && status.lostWorkers == 50 && status.joinedWorkers == 50)
    #expect(status.workers.map(\.number) == Array(31...50))
    #expect(status.workers.allSatisfy { $0.state == "left" && $0.reason == "gone" })
    let end = recorder.ended(network([]), RunStatistics(), failure: "why", now: at(2))
    #expect(end.state == .failed && end.error == "why")
  }
}
