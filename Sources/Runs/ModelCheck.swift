package import Datasets
internal import Foundation
internal import Kernels
package import Models
internal import Protocol
internal import Reduction
internal import Schema
internal import Synchronization

/// Checks what ``Model`` requires of a model, as far as examples can show it. A model that breaks its contract gives
/// other bits with another number of workers.
package struct ModelCheck {
  package struct Finding: Sendable {
    /// A sentence that is true of a correct model.
    package let claim: String
    /// Why it is not true of this model; nil if it is.
    package let problem: String?
  }

  package let findings: [Finding]

  /// Checks the model of `prepared` on the first examples of `data`, at its initial parameters.
  ///
  /// - Throws: an error of making the model a second time.
  package init(_ prepared: PreparedJob, _ data: LoadedData, models: [ModelFactory]) throws {
    let second = try prepared.job.makeModel(models, shape: data.shape, target: data.target, data.recipe)
    func findings<M: Model>(_ model: M) -> [Finding] { Trial(model, prepared, data).findings(second) }
    self.findings = findings(prepared.model)
  }
}

/// Checks a model on one batch.
private struct Trial<M: Model> {
  private typealias Finding = ModelCheck.Finding

  private let model: M
  private let prepared: PreparedJob
  private let data: LoadedData
  private let parameters: FloatBuffer
  private let count: Int
  private let place: Batch.Place
  /// Of different sizes, none below the least. If there are enough examples, one has the least.
  private let microBatches: [Range<Int>]

  /// A NaN whose bits no computation gives.
  private let unwritten = Float(bitPattern: 0x7FD5_A5A5)

  init(_ model: M, _ prepared: PreparedJob, _ data: LoadedData) {
    (self.model, self.prepared, self.data) = (model, prepared, data)
    parameters = FloatBuffer(count: model.layout.count)
    model.initialize(parameters.all, seed: prepared.job.seed)
    let count = min(prepared.plan.trainCount, 23)
    self.count = count
    place = Batch.Place(seed: prepared.job.seed, step: 0, position: 0)
    let least = model.leastExamples
    let starts = least > 1 ? [0, 3, 4, 6, 8].map { $0 * least } : [0, 9, 10, 16, 22]
    let cuts = starts.filter { $0 == 0 || $0 + least <= count } + [count]
    microBatches = zip(cuts, cuts.dropFirst()).map { $0..<$1 }
  }

  /// The bits of a gradient and its metrics.
  private struct Result: Equatable {
    let gradient: [UInt32]
    let metrics: [[UInt64]]

    init(_ gradient: FloatBuffer, _ metrics: [Metrics]) {
      self.gradient = gradient.array.map(\.bitPattern)
      self.metrics = metrics.map { ([$0.weight] + $0.sums).map(\.bitPattern) }
    }
  }

  /// One thread's scratch memory.
  private final class Memory {
    var workspace: M.Workspace
    var scratch = ScratchVectors()
    let buffer: BatchBuffer

    init(_ trial: Trial) {
      workspace = trial.model.makeWorkspace()
      buffer = BatchBuffer(trial.data.train, scaling: trial.prepared.scaling)
    }
  }

  private func compute(
    _ microBatches: [Range<Int>], filledWith value: Float, in memory: Memory, at parameters: FloatBuffer
  ) -> (gradient: FloatBuffer, metrics: [Metrics]) {
    let gradient = FloatBuffer(count: model.layout.count)
    gradient.all.fill(value)
    let first = microBatches[0].lowerBound
    var place = place
    place.position += first
    let batch = memory.buffer.gather(first..<microBatches[microBatches.count - 1].upperBound, place: place)
    let metrics = withExtendedLifetime(parameters) {
      model.gradient(
        of: batch, microBatches: microBatches.map { $0.lowerBound - first..<$0.upperBound - first },
        at: parameters.values, into: gradient.all, using: &memory.workspace, scratch: &memory.scratch)
    }
    return (gradient, metrics)
  }

  func findings(_ second: any Model) -> [ModelCheck.Finding] {
    let memory = Memory(self)
    let (gradient, metrics) = compute(microBatches, filledWith: unwritten, in: memory, at: parameters)
    let expected = Result(gradient, metrics)
    let written = checkWritten(gradient)
    var findings = [
      Finding(claim: "made twice, it has the same tensors and initial parameters", problem: checkMaking(second)),
      Finding(claim: "every value of the gradient is written", problem: written),
      Finding(claim: "the loss and the gradient are finite", problem: checkFinite(gradient, metrics)),
      Finding(claim: "a weight and the sums of its schema come with each micro-batch", problem: checkSums(metrics)),
      Finding(claim: "the same micro-batches give the same bits again", problem: checkRepetition(expected, memory)),
      Finding(claim: "two threads at once give the same bits", problem: checkThreads(expected)),
      Finding(
        claim: "micro-batches together give the bits of each alone, summed along the tree",
        problem: checkAlone(expected, memory)),
      Finding(claim: "evaluations give the same bits again", problem: checkEvaluation(memory)),
    ]
    // Only a complete gradient can be compared with differences.
    if written == nil {
      findings.append(
        Finding(
          claim: "the gradient is that of the loss, by finite differences",
          problem: checkDifferences(gradient, memory)))
    }
    return findings
  }

