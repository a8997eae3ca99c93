internal import Datasets
internal import Foundation
internal import Models
internal import Optimizers
package import Protocol
internal import Schema

/// Keeps a run's ``RunStatus`` up to date with its events.
package struct StatusRecorder {
  /// Steps in ``RunStatus/recentSteps``.
  private static let recentSteps = 8
  /// Members that have left and are still shown.
  private static let gone = 20
  /// Steps with more workers are not drawn.
  private static let drawnWorkers = 256

  private var status: RunStatus
  private let metrics: MetricSchema
  /// Their reports, the newest at `recentCount - 1` modulo the array's size.
  private var recent: [StepReport] = []
  private var recentCount = 0
  private var threads: [Int: Int] = [:]
  private var activeCount = 0
  private var evaluations: [String: Double] = [:]
  private var gone: [RunStatus.Worker] = []
  private var known: [Int: RunStatus.Worker] = [:]
  private var shares: [Int: ShareMeter] = [:]
  private var rate: (steps: RateMeter, examples: RateMeter) = (RateMeter(), RateMeter())
  private var trained = (steps: 0, skipped: 0, examples: 0, seconds: 0.0)
  private var progress = Instant(nanoseconds: 0)
  /// Of the steps before this process.
  private let earlier: TimeSplit

  /// - Parameters:
  ///   - statistics: of the run so far.
  ///   - program: this program's version.
  package init(_ prepared: PreparedJob, _ statistics: RunStatistics, headline: String, program: String, now: Double) {
    let plan = prepared.plan
    earlier = statistics.summary.stepTime
    metrics = prepared.model.metrics
    status = RunStatus(
      pid: getpid(), host: ProcessInfo.processInfo.hostName, program: program, started: now, updated: now,
      lastProgress: now, headline: headline, model: prepared.job.modelText, optimizer: prepared.job.optimizer.name,
      data: prepared.featureCount > 0 ? prepared.job.data.data : "none", totalSteps: plan.totalSteps,
      stepsPerEpoch: plan.stepsPerEpoch, totalEpochs: plan.totalEpochs,
      figures: metrics.figures.map { RunStatus.Named(name: $0.name, title: $0.title) },
      microBatches: prepared.job.microBatches)
    let summary = statistics.summary
    (status.step, status.epoch, status.examples) = (summary.steps, statistics.epoch, summary.examplesSeen)
  }

  /// Takes in an event. Cheap, because there may be ten thousand a second.
  package mutating func add(_ event: TrainingEvent, at now: Instant) {
    switch event {
    case .step(let report):
      status.durations.add(report.seconds)
      if recent.count < StatusRecorder.recentSteps {
        recent.append(report)
      } else {
        recent[recentCount % StatusRecorder.recentSteps] = report
      }
      recentCount += 1
      trained.steps += 1
      trained.examples += report.examples
      trained.skipped += report.isSkipped ? 1 : 0
      trained.seconds += report.seconds
      progress = now
    case .evaluation(let report):
      for key in evaluations.keys where key.hasPrefix("\(report.part)_") { evaluations[key] = nil }
      evaluations["\(report.part)_loss"] = report.loss.isFinite ? report.loss : nil
      for (name, value) in report.figures where value.isFinite { evaluations["\(report.part)_\(name)"] = value }
      progress = now
    case .workerJoined(_, let number, let count, let active):
      threads[number] = count
      activeCount = active
      status.joinedWorkers += 1
    case .workerLeft(_, let number, let reason, let active):
      activeCount = active
      status.lostWorkers += 1
      shares[number] = nil
      threads[number] = nil
      guard var worker = known.removeValue(forKey: number) else { return }
      (worker.state, worker.reason) = ("left", reason)
      (worker.busy, worker.waiting, worker.sending) = (nil, nil, nil)
      gone = (gone + [worker]).suffix(StatusRecorder.gone)
    case .waiting, .relays, .leftOut, .otherNumerics, .warning: break
    }
  }

  package mutating func addCheckpoint(step: Int, now: Double) {
    status.checkpoints += 1
    status.checkpoint = RunStatus.Checkpoint(step: step, time: now)
  }

  /// What the coordinator itself knows.
  package struct Network {
    package var roster: [MemberStatus]
    package var topology: Topology
    package var bytes: (sent: Int, received: Int)
    package var reassignedLeaves: Int

    package init(
      roster: [MemberStatus], topology: Topology, bytes: (sent: Int, received: Int), reassignedLeaves: Int
    ) {
      (self.roster, self.topology, self.bytes) = (roster, topology, bytes)
      self.reassignedLeaves = reassignedLeaves
    }
  }

  /// The status now.
  ///
  /// - Parameters:
  ///   - now: in seconds since 1970, and on the monotonic clock.
  package mutating func status(
    _ network: Network, _ statistics: RunStatistics, now: (wall: Double, instant: Instant)
  ) -> RunStatus {
    let summary = statistics.summary
    status.state = activeCount > 0 ? .running : .waiting
    status.updated = now.wall
    if progress.nanoseconds > 0 { status.lastProgress = now.wall - now.instant.seconds(since: progress) }
    (status.step, status.epoch, status.examples) = (summary.steps, statistics.epoch, summary.examplesSeen)
    status.skippedSteps = summary.skippedSteps
    status.latest = evaluations
    if let last = recent.isEmpty ? nil : recent[(recentCount - 1) % StatusRecorder.recentSteps] {
      status.learningRate = last.learningRate.isFinite ? last.learningRate : nil
      if last.loss.isFinite { status.latest["train_loss"] = last.loss }
      for (name, value) in metrics.values(weight: last.weight, last.sums) { status.latest["train_\(name)"] = value }
      status.stepsPerSecond = rate.steps.rate(trained.steps, at: now.instant)
      status.examplesPerSecond = rate.examples.rate(trained.examples, at: now.instant)
      status.secondsLeft = trained.seconds / Double(trained.steps) * Double(status.totalSteps - summary.steps)
    }
    status.process = RunStatus.Process(
      steps: trained.steps, skippedSteps: trained.skipped, examples: trained.examples)
    let time = summary.stepTime
    status.phases = RunStatus.Phases(
      compute: time.compute - earlier.compute, wait: time.wait - earlier.wait,
      sumUpdate: time.sumUpdate - earlier.sumUpdate, transfer: time.transfer - earlier.transfer)
    status.bytes = RunStatus.Bytes(sent: network.bytes.sent, received: network.bytes.received)
    status.reassignedLeaves = network.reassignedLeaves
    status.topology = network.topology.description
    status.workers = network.roster.map { worker($0, now) } + gone
    status.recentSteps = recentReports.map(step)
    return status
  }

  /// The status at the run's end.
  package mutating func ended(
    _ network: Network, _ statistics: RunStatistics, failure: String?, now: (wall: Double, instant: Instant)
  ) -> RunStatus {
    var ended = status(network, statistics, now: now)
    (ended.state, ended.error, ended.secondsLeft) = (failure == nil ? .completed : .failed, failure, nil)
    return ended
  }

  private mutating func worker(_ member: MemberStatus, _ now: (wall: Double, instant: Instant)) -> RunStatus.Worker {
    var worker = RunStatus.Worker(
      number: member.number, name: member.name, host: RunStatus.Worker.host(of: member.name), threads: member.threads,
      state: member.state.rawValue, isSlow: member.isSlow, parent: member.parent, sharesMemory: member.sharesMemory,
      leaves: member.finishedLeaves, busySeconds: member.computedSeconds, lastHeard: now.wall - member.silence)
    guard member.number > 0 else { return worker }
    if member.threads > 0 {
      let share = shares[member.number, default: ShareMeter(member, now.instant)].share(member, at: now.instant)
      (worker.busy, worker.waiting, worker.sending) = (share?.busy, share?.waiting, share?.sending)
    }
    known[member.number] = worker
    return worker
  }

  private var recentReports: [StepReport] {
    guard recent.count == StatusRecorder.recentSteps else { return recent }
    let oldest = recentCount % StatusRecorder.recentSteps
    return Array(recent[oldest...] + recent[..<oldest])
  }

  private func step(_ report: StepReport) -> RunStatus.Step {
    RunStatus.Step(
      step: report.step, seconds: report.seconds, sumUpdate: report.sumUpdateSeconds, transfer: report.sendSeconds,
      workers: report.computeSeconds.prefix(StatusRecorder.drawnWorkers).map { part in
        RunStatus.Step.Part(
          number: part.worker, from: min(part.from, report.seconds), to: min(part.to, report.seconds),
          compute: part.seconds / Double(max(threads[part.worker] ?? 1, 1)))
      })
  }
}

