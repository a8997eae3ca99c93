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
    var hosts = HostRecords()
    var lastFailure = ""
  }

  private struct Work: Sendable {
    let trial: Trial
    let job: PreparedJob
    /// The hosts on which it has failed.
    var failedOn: Set<String> = []
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

  /// Where trials run, a trial at a time each: here as many as there are cores, if the memory is enough for the largest; if
  /// there are fewer trials, their workers have more threads.
  private func places(for trials: [(Trial, PreparedJob)]) throws -> [TrialPlace] {
    guard let hosts else {
      let bytes = try trials.map { try $0.1.memoryBytes() }.max() ?? 0
      let places = TrialPlace.here(
        for: trials.count, cores: cores, bytes: bytes, available: MemoryWatch.availableBytes)
      if places.count < min(cores, trials.count) {
        printLine(
          "\(count(places.count, "trial")) at a time, in place of \(min(cores, trials.count)): each may take "
            + "\(grouped(bytes >> 20)) MB of memory")
      }
      return places
    }
    // In turns, so that few trials are spread over all.
    let rounds = hosts.hosts.map(\.threads).max() ?? 0
    return (0..<rounds).flatMap { round in
      hosts.hosts.filter { $0.threads > round }.map { .host($0.with(threads: 1), hosts) }
    }
  }

  /// Runs `trials`, and calls `begin` with each, and `finish` with each result, one at a time.
  ///
  /// - Throws: the first error of `finish`, or an error if no host is left (``HostRecords``); then no further trial is started.
  func run(
    _ trials: [(Trial, PreparedJob)], _ begin: @escaping @Sendable (Trial) -> Void,
    _ finish: @escaping @Sendable (TrialResult) throws -> Void
  ) throws {
    let places = try places(for: trials)
    var left = trials.map { Work(trial: $0.0, job: $0.1) }
    while !left.isEmpty, !isStopped {
      let able = state.withLock { state in places.filter { !$0.isLeftOut(of: state.hosts) } }
      guard !able.isEmpty else {
        throw TrainingError("no host is left to run trials on; the last: \(state.withLock { $0.lastFailure })")
      }
      left = try run(left, Array(able.prefix(left.count)), begin, finish)
    }
  }

  /// Runs `work` once.
  ///
  /// - Returns: what must run again.
  private func run(
    _ work: [Work], _ places: [TrialPlace], _ begin: @escaping @Sendable (Trial) -> Void,
    _ finish: @escaping @Sendable (TrialResult) throws -> Void
  ) throws -> [Work] {
    let progress = Mutex((next: 0, again: [Work](), error: (any Error)?.none))
    let running = DispatchGroup()
    for place in places {
      running.enter()
      Thread.detachNewThread { [self] in
        defer { running.leave() }
        while !isStopped, !state.withLock({ place.isLeftOut(of: $0.hosts) }) {
          let taken = progress.withLock { progress -> Work? in
            guard progress.next < work.count, progress.error == nil else { return nil }
            defer { progress.next += 1 }
            return work[progress.next]
          }
          guard var taken else { return }
          begin(taken.trial)
          let result = run(taken.trial, taken.job, at: place)
          guard !isStopped else { return }
          if runsAgain(&taken, result, at: place) {
            progress.withLock { $0.again.append(taken) }
          } else {
            progress.withLock { progress in
              do { try finish(result) } catch { progress.error = progress.error ?? error }
            }
          }
        }
      }
    }
    running.wait()
    return try progress.withLock { progress in
      if let error = progress.error { throw error }
      return isStopped ? [] : progress.again + work[progress.next...]
    }
  }

  /// Whether a trial must run again, because its host may be why it has failed.
  private func runsAgain(_ work: inout Work, _ result: TrialResult, at place: TrialPlace) -> Bool {
    guard let host = place.host else { return false }
    guard result.outcome == .failed else {
      state.withLock { $0.hosts.succeeded(host) }
      return false
    }
    let reason = oneLine(result.error ?? "")
    let verdict = state.withLock { [work] state in
      state.lastFailure = reason
      return state.hosts.failed(host, before: work.failedOn)
    }
    guard case .again(let leavesOut) = verdict else { return false }
    work.failedOn.insert(host)
    if leavesOut { printError("warning: \(host) is left out: \(reason)") }
    return true
  }

  private func run(_ trial: Trial, _ prepared: PreparedJob, at place: TrialPlace) -> TrialResult {
    var statistics = RunStatistics()
    var evaluations: [TrialResult.Evaluation] = []
    var number: Int?
    defer { if let number { state.withLock { $0.running[number] = nil } } }
    do {
      return try place.withWorker(prepared.newRun()) { coordinator in
        number = register(coordinator.mailbox)
      } _: { coordinator in
        let metrics = prepared.model.metrics
        func finished(_ failure: TrainingError?) -> RunSummary {
          statistics.finished(
            coordinator.parameters.values, of: prepared.model.layout, stateBytes: coordinator.stateBytesPerParameter,
            seconds: statistics.summary.stepTime.total, failure: failure)
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
  fileprivate func decidingLoss(
    _ event: TrainingEvent, _ summary: @autoclosure () -> RunSummary
  ) -> (step: Int, loss: Double)? {
    if validationCount > 0 {
      guard case .evaluation(let report) = event, report.part == .validation else { return nil }
      return (report.step, report.loss)
    }
    guard case .step(let report) = event, isEvaluationDue(afterStep: report.step - 1), let loss = summary().trainLoss
    else {
      return nil
    }
    let evaluations = max(totalSteps / (evaluateEvery ?? stepsPerEpoch), 1)
    let number = report.step / (evaluateEvery ?? stepsPerEpoch)
    guard report.step == totalSteps || number.isMultiple(of: (evaluations + 499) / 500) else { return nil }
    return (report.step, loss)
  }
}