  private func checkMaking(_ second: any Model) -> String? {
    guard second.layout == model.layout else { return "its tensors are others the second time" }
    let again = FloatBuffer(count: model.layout.count)
    second.initialize(again.all, seed: prepared.job.seed)
    return firstDifference(parameters.array.map(\.bitPattern), again.array.map(\.bitPattern)).map {
      "the initial value of \(name(of: $0)) is another one the second time"
    }
  }

  private func checkWritten(_ gradient: FloatBuffer) -> String? {
    gradient.array.firstIndex { $0.bitPattern == unwritten.bitPattern }.map {
      "\(name(of: $0)) is not written: what is left there from earlier would be summed"
    }
  }

  private func checkFinite(_ gradient: FloatBuffer, _ metrics: [Metrics]) -> String? {
    if let index = metrics.firstIndex(where: { !$0.loss.isFinite }) {
      return "the loss of micro-batch \(index + 1) is \(metrics[index].loss)"
    }
    return gradient.array.firstIndex { !$0.isFinite }.map { "\(name(of: $0)) is \(gradient.array[$0])" }
  }

  private func checkSums(_ metrics: [Metrics]) -> String? {
    let expected = model.metrics.sums
    for (index, metrics) in metrics.enumerated() {
      if metrics.sums.count != expected.count {
        return
          "micro-batch \(index + 1) has \(metrics.sums.count) sums, and the schema names \(expected.joined(separator: ", "))"
      }
      if !(0...Double.greatestFiniteMagnitude).contains(metrics.weight) {
        return "micro-batch \(index + 1) has the weight \(metrics.weight), which must be finite and not negative"
      }
    }
    return nil
  }

  private func checkRepetition(_ expected: Result, _ memory: Memory) -> String? {
    // In memory that was used for something else, and in new memory.
    _ = compute([0..<min(model.leastExamples, count)], filledWith: 0, in: memory, at: parameters)
    for (memory, which) in [(memory, "used"), (Memory(self), "fresh")] {
      let (gradient, metrics) = compute(microBatches, filledWith: 1e30, in: memory, at: parameters)
      if let difference = difference(expected, Result(gradient, metrics)) { return "in \(which) memory, \(difference)" }
    }
    return nil
  }

