package import Kernels
internal import Schema

/// An update rule with its schedule, clipping, weight decay and state.
///
/// Holds no vectors. In each step, call ``begin(weight:_:)``, then ``update(_:)`` for ranges that together cover all
/// parameters.
package struct Optimizer: Sendable {
  package struct Tensor: Sendable {
    /// Its position in the parameter vector.
    package var range: Range<Int>
    /// Whether `--decay-biases no` exempts it from decay.
    package var isBias: Bool

    /// A tensor whose name ends in "bias" is a bias.
    package init(_ name: String, _ range: Range<Int>) {
      self.range = range
      isBias = name.hasSuffix("bias")
    }
  }

  /// One range of all vectors.
  package struct Part: Sendable {
    /// Its offset in the parameter vector.
    package var start: Int
    /// θ before the step.
    package var parameters: Floats
    /// The gradient summed over the step's weight.
    package var gradientSum: Floats
    /// The rule's slots, which are written.
    package var slots: [MutableFloats]
    /// The distance, in values, from each slot to its values before the step, in the same buffer. 0 updates in place.
    package var before: Int
    /// θ after the step.
    package var updated: MutableFloats

    package init(
      start: Int, parameters: Floats, gradientSum: Floats, slots: [MutableFloats], before: Int = 0,
      updated: MutableFloats
    ) {
      (self.start, self.parameters, self.gradientSum, self.slots) = (start, parameters, gradientSum, slots)
      (self.before, self.updated) = (before, updated)
    }
  }

  /// What checkpoints must save besides parameters and slots.
  package var state = OptimizerState()
  /// The current step.
  package private(set) var step: UpdateStep
  /// What follows a round of the rule's steps in several replicas; nil without local steps.
  package let average: ReplicaAverage?
  private let rule: any UpdateRule
  private let schedule: Schedule
  private let tensors: [Tensor]
  private let clipValue, clipNorm, decay: Double
  private let decayKind: DecayKind
  private let decaysBiases: Bool
  private var scale = 1.0
  private var tensorSums: [[Double]] = []

  private enum DecayKind {
    case coupled, decoupled, own
  }

  /// The optimizer of a run of `total` updates.
  ///
  /// - Parameter tensors: in order; together they cover the whole vector.
  package init(_ settings: OptimizerSettings, tensors: [Tensor], total: Int, stepsPerEpoch: Int) throws {
    rule = try settings.rule()
    average = ReplicaAverage(settings, rule)
    schedule = Schedule(settings, total: total, stepsPerEpoch: stepsPerEpoch)
    self.tensors = tensors
    let values = settings.values
    clipValue = values["clip-value"] > 0 ? values["clip-value"] : .infinity
    clipNorm = values["clip-norm"]
    decay = values["weight-decay"]
    decaysBiases = values.isOn("decay-biases")
    decayKind =
      switch type(of: rule).weightDecay {
      case .either: values.text("weight-decay-kind") == "coupled" ? .coupled : .decoupled
      case .decoupled: .decoupled
      case .own: .own
      }
    step = UpdateStep(number: 0, total: total, learningRate: settings.learningRate)
  }

  /// The names of the rule's slots.
  package var slots: [String] { rule.slots }

  /// The names of all slots that a checkpoint holds.
  package var savedSlots: [String] { slots + (average?.slots ?? []) }

  /// η of update `number`, counted from 1, after what evaluations and updates have left in ``state``.
  package func learningRate(ofUpdate number: Int) -> Double { schedule.learningRate(number, state) }

  /// Whether ``begin(weight:_:)`` needs the whole gradient.
  package var needsWholeGradient: Bool { clipNorm > 0 || rule.sums != .none }

  /// Begins the next step.
  ///
  /// - Parameters:
  ///   - weight: the divisor of the gradient sum, above 0.
  ///   - isLast: whether the run ends with it; nil if it does with the update whose number is the total, as it does
  ///     unless steps are skipped.
  ///   - parts: all ranges in order if ``needsWholeGradient``, otherwise none.
  package mutating func begin(weight: Double, isLast: Bool? = nil, _ parts: [Part] = []) {
    let number = state.updates + 1
    step = UpdateStep(number: number, total: step.total, learningRate: schedule.learningRate(number, state))
    if let isLast { step.isLast = isLast }
    scale = 1 / weight
    state.updates = number
    if clipNorm > 0 {
      var squares = OrderedSum()
      for part in parts { squares.addGradientSquares(vectors(part)) }
      let norm = squares.value.squareRoot()
      if norm > clipNorm { scale *= clipNorm / norm }
    }
    if rule.sums != .none { for part in parts { copySlots(part) } }
    switch rule.sums {
    case .none: break
    case .overall(let count):
      var sums = Array(repeating: OrderedSum(), count: count)
      for part in parts {
        for (_, range) in cut(part) { rule.measure(range, step, into: &sums) }
      }
      rule.adapt(&state, &step, sums.map(\.value))
    case .eachTensor(let count):
      var sums = Array(repeating: Array(repeating: OrderedSum(), count: count), count: tensors.count)
      for part in parts {
        for (tensor, range) in cut(part) { rule.measure(range, step, into: &sums[tensor]) }
      }
      tensorSums = sums.map { $0.map(\.value) }
    }
  }

  /// For a rule that updates slots in place: copies the values before the step into the slots.
  private func copySlots(_ part: Part) {
    guard part.before != 0, !type(of: rule).writesSlotsBeside else { return }
    for slot in part.slots { slot.copy(slot.readOnly.displaced(by: part.before)) }
  }

  /// Updates a range. Ranges may come in any order and on any thread.
  package func update(_ part: Part) {
    if rule.sums == .none { copySlots(part) }
    for (_, range) in cut(part) { rule.update(range, step) }
  }

  /// The same as ``update(_:)`` by the rule's plain reference; for tests.
  func reference(_ part: Part) {
    for (_, range) in cut(part) { rule.reference(range, step) }
  }

  /// Tells the schedule the loss of an evaluation.
  package mutating func evaluated(loss: Double) {
    schedule.evaluated(loss, &state)
  }

  private func vectors(_ part: Part) -> UpdateVectors {
    UpdateVectors(
      parameters: part.parameters, gradientSum: part.gradientSum, updated: part.updated, scale: scale)
  }

  /// Divides the part by tensors, if the rule or the decay treats tensors differently.
  private func cut(_ part: Part) -> [(tensor: Int, range: UpdateRange)] {
    let end = part.start + part.parameters.count
    let tensorsDiffer: Bool =
      if case .eachTensor = rule.sums { true } else { decay > 0 && !decaysBiases && tensors.contains(where: \.isBias) }
    guard tensorsDiffer else { return [(0, range(part, 0..<part.parameters.count, tensor: nil))] }
    return tensors.enumerated().compactMap { index, tensor in
      let common = tensor.range.clamped(to: part.start..<end)
      guard !common.isEmpty else { return nil }
      return (index, range(part, common.lowerBound - part.start..<common.upperBound - part.start, tensor: index))
    }
  }

  private func range(_ part: Part, _ range: Range<Int>, tensor: Int?) -> UpdateRange {
    var vectors = UpdateVectors(
      parameters: part.parameters[range], gradientSum: part.gradientSum[range], updated: part.updated[range],
      scale: scale)
    vectors.clip = clipValue
    let decay = !decaysBiases && tensor.map { tensors[$0].isBias } == true ? 0 : decay
    if decayKind == .coupled { vectors.decay = decay }
    if decayKind == .decoupled { vectors.shrink = step.learningRate * decay }
    if type(of: rule).writesSlotsBeside { vectors.before = part.before }
    var update = UpdateRange(vectors, slots: part.slots.map { $0[range] })
    if decayKind == .own { update.ownDecay = decay }
    if let tensor, tensor < tensorSums.count {
      (update.tensorSums, update.tensorCount) = (tensorSums[tensor], tensors[tensor].range.count)
    }
    return update
  }
}
