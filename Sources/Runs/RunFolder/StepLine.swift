internal import Foundation
internal import Protocol

/// Steps that follow each other, as one line of `metrics.jsonl`.
///
/// The first 8,192 steps have a line each, the next 8,192 share one by twos, the 16,384 after these by fours, and so on: a
/// line spans 2ᵏ steps, k growing with each doubling of the steps, so that no run has more than about 150,000 such lines. A
/// line ends early before an evaluation, an epoch's end or a checkpoint.
///
/// A line of several steps carries the mean, the smallest and the largest loss, and a digest of the losses' bits: the sum,
/// modulo 2⁶⁴, of a hash of each step's number and loss. Digests of neighbours add up, so runs can be compared whose lines
/// end elsewhere.
struct StepLine: Equatable {
  /// The first and the last step, from 1.
  private(set) var first: Int
  private(set) var last: Int
  private(set) var digest: UInt64
  private let epoch: Int
  private var examples: Int
  private var skipped: Int
  private var losses: (count: Int, sum: Double, least: Double, most: Double)
  private var report: StepReport

  /// Steps that have a line each.
  static let single = 8192
  /// The most workers whose compute seconds are listed; of more, only their sum.
  static let mostWorkers = 64

  /// How many steps share the line of `step`, from 1, which is number ⌈step / span⌉ of such lines.
  static func span(of step: Int) -> Int {
    step <= single ? 1 : 1 << (Int.bitWidth - ((step - 1) / single).leadingZeroBitCount)
  }

  /// The hash of one step's loss (SplitMix64's finalizer, as in Steele, Lea & Flood, OOPSLA 2014). Every NaN is the same.
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
    losses = loss.isFinite ? (1, loss, loss, loss) : (0, 0, .infinity, -.infinity)
    self.report = report
  }

  /// Whether the next step belongs to this line.
  func accepts(_ report: StepReport) -> Bool {
    let span = StepLine.span(of: report.step)
    return report.step == last + 1 && StepLine.span(of: first) == span && (first - 1) / span == (report.step - 1) / span
  }

  /// Whether no step is missing.
  var isFull: Bool { last % StepLine.span(of: last) == 0 }

  /// Takes in the next step.
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
    var sum = next
    sum.seconds += report.seconds
    sum.sumUpdateSeconds += report.sumUpdateSeconds
    sum.sendSeconds += report.sendSeconds
    sum.computeSeconds += report.computeSeconds
    report = sum
  }

  /// The line, without its end.
  var text: String {
    func json(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
    let compute = Dictionary(report.computeSeconds.map { ($0.worker, $0.seconds) }, uniquingKeysWith: +)
    let workers =
      first == last && compute.count <= StepLine.mostWorkers
      ? "{" + compute.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\(json($0.value))" }.joined(separator: ",") + "}"
      : json(compute.values.reduce(0, +))
    let rates =
      "\"learning_rate\":\(json(report.learningRate)),\"seconds\":\(json(report.seconds)),"
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

  static func == (left: StepLine, right: StepLine) -> Bool { left.text == right.text }
}
