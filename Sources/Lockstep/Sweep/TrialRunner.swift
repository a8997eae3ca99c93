internal import Cluster
internal import Foundation
internal import Protocol
internal import Reports
internal import Runs
internal import Synchronization

/// Runs trials side by side, each with a coordinator in this process and a worker process, here or on other hosts.
final class TrialRunner: Sendable {
  private struct State {
    var running: [Int: CoordinatorMailbox] = [:]
    var started = 0
    var isStopped = false
    /// Places on hosts where a trial has failed, by index.
    var leftOut: Set<Int> = []
  }

  private struct Work: Sendable {
    let trial: Trial
    let job: PreparedJob
    /// The error of the host on which it has failed, if it has.
    var failure: String?
  }

  private let state = Mutex(State())
  private let cores: Int
  private let hosts: TrialHosts?

  /// - Parameter hosts: in place of this machine; a trial at a time on each of their threads.
  init(cores: Int, hosts: TrialHosts? = nil) { (self.cores, self.hosts) = (cores, hosts) }

  /// Ends all trials soon; they have no result.
  func stop(_ reason: String) {
    let mailboxes = state.withLock { state in
      state.isStopped = true
      return Array(state.running.values)
    }
    for mailbox in mailboxes { mailbox.fail(reason) }
  }

  private var isStopped: Bool { state.withLock { $0.isStopped } }

  /// Where trials run, a trial at a time each: here as many as there are cores; if there are fewer trials, their workers have
  /// more threads.
  private func places(for trials: Int) -> [TrialPlace] {
    guard let hosts else {
      return Array(repeating: .here(threads: max(1, cores / max(trials, 1))), count: min(cores, trials))
    }
    return hosts.hosts.flatMap { host in
      Array(repeating: TrialPlace.host(host.with(threads: 1), hosts), count: host.threads)
    }
  }

  /// Runs `trials`, and calls `finish` with each result, one at a time.
  ///
  /// A trial that fails on a host runs again on another, and nothing more runs in that place: the host may be the cause.
  ///
  /// - Throws: the first error of `finish`, or an error if no place is left; then no further trial is started.
  func run(
    _ trials: [(Trial, PreparedJob)], _ finish: @escaping @Sendable (TrialResult) throws -> Void
  ) throws {
    let places = places(for: trials.count)
    var left = trials.map { Work(trial: $0.0, job: $0.1, failure: nil) }
    while !left.isEmpty, !isStopped {
      let able = state.withLock { state in places.indices.filter { !state.leftOut.contains($0) } }
      guard !able.isEmpty else {
        throw TrainingError("no host is left to run trials on; the last: \(left.compactMap(\.failure).last ?? "")")
      }
      left = try run(left, able.prefix(left.count).map { ($0, places[$0]) }, finish)
    }
  }

  /// Runs `work` once.
  ///
  /// - Returns: what must run again.
  private func run(
    _ work: [Work], _ places: [(index: Int, place: TrialPlace)],
    _ finish: @escaping @Sendable (TrialResult) throws -> Void
  ) throws -> [Work] {
    let progress = Mutex((next: 0, again: [Work](), error: (any Error)?.none))
    let running = DispatchGroup()
    for (index, place) in places {
      running.enter()
      Thread.detachNewThread { [self] in
        defer { running.leave() }
        while !isStopped {
          let taken = progress.withLock { progress -> Work? in
            guard progress.next < work.count, progress.error == nil else { return nil }
            defer { progress.next += 1 }
            return work[progress.next]
          }
          guard var taken else { return }
          let result = run(taken.trial, taken.job, at: place)
          guard !isStopped else { return }
          let isOfHost = result.outcome == .failed && place.host != nil
          if isOfHost {
            state.withLock { _ = $0.leftOut.insert(index) }
            printError("warning: a place on \(place.host ?? "") is left out: \(oneLine(result.error ?? ""))")
          }
          progress.withLock { progress in
            if isOfHost, taken.failure == nil {
              taken.failure = result.error ?? ""
              progress.again.append(taken)
            } else {
              do { try finish(result) } catch { progress.error = progress.error ?? error }
            }
          }
          if isOfHost { return }
        }
      }
    }
    running.wait()
    return try progress.withLock { progress in
      if let error = progress.error { throw error }
      return isStopped ? [] : progress.again + work[progress.next...]
    }
  }

  private func run(_ trial: Trial, _ prepared: PreparedJob, at place: TrialPlace) -> TrialResult {
    var statistics = RunStatistics()
    var evaluations: [TrialResult.Evaluation] = []
    var number: Int?
    defer { if let number { state.withLock { $0.running[number] = nil } } }
    do {
      var run = try prepared.coordinated
      run.initial = try prepared.initialParameters()
      return try place.withWorker(run) { coordinator in
        number = register(coordinator.mailbox)
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
            guard let (step, loss) = prepared.plan.decidingLoss(event, statistics.summary) else { return }
            let summary = statistics.summary
            evaluations.append(
              TrialResult.Evaluation(
                step: step, examples: summary.examplesSeen, seconds: summary.stepTime.total,
                loss: loss.isFinite ? loss : nil))
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

extension StepPlan {
  /// The loss that `event` tells of the part that decides, if it does, and the steps done: the validation part's; without one,
  /// that of the training, at as many evaluations as make about 500.
  fileprivate func decidingLoss(_ event: TrainingEvent, _ summary: RunSummary) -> (step: Int, loss: Double)? {
    if validationCount > 0 {
      guard case .evaluation(let report) = event, report.part == .validation else { return nil }
      return (report.step, report.loss)
    }
    guard case .step(let report) = event, isEvaluationDue(afterStep: report.step - 1), let loss = summary.trainLoss
    else {
      return nil
    }
    let evaluations = max(totalSteps / (evaluateEvery ?? stepsPerEpoch), 1)
    let number = report.step / (evaluateEvery ?? stepsPerEpoch)
    guard report.step == totalSteps || number.isMultiple(of: (evaluations + 499) / 500) else { return nil }
    return (report.step, loss)
  }
}
