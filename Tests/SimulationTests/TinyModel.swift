@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Five parameters and three statistics in plain arrays, with gradients of sizes that make the order of summing show.
struct TinyModel {
  /// What is not finite in a step at a position.
  enum Poison: Equatable {
    /// The gradient with respect to one parameter, or the sum for one statistic.
    case gradient(Int)
    case loss
    /// Not infinite, but such that two of them are together.
    case half(Int)
  }

  static let layout = {
    var layout = ParameterLayout()
    layout.append("a", shape: [3])
    layout.append("b", shape: [2])
    layout.append("c", shape: [3], isStatistic: true)
    return layout
  }()

  private static let initial: [Float] = [1, -2, 3, -4, 5, 0, 1, 0]

  let plan: StepPlan
  /// By step and position.
  var poison: [Int: [Int: Poison]] = [:]
  var precision = Precision.float32
  /// Whether evaluations read averages.
  var isAveraged = false

  /// With local steps, there is a moment of each parameter.
  var chunks: ChunkLayout {
    ChunkLayout(
      Self.layout, moments: plan.local == nil ? nil : 1, size: 2, precision: precision, isAveraged: isAveraged)
  }

  var initial: [Float] { Self.initial + Array(repeating: 0, count: chunks.valueCount - Self.layout.count) }

  /// The gradient and the metrics, summed along the tree over a node's leaves. Training is given rounded parameters.
  func compute(_ node: Node, _ task: StepTask, at parameters: [Float]) -> ([Float], NodeMetrics) {
    if let (left, right) = node.children {
      let (leftSum, rightSum) = (compute(left, task, at: parameters), compute(right, task, at: parameters))
      let sum = add(leftSum.0, rightSum.0)
      var metrics = leftSum.1 + rightSum.1
      if metrics.flaw == nil, task.isTraining, let tensor = Self.nonFinite(sum) {
        metrics.flaw = NodeMetrics.Flaw(leaf: nil, tensor: tensor)
      }
      return (sum, metrics)
    }
    let positions = plan.positions(of: node.leaves, in: task)
    var gradient = [Float](repeating: 0, count: Self.layout.count)
    var loss = 0.0
    // Every part has data of its own.
    let first = if case .evaluate(_, .validation) = task { 5000 } else { 0 }
    for position in positions {
      for index in 0..<Self.layout.parameterCount {
        let data =
          Float(((first + position) * 7919 + index * 104_729 + task.step * 31) % 1009)
          * (position % 3 == 0 ? 1e-3 : 1e2)
        gradient[index] += parameters[index] * 0.3 + data
        loss += Double(parameters[index]) * Double(data)
      }
      for index in Self.layout.parameterCount..<Self.layout.count {
        gradient[index] += parameters[0] * Float((position * 613 + index * 7 + task.step) % 97)
        // Training does not read the statistics.
        if !task.isTraining { loss += Double(parameters[index]) * Double(position) }
      }
      guard task.isTraining, let poison = poison[task.step]?[position] else { continue }
      switch poison {
      case .gradient(let index): gradient[index] = .infinity
      case .loss: loss = .nan
      case .half(let index): gradient[index] = 3e38
      }
    }
    gradient = rounded(gradient)
    // Weights whose sums depend on the order of adding, some of them 0.
    let weight = positions.reduce(0) { $0 + Double($1 % 4) * 0.1 }
    var metrics = NodeMetrics(
      examples: Int64(positions.count), weight: weight, sums: [loss], computeSeconds: 0.001)
    let tensor = Self.nonFinite(gradient)
    if task.isTraining && (tensor != nil || !loss.isFinite) {
      metrics.flaw = NodeMetrics.Flaw(leaf: node.start, tensor: tensor)
    }
    return (gradient, metrics)
  }

  /// The averages after an update, of those before it and what it leaves.
  static func averages(_ before: [Float], _ updated: [Float]) -> [Float] {
    before.indices.map { before[$0] + 0.25 * (updated[$0] - before[$0]) }
  }

  /// A chunk's parameters after update `number`; `scale` is what a rule makes of the whole gradient.
  static func updated(_ parameters: [Float], by sum: [Float], weight: Double, number: Int, scale: Float = 1) -> [Float]
  {
    // Of a rate that tells whether skipped steps are counted.
    let rate = scale * (0.1 + 0.01 / Float(number))
    return parameters.indices.map { parameters[$0] - rate * (sum[$0] / Float(weight)) }
  }

  /// A chunk's statistics after the step whose sums over `examples` examples are `sum`.
  static func averaged(_ statistics: [Float], with sum: [Float], examples: Int) -> [Float] {
    statistics.indices.map { 0.9 * statistics[$0] + 0.1 * (sum[$0] / Float(examples)) }
  }

  /// What a rule of the whole gradient multiplies the rate by.
  static func scale(_ gradient: [Float]) -> Float {
    1 / (1 + gradient.reduce(0) { $0 + abs($1) } * 1e-4)
  }

