internal import Files
internal import Foundation

/// The differences of two runs or models: the first step with different losses, and the tensors that differ.
package struct RunDifference: Sendable {
  package enum Losses: Equatable, Sendable {
    /// Both have a loss of this step; the losses differ.
    case differ(epoch: Int, step: Int, Double?, Double?)
    /// They differ in one of these steps. Single losses were not kept.
    case differWithin(epoch: Int, steps: ClosedRange<Int>)
    /// One run has more steps. Those up to ``RunDifference/steps`` are equal; later ones could not be compared.
    case counts(Int, Int)
    /// One side has no figures for these steps.
    case missing(ClosedRange<Int>)
  }

  package enum Tensor: Equatable, Sendable {
    case onlyInFirst, onlyInSecond
    case shapes([Int], [Int])
    /// The number of values with different bits, the largest difference and its position.
    case values(differing: Int, count: Int, largest: Double, at: [Int])
  }

  /// Nil if they are equal, or one side has none.
  package private(set) var losses: Losses?
  package private(set) var tensors: [(name: String, difference: Tensor)] = []
  /// Steps and values compared.
  package private(set) var steps = 0, values = 0

  /// Whether both models prepare their data in the same way: by one recipe and one scaling, if they have any.
  package private(set) var isPreparedAlike = true

  package var isEqual: Bool { losses == nil && tensors.isEmpty && isPreparedAlike }

  /// Compares what is at two paths: each a run's folder or a `.safetensors` file.
  ///
  /// - Throws: an error that names what cannot be read.
  package init(_ first: String, _ second: String) throws {
    let (left, right) = (try Side(first), try Side(second))
    if let (ours, theirs) = left.steps.flatMap({ steps in right.steps.map { (steps, $0) } }) {
      compare(ours, theirs)
    }
    compare(left.model, right.model)
    let (ours, theirs) = (ModelFile.description(in: left.model), ModelFile.description(in: right.model))
    isPreparedAlike = ours?.recipe == theirs?.recipe && ours?.scaling == theirs?.scaling
  }

  /// For tests: the losses alone.
  init(_ first: [LossSpan], _ second: [LossSpan]) { compare(first, second) }

  /// The runs' lines may end at different steps. Digests of consecutive lines can be added, so the runs are compared at
  /// steps where a line ends in both.
  private mutating func compare(_ first: [LossSpan], _ second: [LossSpan]) {
    var (left, right) = (first[...], second[...])
    while var ours = left.popFirst(), var theirs = right.popFirst() {
      while ours.end != theirs.end {
        guard let next = ours.end < theirs.end ? left.popFirst() : right.popFirst() else { break }
        let end = min(ours.end, theirs.end)
        guard next.start == end + 1 else {
          losses = .missing(end + 1...max(end + 1, next.start - 1))
          return
        }
        if ours.end < theirs.end { ours.add(next) } else { theirs.add(next) }
      }
      guard ours.start == theirs.start else {
        losses = .missing(min(ours.start, theirs.start)...max(ours.start, theirs.start) - 1)
        return
      }
      guard ours.end == theirs.end else { break }
      if ours.digest != theirs.digest {
        losses =
          ours.start == ours.end
          ? .differ(epoch: ours.epoch, step: ours.end, ours.loss, theirs.loss)
          : .differWithin(epoch: ours.epoch, steps: ours.start...ours.end)
        return
      }
      steps = ours.end
    }
    let (mine, others) = (first.last?.end ?? 0, second.last?.end ?? 0)
    if mine != others { losses = .counts(mine, others) }
  }

  private mutating func compare(_ first: Safetensors.File, _ second: Safetensors.File) {
    let (left, right) = (first.shapes, second.shapes)
    for name in Set(left.keys).union(right.keys).sorted(by: { $0.localizedStandardCompare($1) == .orderedAscending }) {
      guard let leftShape = left[name] else {
        tensors.append((name, .onlyInSecond))
        continue
      }
      guard let rightShape = right[name] else {
        tensors.append((name, .onlyInFirst))
        continue
      }
      guard leftShape == rightShape else {
        tensors.append((name, .shapes(leftShape, rightShape)))
        continue
      }
      compare(name, leftShape, first.values(of: name) ?? [], second.values(of: name) ?? [])
    }
  }

  private mutating func compare(_ name: String, _ shape: [Int], _ first: [Float], _ second: [Float]) {
    values += first.count
    var differing = 0
    var largest = (difference: -1.0, index: 0)
    for (index, (left, right)) in zip(first, second).enumerated() where left.bitPattern != right.bitPattern {
      differing += 1
      let difference = abs(Double(left) - Double(right))
      // A NaN on one side counts as the largest difference.
      if difference.isNaN || difference > largest.difference {
        largest = (difference.isNaN ? .infinity : difference, index)
      }
    }
    guard differing > 0 else { return }
    var position: [Int] = []
    var rest = largest.index
    for size in shape.reversed() {
      position.insert(rest % size, at: 0)
      rest /= size
    }
    tensors.append(
      (name, .values(differing: differing, count: first.count, largest: largest.difference, at: position)))
  }
}

/// The losses of consecutive steps.
struct LossSpan {
  private(set) var start, end: Int
  let epoch: Int
  /// The loss of a single step, or the mean.
  let loss: Double?
  private(set) var digest: UInt64

  private struct Line: Decodable {
    let event: String
    let epoch, step: Int
    let first: Int?
    let loss: Double?
    let loss_digest: String?
  }

  /// Reads a line of `metrics.jsonl`; nil if it is not of steps.
  init?(_ line: Data) throws {
    let line = try JSONDecoder().decode(Line.self, from: line)
    guard line.event == "step" || line.event == "steps" else { return nil }
    (start, end, epoch, loss) = (line.first ?? line.step, line.step, line.epoch, line.loss)
    digest = line.loss_digest.flatMap { UInt64($0, radix: 16) } ?? StepLine.digest(line.step, line.loss ?? .nan)
  }

  /// Adds the span that follows.
  mutating func add(_ next: LossSpan) {
    digest &+= next.digest
    end = next.end
  }
}

/// One side of the comparison.
private struct Side {
  let model: Safetensors.File
  /// Nil for a model.
  let steps: [LossSpan]?

  init(_ path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw FileError("\(path): no such file or folder")
    }
    guard isFolder.boolValue else {
      model = try Safetensors.File(path: path)
      steps = nil
      return
    }
    model = try Safetensors.File(path: "\(path)/model.safetensors")
    let metrics = "\(path)/metrics.jsonl"
    var found: [LossSpan] = []
    var number = 0
    guard FileManager.default.isReadableFile(atPath: metrics) else {
      throw FileError("\(metrics) cannot be read: is \(path) a run's folder?")
    }
    try forEachLine(of: metrics) { line in
      number += 1
      do {
        if let span = try LossSpan(Data(line)) { found.append(span) }
      } catch {
        throw FileError("\(metrics), line \(number) is no line of a run's metrics")
      }
    }
    steps = found
  }
}
