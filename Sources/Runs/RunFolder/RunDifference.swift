internal import Files
internal import Foundation

/// How two runs, or two models, differ: in the first step whose losses are not the same bits, and in which tensors.
package struct RunDifference: Sendable {
  /// Where the losses of two runs part.
  package enum Losses: Equatable, Sendable {
    /// Both have a loss of this step, and they differ.
    case differ(epoch: Int, step: Int, Double?, Double?)
    /// They differ somewhere in these steps, of which one run or both keep no single losses.
    case differWithin(epoch: Int, steps: ClosedRange<Int>)
    /// All steps that both have are equal, and one has more.
    case counts(Int, Int)
  }

  /// How a tensor differs.
  package enum Tensor: Equatable, Sendable {
    /// Only the first, or only the second has it.
    case onlyInFirst, onlyInSecond
    /// It has other sizes.
    case shapes([Int], [Int])
    /// So many of its values are other bits, by so much at most, there.
    case values(differing: Int, count: Int, largest: Double, at: [Int])
  }

  /// Where the losses part; nil where they are equal, or are not both there.
  package private(set) var losses: Losses?
  /// The tensors that differ, by name.
  package private(set) var tensors: [(name: String, difference: Tensor)] = []
  /// Steps and values that were compared.
  package private(set) var steps = 0, values = 0

  /// Whether nothing differs.
  package var isEqual: Bool { losses == nil && tensors.isEmpty }

  /// Compares what is at two paths, each a run's folder or a `.safetensors` file.
  ///
  /// - Throws: an error that names what cannot be read.
  package init(_ first: String, _ second: String) throws {
    let (left, right) = (try Side(first), try Side(second))
    if let (ours, theirs) = left.steps.flatMap({ steps in right.steps.map { (steps, $0) } }) {
      compare(ours, theirs)
    }
    compare(left.model, right.model)
  }

  /// Lines may end at other steps; their digests add up, so stretches are compared that end at the same step in both.
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
      // A NaN on one side is farther than any number.
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

/// A line of one step or several.
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

  /// Of the losses' bits; a single step's loss is its own.
  var digest: UInt64 {
    later &+ (lossDigest.flatMap { UInt64($0, radix: 16) } ?? StepLine.digest(start, loss ?? .nan))
  }

  /// Takes in the line that follows.
  mutating func add(_ next: Step) {
    later &+= next.digest
    step = next.step
  }
}

/// What is at one path.
private struct Side {
  let model: Safetensors.File
  /// A run's steps; nil for a model alone.
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