  /// The sum of gradients, or of parts of them that begin at value `start`.
  func add(_ left: [Float], _ right: [Float], from start: Int = 0) -> [Float] {
    var sum = left
    for index in sum.indices { sum[index] += right[index] }
    return rounded(sum, from: start)
  }

  /// Values that begin at value `start`, those of parameters and moments rounded in the job's precision.
  func rounded(_ values: [Float], from start: Int = 0) -> [Float] {
    guard precision == .bf16 else { return values }
    let statistics = Self.layout.parameterCount..<Self.layout.count
    return values.enumerated().map { statistics.contains(start + $0) ? $1 : Self.rounded($1) }
  }

  /// The nearest bf16, ties to even, by arithmetic: eight bits are left of a number's fraction.
  private static func rounded(_ value: Float) -> Float {
    guard value.isNormal else { return value }
    let unit = Double(value.ulp) * 65_536
    return Float((Double(value) / unit).rounded(.toNearestOrEven) * unit)
  }

  /// The last tensor with a value that is not finite, of values that begin at value `start`; of moments, that of their
  /// parameters.
  static func nonFinite(_ values: [Float], from start: Int = 0) -> Int? {
    guard let last = values.lastIndex(where: { !$0.isFinite }) else { return nil }
    return layout.tensors.firstIndex { $0.range.contains((start + last) % layout.count) }
  }
}

/// What a run leaves, as bits.
struct RunResult: Equatable {
  var parameters: [UInt32] = []
  /// Of each step.
  var losses: [UInt64] = []
  /// Steps, from 1, without an update.
  var skipped: [Int] = []
  var evaluations: [Evaluation] = []

  struct Evaluation: Equatable {
    var part: HeldOutPart
    var step: Int
    var loss: UInt64

    init(_ part: HeldOutPart, _ step: Int, loss: Double) {
      (self.part, self.step, self.loss) = (part, step, RunResult.bits(loss))
    }
  }

  /// A loss that is not a number has no certain bits.
  static func bits(_ loss: Double) -> UInt64 { loss.isNaN ? .max : loss.bitPattern }
}

extension TinyModel {
  /// The run's result by a plain loop, without machines, in skip mode; and its parameters after each number of steps.
  func undisturbed(updatesTogether: Bool) -> (result: RunResult, parameters: [[UInt32]]) {
    var (result, parameters) = (RunResult(), initial)
    var averages = isAveraged ? parameters : []
    // Local steps without weight, which count as updates.
    var unweighted: Set<Int> = []
    var history = [(parameters + averages).map(\.bitPattern)]
    func evaluate(_ part: HeldOutPart, afterStep step: Int) {
      let task = StepTask.evaluate(step: step, part: part)
      let metrics = compute(plan.tree(task).root, task, at: isAveraged ? averages : parameters).1
      result.evaluations.append(RunResult.Evaluation(part, step, loss: metrics.meanLoss))
    }
    func evaluate(afterStep step: Int) {
      if plan.validationCount > 0 { evaluate(.validation, afterStep: step) }
      if plan.testCount > 0 && (plan.validationCount == 0 || step == plan.totalSteps) {
        evaluate(.test, afterStep: step)
      }
    }
    if plan.totalSteps == 0 { evaluate(afterStep: 0) }
    var step = 0
    while step < plan.totalSteps {
      let next = plan.stepAfter(step)
      let task = StepTask.train(step: step)
      let before = step - result.skipped.count(where: { !unweighted.contains($0) })
      let (sum, steps) =
        plan.local == nil
        ? { ($0.0, [$0.1]) }(compute(plan.tree(task).root, task, at: rounded(parameters)))
        : trainAll(plan.tree(task).root, from: step, updates: before, at: state(rounded(parameters), parameters))
      result.losses += steps.map { RunResult.bits($0.meanLoss) }
      if Self.nonFinite(sum) != nil || !steps.allSatisfy(\.loss.isFinite) {
        result.skipped += step + 1...next
      } else if plan.local != nil {
        let light = (step + 1...next).filter { steps[$0 - step - 1].weight == 0 }
        unweighted.formUnion(light)
        result.skipped += light
        parameters = Self.averaged(
          parameters, by: sum, weight: plan.averageWeight(of: 0..<plan.local!.replicas, in: task))
        averages = Self.averages(averages, parameters)
      } else {
        let count = Self.layout.parameterCount
        let gradient = Array(sum[..<count])
        parameters =
          Self.updated(
            Array(parameters[..<count]), by: gradient, weight: steps[0].weight,
            number: step + 1 - result.skipped.count, scale: updatesTogether ? Self.scale(gradient) : 1)
          + Self.averaged(
            Array(parameters[count...]), with: Array(sum[count...]), examples: plan.positions(ofStep: step).count)
        averages = Self.averages(averages, parameters)
      }
      for _ in step..<next { history.append((parameters + averages).map(\.bitPattern)) }
      step = next
      if plan.isEvaluationDue(afterStep: step - 1) { evaluate(afterStep: step) }
    }
    result.parameters = (parameters + averages).map(\.bitPattern)
    return (result, history)
  }
}
