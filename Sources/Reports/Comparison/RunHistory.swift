package import Protocol
package import Runs
package import Schema

/// What a comparison shows of a run: a condensed loss curve, its epochs, and how its steps spent their time.
package struct RunHistory: Equatable, Sendable {
  /// Means over consecutive steps.
  package struct CurvePoint: Equatable, Codable, Sendable {
    package var step: Double
    /// Since the first worker joined.
    package var seconds: Double
    package var loss: Double
  }

  /// The end of an epoch, or of the run within an epoch.
  package struct Epoch: Equatable, Sendable {
    package var epoch: Int
    package var step: Int
    package var parametersSHA256: String
    /// Figures by name, as in the summary.
    package var train: [String: Double] = [:]
    package var validation: [String: Double] = [:]
    package var test: [String: Double] = [:]

    /// The figures of `part`; nil for the training part.
    package func figures(of part: HeldOutPart?) -> [String: Double] {
      switch part {
      case .validation: validation
      case .test: test
      case nil: train
      }
    }
  }

  /// The largest number of points of a curve.
  package static let curvePoints = 300

  package private(set) var epochs: [Epoch] = []
  package private(set) var steps = 0
  package private(set) var examples = 0
  /// The number of steps per point of the curve. It doubles whenever there are too many points.
  package private(set) var stepsAPoint = 1
  private var points: [CurvePoint] = []
  private var open = (count: 0, sum: CurvePoint(step: 0, seconds: 0, loss: 0))
  private var times = TimeSplit()
  private var threads: [Int: Int] = [:]

  package init() {}

  package static func == (left: RunHistory, right: RunHistory) -> Bool {
    left.curve == right.curve && left.epochs == right.epochs && left.times == right.times
  }

  /// The loss over steps and time. The last point may average fewer steps.
  package var curve: [CurvePoint] { open.count > 0 ? points + [mean(open.sum, Double(open.count))] : points }

  /// The largest number of points of a smoothed curve. With more, curves of several optimizers would hide each other.
  package static let smoothedPoints = 60

  /// The number of the curve's points per point of the smoothed curve.
  package var pointsASmoothedPoint: Int {
    max(1, (curve.count + RunHistory.smoothedPoints - 1) / RunHistory.smoothedPoints)
  }

  /// The curve with fewer points, which are means. The first may average fewer points.
  package var smoothedCurve: [CurvePoint] {
    let (curve, size) = (curve, pointsASmoothedPoint)
    let first = curve.count % size
    let starts = (first > 0 ? [0] : []) + Array(stride(from: first, to: curve.count, by: size))
    return zip(starts, starts.dropFirst() + [curve.count]).map { start, end in
      let sum = curve[start..<end].reduce(into: CurvePoint(step: 0, seconds: 0, loss: 0)) { sum, point in
        sum.step += point.step
        sum.seconds += point.seconds
        sum.loss += point.loss
      }
      return mean(sum, Double(end - start))
    }
  }

  /// The mean over all steps; nil if there are none.
  package var timesAStep: TimeSplit? { steps > 0 ? times / steps : nil }

  /// Trained examples per second of the steps' time, without evaluations.
  package var examplesASecond: Double? { times.total > 0 ? Double(examples) / times.total : nil }

  /// Records an event that came `seconds` after the first worker joined.
  package mutating func add(_ event: TrainingEvent, at seconds: Double) {
    switch event {
    case .workerJoined(_, let number, let count, _): threads[number] = count
    case .step(let report):
      steps += 1
      examples += report.examples
      times += TimeSplit(report, threads: threads)
      open.count += 1
      open.sum.step += Double(report.step)
      open.sum.seconds += seconds
      open.sum.loss += report.loss
      if open.count == stepsAPoint { closePoint() }
    case .evaluation(let report):
      guard let last = epochs.indices.last, epochs[last].step == report.step else { return }
      let figures = report.figures.merging(["loss": report.loss]) { $1 }
      switch report.part {
      case .validation: epochs[last].validation = figures
      case .test: epochs[last].test = figures
      }
    case .workerLeft, .waiting, .relays, .leftOut, .otherNumerics, .warning: break
    }
  }

  /// Records the end of an epoch or of the run. Its evaluations follow as events.
  package mutating func endEpoch(_ summary: RunSummary, parametersSHA256: String) {
    epochs.append(
      Epoch(epoch: summary.epochs, step: summary.steps, parametersSHA256: parametersSHA256, train: summary.train))
  }

  private mutating func closePoint() {
    points.append(mean(open.sum, Double(open.count)))
    open = (0, CurvePoint(step: 0, seconds: 0, loss: 0))
    guard points.count == RunHistory.curvePoints else { return }
    points = stride(from: 0, to: points.count, by: 2).map { index in
      let (left, right) = (points[index], points[index + 1])
      let sum = CurvePoint(
        step: left.step + right.step, seconds: left.seconds + right.seconds, loss: left.loss + right.loss)
      return mean(sum, 2)
    }
    stepsAPoint *= 2
  }

  private func mean(_ sum: CurvePoint, _ count: Double) -> CurvePoint {
    CurvePoint(step: sum.step / count, seconds: sum.seconds / count, loss: sum.loss / count)
  }
}

extension RunHistory.Epoch: Encodable {
  private enum CodingKeys: String, CodingKey {
    case epoch, step, parametersSHA256
  }

  /// Prefixes the figures' names with `train_`, `validation_` and `test_`.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(epoch, forKey: .epoch)
    try container.encode(step, forKey: .step)
    try container.encode(parametersSHA256, forKey: .parametersSHA256)
    try PrefixedFigures.write(train, to: encoder, "train_")
    try PrefixedFigures.write(validation, to: encoder, "validation_")
    try PrefixedFigures.write(test, to: encoder, "test_")
  }
}
