internal import Dispatch
package import Kernels
internal import Schema

/// An update rule with its schedule, clipping, weight decay and state.
///
/// Holds no vectors. In each step, call ``begin(weight:_:)``, then ``update(_:)`` for ranges that together cover all
/// parameters.
package struct Optimizer: Sendable {
  package struct Tensor: Sendable {
    /// Its name in the model's file.
    package var name: String
    /// Its position in the parameter vector.
    package var range: Range<Int>
    /// Whether `--decay-biases no` exempts it from decay: whether its name ends in "bias".
    package var isBias: Bool { name.hasSuffix("bias") }

    /// Its sizes as stored; empty if it has one axis.
    package var shape: [Int]

    package init(_ name: String, _ range: Range<Int>, shape: [Int] = []) {
      (self.name, self.range, self.shape) = (name, range, shape)
    }
  }

  /// What is the same for all tensors of a parameter group, and for those that are in none.
  private struct Group {
    let rule: any UpdateRule
    /// Of the learning rate.
    let factor: Double
    let isFrozen: Bool

    init(_ settings: OptimizerSettings, _ group: ParameterGroup?) throws {
      rule = try settings.rule(group)
      factor = group?.values["learning-rate"]?.number.map { $0 / settings.learningRate } ?? 1
      isFrozen = group?.isFrozen ?? false
    }

    func own(_ step: UpdateStep) -> UpdateStep {
      var step = step
      step.learningRate *= factor
      return step
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
  /// What evaluations read in place of the parameters; nil if they read these.
  package let evaluated: ParameterAverage?
  /// Of tensors that are in no group.
  private let rule: any UpdateRule
  private let schedule: Schedule
  private let tensors: [Tensor]
  /// First that of tensors that are in no group of the user's.
  private let groups: [Group]
  /// For each tensor.
  private let groupIndices: [Int]
  /// λ for each tensor.
  private let decays: [Double]
  /// Whether ranges of different tensors may differ in their group, λ or sums.
  private let tensorsDiffer: Bool
  private let hasTensorSums: Bool
  private let hasFrozen: Bool
  private let clipValue, clipNorm: Double
  private let measuresNoise: Bool
  /// Of a step's gradient, summed over its weight, if the noise scale is measured.
  package private(set) var gradientSquares: Double?
  private let decayKind: DecayKind
  private var scale = 1.0
  /// The share of the updated values in averages.
  private var averageWeight = 1.0
  private var tensorSums: [[Double]] = []
  /// For a rule that transforms tensors, as long as the parameters; nil before the first step. Each step writes one that no
  /// copy of this value has.
  private var directions: FloatBuffer?

  private enum DecayKind {
    case coupled, decoupled, own
  }

  /// The optimizer of a run of `total` updates.
  ///
  /// - Parameter tensors: in order; together they cover the whole vector. Empty if nothing is updated.
  /// - Throws: ``OptionError`` if a parameter group has none of them.
  package init(_ settings: OptimizerSettings, tensors: [Tensor], total: Int, stepsPerEpoch: Int) throws {
    rule = try settings.rule()
    average = ReplicaAverage(settings, rule)
    evaluated = ParameterAverage(settings, rule)
    schedule = Schedule(settings, total: total, stepsPerEpoch: stepsPerEpoch)
    self.tensors = tensors
    let values = settings.values
    clipValue = values["clip-value"] > 0 ? values["clip-value"] : .infinity
    clipNorm = values["clip-norm"]
    measuresNoise = settings.measuresNoise
    groups = try [Group(settings, nil)] + settings.groups.map { try Group(settings, $0) }
    let assigned =
      tensors.isEmpty ? [] : try ParameterGroup.assign(settings.groups, to: tensors.map(\.name))
    groupIndices = assigned.map { $0.map { $0 + 1 } ?? 0 }
    decays = zip(tensors, assigned).map { tensor, group in
      let own = group.flatMap { settings.groups[$0].values["weight-decay"]?.number }
      return own ?? (tensor.isBias && !values.isOn("decay-biases") ? 0 : values["weight-decay"])
    }
    hasTensorSums = if case .eachTensor = rule.sums { true } else { false }
    tensorsDiffer = hasTensorSums || Set(groupIndices).count > 1 || Set(decays).count > 1
    decayKind =
      switch type(of: rule).weightDecay {
      case .either: values.text("weight-decay-kind") == "coupled" ? .coupled : .decoupled
      case .decoupled: .decoupled
      case .own: .own
      }
    hasFrozen = groups.contains { $0.isFrozen }
    let own = zip(tensors, groupIndices).map { [groups] tensor, group in
      groups[group].rule.tensorSlots(shape: tensor.shape, count: tensor.range.count)
    }
    tensorSlots = zip(tensors, own).flatMap { tensor, slots in slots.map { (tensor.name, $0) } }
    var end = 0
    tensorSlotRanges = own.map { slots in
      slots.map { slot in
        defer { end += slot.count }
        return end..<end + slot.count
      }
    }
    step = UpdateStep(number: 0, total: total, learningRate: settings.learningRate)
  }

  /// The names of the rule's slots.
  package var slots: [String] { rule.slots }

  /// The slots with sizes of their own, tensor by tensor, in the order in which they follow the others.
  package let tensorSlots: [(tensor: String, slot: TensorSlot)]
  /// For each tensor, where its slots are among these.
  private let tensorSlotRanges: [[Range<Int>]]

  /// The number of values of all slots.
  package var stateCount: Int {
    slots.count * (tensors.last?.range.upperBound ?? 0) + (tensorSlotRanges.joined().last?.upperBound ?? 0)
  }

  /// Whether each step changes whole tensors by ``UpdateRule/transform(_:_:)``.
  package var transformsTensors: Bool { type(of: rule).transformsTensors }

  /// What the coordinator holds for each parameter beside the parameter itself, in bytes: slots, averages, directions.
  package var stateBytesPerParameter: Double {
    let whole = (evaluated == nil ? 0 : 1) + (transformsTensors ? 1 : 0) + (average?.slots.count ?? 0)
    return 4 * (Double(whole) + Double(stateCount) / Double(max(tensors.last?.range.upperBound ?? 0, 1)))
  }

  /// The names of all slots that a checkpoint holds, but for ``tensorSlots``.
  package var savedSlots: [String] { slots + (average?.slots ?? []) }

  /// How many tensors and parameters each of the user's groups has.
  package var groupSizes: [(tensors: Int, parameters: Int)] {
    groups.indices.dropFirst().map { group in
      let own = tensors.indices.filter { groupIndices[$0] == group }
      return (own.count, own.reduce(0) { $0 + tensors[$1].range.count })
    }
  }

  /// η of update `number`, counted from 1, after what evaluations and updates have left in ``state``.
  package func learningRate(ofUpdate number: Int) -> Double { schedule.learningRate(number, state) }

  /// Whether ``begin(weight:_:)`` needs the whole gradient.
  package var needsWholeGradient: Bool { clipNorm > 0 || rule.sums != .none || measuresNoise }

  /// A copy that has this value's memory for directions, which this one has no longer.
  package mutating func moved() -> Optimizer {
    defer { directions = nil }
    return self
  }

  /// Begins the next step.
  ///
  /// - Parameters:
  ///   - weight: the divisor of the gradient sum, above 0.
  ///   - isLast: whether the run ends with it; nil if it does with the update whose number is the total, as it does
  ///     unless steps are skipped.
  ///   - parts: all ranges in order if ``needsWholeGradient``, otherwise none.
  ///   - tensorState: where ``tensorSlots`` are to be written, and the distance to them before the step; nil if there are
  ///     none.
  package mutating func begin(
    weight: Double, isLast: Bool? = nil, _ parts: [Part] = [], tensorState: (values: MutableFloats, before: Int)? = nil
  ) {
    let number = state.updates + 1
    step = UpdateStep(number: number, total: step.total, learningRate: schedule.learningRate(number, state))
    if let isLast { step.isLast = isLast }
    scale = 1 / weight
    state.updates = number
    averageWeight = evaluated?.weight(number: number, count: 1) ?? 1
    rule.begin(&state, &step)
    if measuresNoise {
      var squares = OrderedSum()
      for part in parts { squares.addSquares(part.gradientSum) }
      gradientSquares = squares.value
    }
    if clipNorm > 0 {
      var squares = OrderedSum()
      for part in parts {
        guard hasFrozen else {
          squares.addGradientSquares(vectors(part, 0..<part.parameters.count))
          continue
        }
        for (tensor, range) in ranges(part) where !groups[groupIndices[tensor]].isFrozen {
          squares.addGradientSquares(vectors(part, range))
        }
      }
      let norm = squares.value.squareRoot()
      if norm > clipNorm { scale *= clipNorm / norm }
    }
    if rule.sums != .none { for part in parts { copySlots(part) } }
    switch rule.sums {
    case .none: break
    case .overall(let count):
      var sums = Array(repeating: OrderedSum(), count: count)
      for part in parts {
        for (group, _, range) in cut(part) { group.rule.measure(range, group.own(step), into: &sums) }
      }
      rule.adapt(&state, &step, sums.map(\.value))
    case .eachTensor(let count):
      if type(of: rule).transformsTensors, !isKnownUniquelyReferenced(&directions) {
        directions = FloatBuffer(count: tensors.last?.range.upperBound ?? 0)
      }
      var sums = Array(repeating: Array(repeating: OrderedSum(), count: count), count: tensors.count)
      for part in parts {
        for (group, tensor, range) in cut(part) { group.rule.measure(range, group.own(step), into: &sums[tensor]) }
      }
      tensorSums = sums.map { $0.map(\.value) }
      transformTensors(tensorState)
    }
  }

  private func transformTensors(_ state: (values: MutableFloats, before: Int)?) {
    guard let directions else { return }
    DispatchQueue.concurrentPerform(iterations: tensors.count) { index in
      let (tensor, group) = (tensors[index], groups[groupIndices[index]])
      let slots = tensorSlotRanges[index].map { range in
        guard let state else { preconditionFailure("the slots of \(tensor.name) are nowhere") }
        return state.values[range]
      }
      let whole = WholeTensor(
        direction: directions.all[tensor.range], shape: tensor.shape, slots: slots, before: state?.before ?? 0)
      guard group.isFrozen else { return group.rule.transform(whole, group.own(step)) }
      for (index, slot) in slots.enumerated() where whole.before != 0 { slot.copy(whole.slotBefore(index)) }
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
    keepFrozen(part)
    for (group, _, range) in cut(part) { group.rule.update(range, group.own(step)) }
  }

  /// Averages a range that has been updated.
  ///
  /// - Parameter before: its averages before the step.
  package func average(_ part: Part, _ before: Floats, into average: MutableFloats) {
    guard evaluated == .ofRule else { return self.average(before, part.updated.readOnly, into: average) }
    for (tensor, range) in ranges(part) {
      let group = groups[groupIndices[tensor]]
      guard !group.isFrozen else {
        average[range].copy(part.updated[range].readOnly)
        continue
      }
      group.rule.average(self.range(part, range, tensor, group), into: average[range])
    }
  }

  /// Averages values that the rule has not updated: statistics, or those of a round of replicas' steps.
  package func average(_ before: Floats, _ updated: Floats, into average: MutableFloats) {
    interpolate(before, updated, weight: averageWeight, into: average)
  }

  /// Counts the updates of a round, which replicas have made.
  package mutating func endRound(updates: Int) {
    state.updates += updates
    averageWeight = evaluated?.weight(number: state.updates, count: updates) ?? 1
  }

  /// The same as ``update(_:)`` by the rule's plain reference; for tests.
  func reference(_ part: Part) {
    keepFrozen(part)
    for (group, _, range) in cut(part) { group.rule.reference(range, group.own(step)) }
  }

  /// Tells the schedule the loss of an evaluation.
  package mutating func evaluated(loss: Double) {
    schedule.evaluated(loss, &state)
  }

  private func vectors(_ part: Part, _ range: Range<Int>) -> UpdateVectors {
    UpdateVectors(
      parameters: part.parameters[range], gradientSum: part.gradientSum[range], updated: part.updated[range],
      scale: scale)
  }

  /// The part's ranges of tensors that may differ, each with the index of its tensor.
  private func ranges(_ part: Part) -> [(tensor: Int, range: Range<Int>)] {
    guard tensorsDiffer else { return [(0, 0..<part.parameters.count)] }
    let end = part.start + part.parameters.count
    return tensors.enumerated().compactMap { index, tensor in
      let common = tensor.range.clamped(to: part.start..<end)
      return common.isEmpty ? nil : (index, common.lowerBound - part.start..<common.upperBound - part.start)
    }
  }

  /// The ranges to update.
  private func cut(_ part: Part) -> [(group: Group, tensor: Int, range: UpdateRange)] {
    ranges(part).compactMap { tensor, range in
      let group = groups[groupIndices[tensor]]
      return group.isFrozen ? nil : (group, tensor, self.range(part, range, tensor, group))
    }
  }

  /// Leaves the part's frozen tensors and their slots as they are.
  private func keepFrozen(_ part: Part) {
    guard hasFrozen else { return }
    for (tensor, range) in ranges(part) where groups[groupIndices[tensor]].isFrozen {
      part.updated[range].copy(part.parameters[range])
      guard part.before != 0, type(of: rule).writesSlotsBeside else { continue }
      for slot in part.slots { slot[range].copy(slot[range].readOnly.displaced(by: part.before)) }
    }
  }

  private func range(_ part: Part, _ range: Range<Int>, _ tensor: Int, _ group: Group) -> UpdateRange {
    var vectors = vectors(part, range)
    vectors.clip = clipValue
    let decay = decays[tensor]
    if decayKind == .coupled { vectors.decay = decay }
    if decayKind == .decoupled { vectors.shrink = group.own(step).learningRate * decay }
    if type(of: rule).writesSlotsBeside { vectors.before = part.before }
    var update = UpdateRange(vectors, slots: part.slots.map { $0[range] })
    if decayKind == .own { update.ownDecay = decay }
    if tensor < tensorSums.count {
      update.tensorSums = tensorSums[tensor]
    }
    if hasTensorSums { (update.tensorCount, update.tensorShape) = (tensors[tensor].range.count, tensors[tensor].shape) }
    if let directions {
      update.measured = directions.all[part.start + range.lowerBound..<part.start + range.upperBound]
    }
    return update
  }
}
