import Foundation
import Kernels
import Models
import Synchronization
import Testing
import Wire
import ZeroMQ

@testable import Training

/// A run that fails while a step is being updated is saved after that step all the same.
@Suite struct CompletedStepTests {
  /// What a coordinator in a thread of its own has come to.
  private final class Outcome: Sendable {
    struct Value {
      var address: String?
      /// After the step that is asked for.
      var checkpoint: Checkpoint?
      var last: Checkpoint?
      var reported: [Int] = []
      var error: String?
      var isOver = false
    }
    let value = Mutex(Value())
  }

  private let prepared: PreparedJob

  init() throws {
    var options = JobOptions()
    for (name, value) in [("model", "mlp:6"), ("steps", "5"), ("batch-size", "64"), ("micro-batches", "4")] {
      try options.set(name, to: value)
    }
    prepared = try PreparedJob(options, models: ModelFactory.builtIn)
  }

  /// Runs a coordinator and a worker of one thread each. Where `cut` says so of a message of the worker, it is the last
  /// one that reaches the coordinator.
  private func run(checkpointAfter step: Int, cut: (Header) -> Bool) throws -> Outcome.Value {
    let outcome = Outcome()
    var limits = Limits(silence: 1)
    limits.workers = 2
    Thread.detachNewThread { [prepared, limits] in
      do {
        let coordinator = try Coordinator(
          prepared, binding: "tcp://127.0.0.1:*", awaitedWorkers: 1, sharesMemory: false, limits: limits,
          chunkSize: 100)
        outcome.value.withLock { $0.address = coordinator.address }
        defer {
          let last = coordinator.checkpoint(RunStatistics(), isLast: true)
          outcome.value.withLock { $0.last = last }
        }
        try coordinator.run { event in
          guard case .step(let report) = event else { return }
          let checkpoint = report.step == step ? coordinator.checkpoint(RunStatistics(), isLast: false) : nil
          outcome.value.withLock {
            $0.reported.append(report.step)
            $0.checkpoint = checkpoint ?? $0.checkpoint
          }
        }
      } catch {
        outcome.value.withLock { $0.error = "\(error)" }
      }
      outcome.value.withLock { $0.isOver = true }
    }
    let context = Context()
    let front = try Socket(context, .router)
    try front.set(.linger(milliseconds: 0))
    try front.bind("tcp://127.0.0.1:*")
    let back = try Socket(context, .dealer)
    try back.set(.linger(milliseconds: 0))
    let waker = Waker()
    var poller = Poller(front, waker)
    while outcome.value.withLock({ $0.address == nil && !$0.isOver }) { try poller.wait(milliseconds: 1) }
    try back.connect(#require(outcome.value.withLock { $0.address }))
    let address = try front.lastEndpoint
    let mailbox = Mutex(WorkerMailbox?.none)
    let workerEnded = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      defer { workerEnded.signal() }
      guard let worker = try? Worker(connecting: address, threads: 1, models: ModelFactory.builtIn) else { return }
      mailbox.withLock { $0 = worker.mailbox }
      try? worker.run()
    }
    var worker: Message?
    var isCut = false
    while outcome.value.withLock({ !$0.isOver }) {
      try poller.wait(milliseconds: 1)
      while let received = try front.receiveFrames(limit: 3) {
        worker = received.frames[0]
        let frames = received.frames.dropFirst()
        guard !isCut, let head = frames.first else { continue }
        isCut = cut(try Header(decoding: head.bytes))
        for frame in frames { try back.send(frame, more: frame !== frames.last) }
      }
      while let received = try back.receiveFrames(limit: 3), let worker {
        try front.send(Message(copying: worker.bytes), more: true)
        for frame in received.frames { try front.send(frame, more: frame !== received.frames.last) }
      }
    }
    mailbox.withLock { $0?.fail("the test is over") }
    workerEnded.wait()
    return outcome.value.withLock { $0 }
  }

  @Test("a step of which a part is updated is completed, to the same bits", arguments: [0, 2])
  func completes(lastChunk: UInt32) throws {
    let undisturbed = try run(checkpointAfter: 3) { _ in false }
    #expect(undisturbed.error == nil)
    let whole = try #require(undisturbed.checkpoint)
    let failed = try run(checkpointAfter: 3) { $0.kind == .push && $0.step == 2 && $0.chunk == lastChunk }
    #expect(failed.error?.contains("have not answered for 2 s") == true, "\(failed.error ?? "no error")")
    #expect(failed.reported == [1, 2, 3], "the completed step is reported as well")
    let saved = try #require(failed.last, "the run can be saved")
    #expect(saved.state.step == 3)
    #expect(saved.state.optimizer == whole.state.optimizer)
    #expect(saved.parameters.array.map(\.bitPattern) == whole.parameters.array.map(\.bitPattern))
    #expect(saved.slots.array.map(\.bitPattern) == whole.slots.array.map(\.bitPattern))
  }
}
