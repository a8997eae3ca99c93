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
    func json(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
    let compute = report.computeSeconds
    let workers =
      first == last && compute.count <= StepLine.mostWorkers
      ? "{" + compute.map { "\"\($0.worker)\":\(json($0.seconds))" }.joined(separator: ",") + "}"
      : json(compute.reduce(0) { $0 + $1.seconds })
    let values = metrics.values(weight: weight, sums)
    let figures = metrics.figures.compactMap { figure in
      values[figure.name].map { "\"train_\(figure.name)\":\($0)," }
    }.joined()
    let rates =
      figures + "\"time\":\(time),\"learning_rate\":\(json(report.learningRate)),\"seconds\":\(json(report.seconds)),"
      + "\"compute_seconds\":\(workers),\"sum_update_seconds\":\(json(report.sumUpdateSeconds)),"
      + "\"send_seconds\":\(json(report.sendSeconds))}"
    guard first < last else {
      return "{\"event\":\"step\",\"step\":\(last),\"epoch\":\(epoch),\"examples\":\(examples),"
        + "\"loss\":\(json(report.loss))\(report.isSkipped ? ",\"skipped\":true" : ""),\(rates)"
    }
    return "{\"event\":\"steps\",\"first\":\(first),\"step\":\(last),\"epoch\":\(epoch),\"examples\":\(examples),"
      + "\"loss\":\(json(losses.sum / Double(losses.count))),\"loss_min\":\(json(losses.least)),"
      + "\"loss_max\":\(json(losses.most)),\"loss_digest\":\"\(String(digest, radix: 16))\",\"skipped\":\(skipped),\(rates)"
  }
}