  private func checkThreads(_ expected: Result) -> String? {
    let results = Mutex<[Result]>([])
    let done = DispatchGroup()
    let trial = UncheckedSendable(self)
    for _ in 0..<2 {
      done.enter()
      let thread = Thread {
        let memory = Memory(trial.value)
        for _ in 0..<3 {
          let (gradient, metrics) = trial.value.compute(
            trial.value.microBatches, filledWith: trial.value.unwritten, in: memory, at: trial.value.parameters)
          let result = Result(gradient, metrics)
          results.withLock { $0.append(result) }
        }
        done.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    done.wait()
    return results.withLock { $0.compactMap { difference(expected, $0) }.first }
  }

  private func checkAlone(_ expected: Result, _ memory: Memory) -> String? {
    var sums = Array(repeating: FloatBuffer(count: 0), count: treeDepth(microBatches.count))
    var metrics: [Metrics] = []
    sumAlongTree(0..<microBatches.count) { index, depth in
      let alone = compute([microBatches[index]], filledWith: unwritten, in: memory, at: parameters)
      metrics += alone.metrics
      sums[depth] = alone.gradient
    } add: { depth in
      let right = sums[depth + 1]
      withExtendedLifetime(right) { accumulate(right.values, into: sums[depth].all) }
    }
    return difference(Result(sums[0], metrics), expected).map {
      "together, \($0): does something of one micro-batch enter another, or are they not summed along the tree?"
    }
  }

  private func checkEvaluation(_ memory: Memory) -> String? {
    func evaluate(_ memory: Memory) -> Metrics {
      model.evaluate(memory.buffer.gather(0..<count, place: place), at: parameters.values, using: &memory.workspace)
    }
    let (first, second, fresh) = (evaluate(memory), evaluate(memory), evaluate(Memory(self)))
    guard first.loss.isFinite else { return "the loss is \(first.loss)" }
    return first == second && first == fresh ? nil : "the losses are \(first.loss), \(second.loss) and \(fresh.loss)"
  }

  private func checkDifferences(_ gradient: FloatBuffer, _ memory: Memory) -> String? {
    let slope = gradient.array.map(Double.init)
    for (number, tensor) in model.layout.tensors.enumerated() where !tensor.isStatistic {
      let own = tensor.range
      let random = FloatBuffer(count: own.count + 4)
      Philox(seed: prepared.job.seed, stream: UInt64(number)).fillUniform(random.all, bound: 1)
      let norm = own.reduce(0) { $0 + slope[$1] * slope[$1] }.squareRoot()
      var directions: [(what: String, values: [Int: Double])] = []
      if norm > 0 {
        directions.append(("along its gradient", Dictionary(uniqueKeysWithValues: own.map { ($0, slope[$0] / norm) })))
      }
      let share = 1 / Double(own.count).squareRoot()
      let signs = own.map { ($0, random.all[$0 - own.lowerBound] < 0 ? -share : share) }
      directions.append(("along random signs", Dictionary(uniqueKeysWithValues: signs)))
      let largest = own.max { abs(slope[$0]) < abs(slope[$1]) } ?? own.lowerBound
      let others = (own.count..<own.count + 4).map {
        own.lowerBound + min(Int((random.all[$0] + 1) / 2 * Float(own.count)), own.count - 1)
      }
      directions += ([largest] + others).map { ("at \(name(of: $0))", [$0: 1]) }
      for (what, direction) in directions {
        let expected = direction.reduce(0) { $0 + slope[$1.key] * $1.value }
        guard let found = differenceQuotient(direction, near: expected, allowing: norm, memory) else { continue }
        return "\(tensor.name), \(what): the loss rises by \(found) a unit, and the gradient says \(expected)"
      }
    }
    return nil
  }

  /// The best of several difference quotients along a direction; nil if one is near enough.
  ///
  /// No single distance suits all models, because losses are sums of float32 values and may have kinks.
  private func differenceQuotient(
    _ direction: [Int: Double], near expected: Double, allowing norm: Double, _ memory: Memory
  ) -> Double? {
    var best = Double.infinity
    for distance in [0.003, 0.01, 0.03, 0.1, 0.001, 0.0003] {
      // The distance that was really moved, after rounding to float32.
      let moved = [1.0, -1.0].map { side -> (loss: Double, shift: Double) in
        let values = FloatBuffer(parameters.array)
        var shift = 0.0
        for (index, share) in direction {
          let before = Double(parameters.all[index])
          values.all[index] = Float(before + side * distance * share)
          shift += (Double(values.all[index]) - before) * share
        }
        let (_, metrics) = compute(microBatches, filledWith: 0, in: memory, at: values)
        return (metrics.reduce(0) { $0 + $1.loss }, shift)
      }
      let length = moved[0].shift - moved[1].shift
      guard length > 0 else { continue }
      let quotient = (moved[0].loss - moved[1].loss) / length
      // The rounding error of a float32 loss.
      let noise = 1e-6 * (abs(moved[0].loss) + abs(moved[1].loss)) / length
      if abs(quotient - expected) <= 0.01 * max(abs(expected), abs(quotient)) + 1e-3 * norm + noise { return nil }
      if abs(quotient - expected) < abs(best - expected) { best = quotient }
    }
    return best
  }

  private func difference(_ expected: Result, _ found: Result) -> String? {
    if let index = firstDifference(expected.gradient, found.gradient) {
      func value(_ result: Result) -> Float { Float(bitPattern: result.gradient[index]) }
      return "\(name(of: index)) is \(value(found)) in place of \(value(expected))"
    }
    for (index, (left, right)) in zip(expected.metrics, found.metrics).enumerated() where left != right {
      return "the loss of micro-batch \(index + 1) is \(Double(bitPattern: right[1])) in place of "
        + "\(Double(bitPattern: left[1])), or its weight or other sums differ"
    }
    return expected.metrics.count == found.metrics.count
      ? nil : "there are the metrics of \(found.metrics.count) micro-batches in place of \(expected.metrics.count)"
  }

  private func firstDifference(_ left: [UInt32], _ right: [UInt32]) -> Int? {
    zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset
  }

  /// Such as `0.weight[17]`.
  private func name(of index: Int) -> String {
    guard let tensor = model.layout.tensors.first(where: { $0.range.contains(index) }) else { return "value \(index)" }
    return "\(tensor.name)[\(index - tensor.range.lowerBound)]"
  }
}

private struct UncheckedSendable<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }
}
