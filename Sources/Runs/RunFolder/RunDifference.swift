internal import Files
internal import Foundation

/// The differences of two runs or models: the first step with different losses, and the tensors that differ.
package struct RunDifference: Sendable {
  package enum Losses: Equatable, Sendable {
    /// Both have a loss of this step; the losses differ.
    case differ(epoch: Int, step: Int, Double?, Double?)
    /// They differ in one of these steps. Single losses were not kept.
    case differWithin(epoch: Int, steps: ClosedRange<Int>)
    /// All common steps are equal, and one run has more.
    case counts(Int, Int)
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

  package var isEqual: Bool { losses == nil && tensors.isEmpty }

  /// Compares what is at two paths: each a run's folder or a `.safetensors` file.
  ///
  /// - Throws: an error that names what cannot be read.
  package init(_ first: String, _ second: String) throws {
    let (left, right) = (try Side(first), try Side(second))
    if let (ours, theirs) = left.steps.flatMap({ steps in right.steps.map { (steps, $0) } }) {
      compare(ours, theirs)
    }
    compare(left.model, right.model)
  }

  /// The runs' lines may end at different steps. Digests of consecutive lines can be added, so the runs are compared at
  /// steps where a line ends in both.
  private mutating func compare(_ first: [Step], _ second: [Step]) {
    var (left, right) = (first[...], second[...])
    while var ours = left.popFirst(), var theirs = right.popFirst() {
      let start = min(ours.start, theirs.start)
      let isSingle = ours.start == ours.step && theirs.start == theirs.step
      while ours.step != theirs.step {
        if ours.step < theirs.step {
          guard let next = left.popFirst() else { break }
          ours.add(next)
        } else {
          guard let next = right.popFirst() else { break }
          theirs.add(next)
        }
      }
      guard ours.step == theirs.step else { break }
      if ours.digest != theirs.digest {
        losses =
          isSingle && start == ours.step
          ? .differ(epoch: ours.epoch, step: ours.step, ours.loss, theirs.loss)
          : .differWithin(epoch: ours.epoch, steps: start...ours.step)
        return
      }
      steps = ours.step
    }
    let (mine, others) = (first.last?.step ?? 0, second.last?.step ?? 0)
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

/// A line of `metrics.jsonl`, of one or several steps.
private struct Step: Decodable {
  let event: String
  let epoch: Int
  var step: Int
  let first: Int?
  let loss: Double?
  let lossDigest: String?
  private var later: UInt64 = 0

  private enum CodingKeys: String, CodingKey {
    case event, epoch, step, first, loss
    case lossDigest = "loss_digest"
  }

  var start: Int { first ?? step }

  /// The digest of the losses; computed if the line has only one.
  var digest: UInt64 {
    later &+ (lossDigest.flatMap { UInt64($0, radix: 16) } ?? StepLine.digest(start, loss ?? .nan))
  }

  /// Adds the next line.
  mutating func add(_ next: Step) {
    later &+= next.digest
    step = next.step
  }
}

/// One side of the comparison.
private struct Side {
  let model: Safetensors.File
  /// Nil for a model.
  let steps: [Step]?

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
    let decoder = JSONDecoder()
    var found: [Step] = []
    var number = 0
    guard FileManager.default.isReadableFile(atPath: metrics) else {
      throw FileError("\(metrics) cannot be read: is \(path) a run's folder?")
    }
    try forEachLine(of: metrics) { line in
      number += 1
      guard let step = try? decoder.decode(Step.self, from: Data(line)) else {
        throw FileError("\(metrics), line \(number) is no line of a run's metrics")
      }
      if step.event == "step" || step.event == "steps" { found.append(step) }
    }
    steps = found
  }
}
