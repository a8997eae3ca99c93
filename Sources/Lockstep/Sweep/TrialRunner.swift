internal import Cluster
internal import Foundation
internal import Protocol
internal import Reports
internal import Runs
internal import Synchronization

/// Runs trials side by side, each with a coordinator in this process and a worker process.
final class TrialRunner: Sendable {
  private struct State {
    var running: [Int: CoordinatorMailbox] = [:]
    var started = 0
    var isStopped = false
  }

  private let state = Mutex(State())
  private let cores: Int

  init(cores: Int) { self.cores = cores }

  /// Ends all trials soon; they have no result.
  func stop(_ reason: String) {
    let mailboxes = state.withLock { state in
      state.isStopped = true
      return Array(state.running.values)
    }
    for mailbox in mailboxes { mailbox.fail(reason) }
  }

  /// Runs `trials`, as many at a time as there are cores, and calls `finish` with each result, one at a time. If there are
  /// fewer than cores, their workers have more threads.
  ///
  /// - Throws: the first error of `finish`; then no further trial is started.
  func run(
    _ trials: [(Trial, PreparedJob)], _ finish: @escaping @Sendable (TrialResult) throws -> Void
  ) throws {
    let next = Mutex(0)
    let outcome = Mutex<(any Error)?>(nil)
    let threads = max(1, cores / max(trials.count, 1))
    let running = DispatchGroup()
    for _ in 0..<min(cores, trials.count) {
      running.enter()
      Thread.detachNewThread { [self] in
        defer { running.leave() }
        while true {
          let index = next.withLock { next in
            defer { next += 1 }
            return next
          }
          guard index < trials.count, !state.withLock({ $0.isStopped }), outcome.withLock({ $0 == nil }) else { return }
          let result = run(trials[index].0, trials[index].1, threads: threads)
          guard !state.withLock({ $0.isStopped }) else { return }
          outcome.withLock { outcome in
            do { try finish(result) } catch { outcome = outcome ?? error }
          }
        }
      }
    }
    running.wait()
    if let error = outcome.withLock({ $0 }) { throw error }
  }

  private func run(_ trial: Trial, _ prepared: PreparedJob, threads: Int) -> TrialResult {
    var statistics = RunStatistics()
    var evaluations: [TrialResult.Evaluation] = []
    var number: Int?
    defer { if let number { state.withLock { $0.running[number] = nil } } }
    do {
      return try withLocalWorkers(1, threads: threads) { endpoint in
        var run = try prepared.coordinated
        run.initial = try prepared.initialParameters()
        let coordinator = try Coordinator(run, binding: endpoint, awaitedWorkers: 1, cores: threads)
        number = register(coordinator.mailbox)
        return coordinator
      } _: { coordinator in
        let metrics = prepared.model.metrics
        func finished(_ failure: TrainingError?) -> RunSummary {
          statistics.finished(
            coordinator.parameters.values, of: prepared.model.layout, seconds: statistics.summary.stepTime.total,
            failure: failure)
        }
        do {
          try coordinator.run { event in
            statistics.add(event, metrics)
            guard case .evaluation(let report) = event, report.part == prepared.plan.evaluatedPart else { return }
            let summary = statistics.summary
            evaluations.append(
              TrialResult.Evaluation(
                step: report.step, examples: summary.examplesSeen, seconds: summary.stepTime.total,
                loss: report.loss.isFinite ? report.loss : nil))
          }
        } catch {
          let failure = error as? TrainingError ?? TrainingError("\(error)")
          return TrialResult(
            trial, failure.hasDiverged ? .diverged : .failed, error: failure.description, summary: finished(failure),
            evaluations: evaluations)
        }
        return TrialResult(trial, .completed, error: nil, summary: finished(nil), evaluations: evaluations)
      }
    } catch {
      return TrialResult(trial, .failed, error: "\(error)", summary: RunSummary(), evaluations: evaluations)
    }
  }

  private func register(_ mailbox: CoordinatorMailbox) -> Int {
    let (number, isStopped) = state.withLock { state in
      state.started += 1
      state.running[state.started] = mailbox
      return (state.started, state.isStopped)
    }
    // It may have come after those that were told.
    if isStopped { mailbox.fail("the sweep has been stopped") }
    return number
  }
}
