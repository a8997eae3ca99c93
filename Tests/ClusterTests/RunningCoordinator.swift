import Datasets
import Foundation
import Models
import Synchronization
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// A coordinator on a thread of its own.
final class RunningCoordinator: Sendable {
  struct Outcome {
    var address: String?
    /// After the step that is asked for.
    var checkpoint: Checkpoint?
    /// After the run.
    var last: Checkpoint?
    /// The steps that were reported.
    var reported: [Int] = []
    var warnings: [String] = []
    var error: String?
    var isOver = false
  }

  private let state = Mutex(Outcome())
  private let changed = DispatchSemaphore(value: 0)

  var outcome: Outcome { state.withLock { $0 } }

  /// Runs `prepared` in chunks of 100 parameters, with limits of a second or two.
  ///
  /// - Parameter numerics: what the coordinator takes for its own bits; nil for what they are.
  init(
    _ prepared: PreparedJob, at endpoint: String = "tcp://127.0.0.1:*", awaitedWorkers: Int = 0,
    checkpointAfter step: Int = 0, sharesMemory: Bool = false, timeline: Timeline? = nil, silence: Double = 1,
    workers: Double = 2, memory: MemoryWatch = .system, numerics: Numerics? = nil
  ) {
    var limits = Limits(silenceLimit: silence)
    limits.workerTimeout = workers
    Thread.detachNewThread { [self, limits] in
      do {
        var run = try prepared.coordinated
        run.numerics = numerics ?? run.numerics
        let coordinator = try Coordinator(
          run, binding: endpoint, awaitedWorkers: awaitedWorkers, sharesMemory: sharesMemory,
          timeline: timeline,
          limits: limits, chunkSize: 100, memory: memory)
        state.withLock { $0.address = coordinator.address }
        changed.signal()
        defer {
          let last = coordinator.state.map { prepared.checkpoint($0, RunStatistics()) }
          state.withLock { $0.last = last }
        }
        try coordinator.run { event in
          if case .warning(let text) = event { state.withLock { $0.warnings.append(text) } }
          guard case .step(let report) = event else { return }
          let checkpoint =
            report.step == step ? coordinator.state.map { prepared.checkpoint($0, RunStatistics()) } : nil
          state.withLock {
            $0.reported.append(report.step)
            $0.checkpoint = checkpoint ?? $0.checkpoint
          }
        }
        coordinator.waitForWorkers()
      } catch {
        state.withLock { $0.error = "\(error)" }
      }
      state.withLock { $0.isOver = true }
      changed.signal()
    }
  }

  /// Waits until it listens.
  func waitForAddress() throws -> String {
    _ = changed.wait(timeout: .now() + 10)
    return try #require(outcome.address, "\(outcome.error ?? "it does not listen")")
  }

  /// Waits until the run is over.
  func waitForEnd(seconds: Double = 60) -> Outcome {
    let deadline = DispatchTime.now() + seconds
    while !outcome.isOver, changed.wait(timeout: deadline) == .success {}
    return outcome
  }
}

/// A worker of one thread, on a thread of its own.
final class RunningWorker: Sendable {
  private let mailbox = Mutex(WorkerMailbox?.none)
  private let started = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)
  private let failure = Mutex(String?.none)

  /// - Parameter data: what it computes with instead of the job's own; nil for that.
  init(
    _ address: String, name: String = Worker.name, models: [ModelFactory] = ModelFactory.builtIn,
    with data: LoadedData? = nil
  ) {
    Thread.detachNewThread { [self] in
      defer { ended.signal() }
      do {
        let worker = try Worker(connecting: address, name: name, threads: 1) { welcome in
          var task = try LoadedTask(welcome, models: models)
          if let data { (task.data, task.plan) = (data, try Job(welcome.job).plan(data)) }
          return task
        }
        mailbox.withLock { $0 = worker.mailbox }
        started.signal()
        try worker.run()
      } catch {
        failure.withLock { $0 = "\(error)" }
        started.signal()
      }
    }
    started.wait()
  }

  /// Waits until it ends by itself; why it has failed.
  func waitForEnd() -> String? {
    ended.wait()
    ended.signal()
    return failure.withLock { $0 }
  }

  /// Ends it, where it has not ended; why it has failed.
  @discardableResult func end() -> String? {
    mailbox.withLock { $0?.fail("the test is over") }
    ended.wait()
    return failure.withLock { $0 }
  }
}
