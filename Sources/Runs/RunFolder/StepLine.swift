internal import Foundation
internal import Protocol
internal import Schema

/// A line of `metrics.jsonl`: one step, or several consecutive ones.
///
/// The first 8,192 steps have a line each, the next 8,192 a line for two steps, the next 16,384 a line for four, and so
/// on. A line spans 2ᵏ steps, and k grows each time the number of steps doubles, so no run has more than about 150,000
/// such lines. A line ends early before an evaluation, the end of an epoch or a checkpoint.
///
/// A line of several steps has the mean, the smallest and the largest loss, and a digest of the losses' bits: the sum
/// modulo 2⁶⁴ of a hash of each step's number and loss. Digests of consecutive lines can be added, so runs whose lines
/// end at different steps can be compared.
struct StepLine {
  /// From 1.
  private(set) var first: Int
  private(set) var last: Int
  private(set) var digest: UInt64
  private let epoch: Int
  private var examples: Int
  private var skipped: Int
  private var losses: (count: Int, sum: Double, least: Double, most: Double)
  /// Of the steps that were not skipped.
  private var weight = 0.0
  private var sums: [Double] = []
  private var report: StepReport

  /// The number of steps with their own line.
  static let single = 8192
  /// With more workers, only the sum of their compute seconds is written.
  static let mostWorkers = 64

  /// The number of steps in the line of `step`, from 1. It is line ⌈step / span⌉ of this span.
  static func span(of step: Int) -> Int {
    step <= single ? 1 : 1 << (Int.bitWidth - ((step - 1) / single).leadingZeroBitCount)
  }

  /// The hash of a step's loss (SplitMix64's finalizer, as in Steele, Lea & Flood, OOPSLA 2014). All NaNs have the same
  /// hash.
  static func digest(_ step: Int, _ loss: Double) -> UInt64 {
    func mix(_ value: UInt64) -> UInt64 {
      var z = value &+ 0x9E37_79B9_7F4A_7C15
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    return mix(mix(UInt64(step)) ^ (loss.isFinite ? loss : .nan).bitPattern)
  }

  init(_ report: StepReport) {
    (first, last, epoch) = (report.step, report.step, report.epoch)
    examples = report.examples
    skipped = report.isSkipped ? 1 : 0
    let loss = report.loss
    digest = StepLine.digest(report.step, loss)
    losses = loss.isFinite && !report.isSkipped ? (1, loss, loss, loss) : (0, 0, .infinity, -.infinity)
    self.report = report
    if !report.isSkipped { (weight, sums) = (report.weight, report.sums) }
  }

  /// Whether `report` is the next step of this line.
  func accepts(_ report: StepReport) -> Bool {
    let span = StepLine.span(of: report.step)
    return report.step == last + 1 && StepLine.span(of: first) == span && (first - 1) / span == (report.step - 1) / span
  }

  var isFull: Bool { last % StepLine.span(of: last) == 0 }

  mutating func add(_ next: StepReport) {
    let other = StepLine(next)
    last = other.last
    digest &+= other.digest
    examples += other.examples
    skipped += other.skipped
    losses = (
      losses.count + other.losses.count, losses.sum + other.losses.sum, min(losses.least, other.losses.least),
      max(losses.most, other.losses.most)
    )
    weight += other.weight
    if !other.sums.isEmpty { sums = sums.isEmpty ? other.sums : zip(sums, other.sums).map(+) }
    var sum = next
    sum.seconds += report.seconds
    sum.sumUpdateSeconds += report.sumUpdateSeconds
    sum.sendSeconds += report.sendSeconds
    sum.computeSeconds += report.computeSeconds
    report = sum
  }

  /// The line, without its end.
  ///
  /// - Parameters:
  ///   - metrics: of the model. The figures' names get `train_` before them.
  ///   - time: of its last step, in seconds since 1970.
  func text(_ metrics: MetricSchema, time: Double) -> String {
    var text = ""
    text.reserveCapacity(512)
    func add(_ name: StaticString, _ value: Double) {
      text += ",\"\(name)\":"
      text += value.isFinite ? "\(value)" : "null"
    }
    let isOne = first == last
    text += isOne ? "{\"event\":\"step\"" : "{\"event\":\"steps\",\"first\":\(first)"
    text += ",\"step\":\(last),\"epoch\":\(epoch),\"examples\":\(examples)"
    if isOne {
      add("loss", report.loss)
      if report.isSkipped { text += ",\"skipped\":true" }
    } else {
      add("loss", losses.sum / Double(losses.count))
      add("loss_min", losses.least)
      add("loss_max", losses.most)
      text += ",\"loss_digest\":\"\(String(digest, radix: 16))\",\"skipped\":\(skipped)"
    }
    if !metrics.figures.isEmpty {
      let values = metrics.values(weight: weight, sums)
      for figure in metrics.figures {
        if let value = values[figure.name] { text += ",\"train_\(figure.name)\":\(value)" }
      }
    }
    add("time", time)
    add("learning_rate", report.learningRate)
    add("seconds", report.seconds)
    if isOne, report.computeSeconds.count <= StepLine.mostWorkers {
      text += ",\"compute_seconds\":{"
      for (index, worker) in report.computeSeconds.enumerated() {
        text += index == 0 ? "\"\(worker.worker)\":" : ",\"\(worker.worker)\":"
        text += worker.seconds.isFinite ? "\(worker.seconds)" : "null"
      }
      text += "}"
    } else {
      add("compute_seconds", report.computeSeconds.reduce(0) { $0 + $1.seconds })
    }
    add("sum_update_seconds", report.sumUpdateSeconds)
    add("send_seconds", report.sendSeconds)
    text += "}"
    return text
  }
}
