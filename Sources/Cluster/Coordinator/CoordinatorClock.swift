internal import Protocol
internal import Reduction

/// Measures what the coordinator's thread spends time on, for reports and the timeline.
struct CoordinatorClock {
  let timeline: Timeline?
  /// Since the last report of a step or an evaluation.
  private var sumUpdateSeconds = 0.0
  private var sendSeconds = 0.0
  private var reportEnd = Instant(nanoseconds: 0)

  init(_ timeline: Timeline?) { self.timeline = timeline }

  /// Counts the time of reading a message from the socket.
  mutating func countReceive(since start: Instant) { sendSeconds += Instant.now.seconds(since: start) }

  /// Counts time that the sums and updates of chunks took.
  mutating func countSumming(seconds: Double) { sumUpdateSeconds += seconds }

  /// Counts the time of carrying out `action` on the coordinator's own thread.
  ///
  /// - Parameters:
  ///   - number: gives a worker's number.
  mutating func account(
    _ action: CoordinatorMachine.Action, since start: Instant,
    number: (CoordinatorMachine.Peer) -> Int?
  ) {
    let end = Instant.now
    let seconds = end.seconds(since: start)
    switch action {
    case .send(let header, _, let peer):
      sendSeconds += seconds
      guard let timeline, header.kind == .parameters || header.kind == .assign else { return }
      timeline.record(
        .send, from: start, to: end, step: Int(header.step),
        leaves: header.kind == .assign ? header.leafRange : nil,
        chunk: header.kind == .parameters ? Int(header.chunk) : nil, worker: number(peer))
    case .report(.step(let report)):
      timeline?.record(
        .step, from: max(start.advanced(by: -report.seconds), reportEnd), to: start, step: report.step - 1)
      reportEnd = start
    case .keep, .combine, .discard, .check, .update, .advance, .skip, .report, .end: break
    }
  }

  /// Adds the measured times to a step's report. Tasks follow each other without a gap, so the next task's times start
  /// here; the steps of a round share its times.
  ///
  /// - Parameter learningRate: gives that of a step, counted from 1.
  mutating func addTimes(
    to event: TrainingEvent, _ plan: StepPlan, learningRate: (_ step: Int) -> Double
  ) -> TrainingEvent {
    switch event {
    case .step(var report):
      let share = 1 / Double(plan.stepAfter(report.step - 1) - report.step + 1)
      let (sumUpdate, send) = (sumUpdateSeconds * share, sendSeconds * share)
      // More was counted before the first step, while workers joined.
      report.sumUpdateSeconds = min(sumUpdate, report.seconds)
      report.sendSeconds = min(send, report.seconds - report.sumUpdateSeconds)
      report.learningRate = learningRate(report.step)
      (sumUpdateSeconds, sendSeconds) = (sumUpdateSeconds - sumUpdate, sendSeconds - send)
      return .step(report)
    case .evaluation:
      (sumUpdateSeconds, sendSeconds) = (0, 0)
      return event
    case .workerJoined, .workerLeft, .waiting, .relays, .leftOut, .otherNumerics, .warning: return event
    }
  }
}
