/// What was measured of one part of the data (training, validation or test) after which steps. Values that are missing are
/// NaN.
struct Curve {
  /// Of the metrics file, from 1; ascending.
  private(set) var lines: [Int] = []
  private(set) var firsts: [Int] = []
  private(set) var steps: [Int] = []
  /// Seconds of training until then.
  private(set) var times: [Double] = []
  /// By the name of what is measured.
  private(set) var columns: [String: [Double]] = [:]
  /// The extremes of the losses of a line's steps; empty but for the training.
  private(set) var least: [Double] = []
  private(set) var most: [Double] = []

  var count: Int { steps.count }

  /// Names that no figure of a model can have.
  private static let own: Set = ["loss", "learning_rate", "examples_per_second"]
  /// At most so many columns; a file may name any number.
  private static let mostColumns = 64

  mutating func append(_ line: MetricsLine, number: Int, time: Double) {
    lines.append(number)
    firsts.append(line.first)
    steps.append(line.step)
    times.append(time)
    set("loss", line.loss)
    if line.event == .steps {
      set("learning_rate", line.learningRate)
      set("examples_per_second", line.seconds > 0 ? Double(line.examples) / line.seconds : nil)
      least.append(line.leastLoss ?? line.loss ?? .nan)
      most.append(line.mostLoss ?? line.loss ?? .nan)
    }
    for (name, value) in line.figures where !Curve.own.contains(name) { set(name, value) }
    let count = count
    for name in Array(columns.keys) where columns[name]!.count < count { columns[name]!.append(.nan) }
  }

  private mutating func set(_ name: String, _ value: Double?) {
    guard columns[name] != nil || columns.count < Curve.mostColumns else { return }
    let earlier = count - 1
    columns[name, default: Array(repeating: .nan, count: earlier)].append(value ?? .nan)
  }

  /// The index of the first point whose line is at least `line`.
  func index(ofLine line: Int) -> Int { partition(lines) { $0 >= line } }

  /// The indices of the points with steps in `range`.
  func indices(of range: ClosedRange<Int>) -> Range<Int> {
    let start = partition(steps) { $0 >= range.lowerBound }
    return start..<max(partition(steps) { $0 > range.upperBound }, start)
  }

  private func partition(_ values: [Int], _ isAfter: (Int) -> Bool) -> Int {
    var (low, high) = (0, values.count)
    while low < high {
      let middle = (low + high) / 2
      if isAfter(values[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The points of `range` as JSON; neighbours are merged so that there are at most `limit`. A merged point has the mean,
  /// weighted by steps.
  func json(_ range: Range<Int>, limit: Int) -> String {
    let size = max((range.count + limit - 1) / max(limit, 1), 1)
    let groups = stride(from: range.lowerBound, to: range.upperBound, by: size).map {
      $0..<min($0 + size, range.upperBound)
    }
    func array(_ value: (Range<Int>) -> Double) -> String {
      "[" + groups.map { number(value($0)) }.joined(separator: ",") + "]"
    }
    func mean(_ column: [Double]) -> (Range<Int>) -> Double {
      { group in
        if group.count == 1 { return column[group.lowerBound] }
        let first = column[group.lowerBound]
        // Rounding would make the mean of equal values another one.
        if group.allSatisfy({ column[$0] == first }) { return first }
        var (sum, weight) = (0.0, 0.0)
        for index in group where column[index].isFinite {
          let steps = Double(steps[index] - firsts[index] + 1)
          sum += column[index] * steps
          weight += steps
        }
        return sum / weight
      }
    }
    let columns = columns.sorted { $0.key < $1.key }.map { name, column in
      var text = "\(quoted(name)):{\"mean\":" + array(mean(column))
      if name == "loss", !least.isEmpty {
        text += ",\"min\":" + array { least[$0].filter(\.isFinite).min() ?? .nan }
        text += ",\"max\":" + array { most[$0].filter(\.isFinite).max() ?? .nan }
      }
      return text + "}"
    }
    return "{\"step\":[" + groups.map { "\(steps[$0.upperBound - 1])" }.joined(separator: ",") + "],\"time\":"
      + array { times[$0.upperBound - 1] } + ",\"columns\":{" + columns.joined(separator: ",") + "}}"
  }
}