extension RunStatus.Worker {
  /// The host of a worker with a default name; nil for one with a name of its own.
  static func host(of name: String) -> String? {
    guard let slash = name.lastIndex(of: "/"), Int(name[name.index(after: slash)...]) != nil else { return nil }
    return String(name[..<slash])
  }
}

/// How often something happens in a second, over the last seconds. Steps may take minutes, so a rate stays until there
/// is something new.
private struct RateMeter {
  private var since: (count: Int, time: Instant)?
  private var rate: Double?

  mutating func rate(_ count: Int, at now: Instant) -> Double? {
    guard let (first, start) = since else {
      since = (count, now)
      return nil
    }
    let seconds = now.seconds(since: start)
    guard count > first, seconds >= 0.5 else { return rate }
    let current = Double(count - first) / seconds
    rate = rate.map { $0 + (current - $0) * min(1, seconds / 2) } ?? current
    since = (count, now)
    return rate
  }
}

/// What a worker spends its time on. Its computing is known when it has finished leaves, so shares are taken between such
/// moments.
private struct ShareMeter {
  private var first: MemberStatus
  private var start: Instant
  private var share: (busy: Double, waiting: Double, sending: Double)?

  init(_ member: MemberStatus, _ now: Instant) { (first, start) = (member, now) }

  mutating func share(_ member: MemberStatus, at now: Instant) -> (busy: Double, waiting: Double, sending: Double)? {
    let seconds = now.seconds(since: start)
    guard seconds >= 1, member.finishedLeaves > first.finishedLeaves || member.state != .busy else { return share }
    let busy = min(max((member.computedSeconds - first.computedSeconds) / seconds, 0), 1)
    let assigned = min(max((member.assignedSeconds - first.assignedSeconds) / seconds, busy), 1)
    share = (busy, 1 - assigned, assigned - busy)
    (first, start) = (member, now)
    return share
  }
}
