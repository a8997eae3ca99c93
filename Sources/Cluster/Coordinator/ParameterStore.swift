internal import Kernels
internal import Optimizers
internal import Protocol

/// The parameters and the optimizer's slots.
///
/// With local steps, workers need the slots as well, so these follow the parameters and statistics in the same vectors.
///
/// A step writes updated parameters and slots beside the current ones. The current ones stay complete until the last
/// chunk is updated: for workers that join or take leaves over, and for saving a run that fails in the middle of the
/// step. Memory that ZeroMQ still sends from does not change.
struct ParameterStore {
  private var vectors: SteppedVector
  /// In a job of bf16, rounded copies of ``current`` and ``updated``, without the statistics. Workers train with them.
  private var rounded: (current: FloatBuffer, updated: FloatBuffer)?
  /// In a job that keeps them, the averages of parameters and statistics, which evaluations read.
  private var averages: SteppedVector?
  /// Shared memory in which local workers read the parameters; nil if none is shared.
  let shared: SharedVectors?
  /// Unused vectors take no memory.
  private static let sharedVectors = 16
  /// Whether ZeroMQ may send from the parameters without a copy. Limits how many vectors stalled workers can hold, so
  /// that the pool never runs dry.
  var canLend: Bool { shared.map { $0.freeCount > ParameterStore.sharedVectors / 2 } ?? true }
  /// Two sets of slots in one buffer: those of the current parameters, and those that the step writes. With local steps,
  /// those of the outer step.
  private var slotSets: [FloatBuffer]
  private var currentSet = 0
  /// The set that the step writes; the current one while a checkpoint still holds the other alone.
  private var updatedSet = 1
  /// The optimizer's state before the current step; nil between steps.
  private var stateBefore: OptimizerState?
  /// In a step that needs the whole gradient, the one before it, until ``advance()``.
  private(set) var optimizer: Optimizer
  /// The step's optimizer, if it needs the whole gradient.
  private var begun: BegunOptimizer?
  private let chunks: ChunkLayout
  /// What the sums of the current step weigh.
  private var weight = 1.0
  private var parameterCount: Int { chunks.parameterCount }

  /// The parameters before the current step.
  var current: FloatBuffer { vectors.current }
  /// The parameters after the current step, in the chunks that are updated.
  var updated: FloatBuffer { vectors.updated }

  /// The current parameters and statistics.
  var model: FloatBuffer { model(of: current) }

  /// What evaluations read: ``model``, or its averages.
  var evaluated: FloatBuffer { averages.map { model(of: $0.current) } ?? model }

  private func model(of vector: FloatBuffer) -> FloatBuffer {
    chunks.moments == nil ? vector : vector.part(0..<chunks.modelCount)
  }

  /// The slots of the current parameters, one after the other, as a checkpoint holds them.
  var slots: FloatBuffer {
    guard chunks.moments != nil else { return slotSets[currentSet] }
    let (moments, outer) = (current.part(chunks.modelCount..<chunks.valueCount), slotSets[currentSet])
    guard outer.count > 0 else { return moments }
    let all = FloatBuffer(count: moments.count + outer.count)
    all.all[0..<moments.count].copy(moments.values)
    all.all[moments.count..<all.count].copy(outer.values)
    return all
  }

  /// How long the last step's beginning with the whole gradient took.
  private(set) var beginSeconds = 0.0

  /// The optimizer's state that belongs to the current parameters.
  var state: OptimizerState { stateBefore ?? optimizer.state }

  /// Whether ``current``, ``slots`` and ``state`` belong to the same step. They do not while a step overwrites the
  /// slots because a checkpoint is still being written from the other set.
  var isWhole: Bool { stateBefore == nil || updatedSet != currentSet }

  /// The parameters and statistics of `chunks`, set by `set`, and slots of zeros.
  ///
  /// - Parameter isShared: whether the values are in shared memory.
  init(_ chunks: ChunkLayout, _ optimizer: Optimizer, isShared: Bool, set: (MutableFloats) -> Void) {
    let count = chunks.valueCount
    self.chunks = chunks
    shared = isShared ? SharedVectors(vectors: ParameterStore.sharedVectors, count: count, isReadOnly: true) : nil
    let make = { [shared] in shared?.take() ?? FloatBuffer(count: count) }
    vectors = SteppedVector(make)
    let current = vectors.current
    set(current.all[0..<chunks.modelCount])
    if chunks.isAveraged {
      averages = SteppedVector(make)
      averages!.current.all[0..<chunks.modelCount].copy(current.values[0..<chunks.modelCount])
    }
    if chunks.precision == .bf16 {
      let copies = [make(), make()]
      roundToBF16(current.values[0..<chunks.parameterCount], into: copies[0].all[0..<chunks.parameterCount])
      rounded = (copies[0], copies[1])
    }
    self.optimizer = optimizer
    let size = optimizer.average.map { $0.slots.count * chunks.parameterCount } ?? optimizer.stateCount
    let both = FloatBuffer(count: 2 * size)
    slotSets = [both.part(0..<size), both.part(size..<2 * size)]
  }

  init(_ saved: SavedState, _ chunks: ChunkLayout, _ optimizer: Optimizer, isShared: Bool) {
    self.init(chunks, optimizer, isShared: isShared) {
      $0.copy(saved.parameters.values)
    }
    self.optimizer.state = saved.optimizer
    if let average = saved.average { evaluated.all.copy(average.values) }
    guard chunks.moments != nil else {
      slots.all.copy(saved.slots.values)
      return
    }
    let moments = chunks.modelCount..<chunks.valueCount
    current.all[moments].copy(saved.slots.values[0..<moments.count])
    if let rounded { roundToBF16(current.values[moments], into: rounded.current.all[moments]) }
    slotSets[currentSet].all.copy(saved.slots.values[moments.count..<saved.slots.count])
  }

  /// Begins update `number`, if it has not begun.
  ///
  /// - Parameters:
  ///   - steps: of the round; 1 without local steps.
  ///   - isLast: whether the run ends with this step.
  ///   - sums: gives each chunk's range and gradient sum, in order; called if the optimizer needs the whole gradient.
  mutating func begin(
    _ number: Int, steps: Int, isLast: Bool, weight: Double, _ sums: () -> [(Range<Int>, FloatBuffer)]
  ) {
    guard stateBefore == nil else { return }
    precondition(optimizer.state.updates + 1 == number, "update \(number) follows \(optimizer.state.updates)")
    stateBefore = optimizer.state
    chooseSet()
    self.weight = weight
    guard optimizer.average == nil else {
      optimizer.endRound(updates: steps)
      return
    }
    guard optimizer.needsWholeGradient else {
      optimizer.begin(weight: weight, isLast: isLast)
      return
    }
    let sums = sums().map { ($0.1, part($0.0)) }
    let written = slotSets[updatedSet]
    let tensorState = (
      values: written.all[slotsCount..<written.count], before: (currentSet - updatedSet) * written.count
    )
    begun = BegunOptimizer(optimizer.moved()) { optimizer in
      withExtendedLifetime(sums) {
        optimizer.begin(weight: weight, isLast: isLast, sums.map { $0.1($0.0.values) }, tensorState: tensorState)
      }
    }
  }

  /// The values of the slots that are as long as the parameters; others follow them.
  private var slotsCount: Int { optimizer.slots.count * parameterCount }

  /// Chooses the set of slots that the step writes: one that no checkpoint holds.
  private mutating func chooseSet() {
    if isKnownUniquelyReferenced(&slotSets[1 - currentSet]) {
      updatedSet = 1 - currentSet
    } else if isKnownUniquelyReferenced(&slotSets[currentSet]) {
      updatedSet = currentSet
    } else {
      // One checkpoint is hardly written, and the next one is taken already.
      let size = slotSets[currentSet].count
      let both = FloatBuffer(count: 2 * size)
      both.all[0..<size].copy(slotSets[currentSet].values)
      slotSets = [both.part(0..<size), both.part(size..<2 * size)]
      (currentSet, updatedSet) = (0, 1)
    }
  }

  /// What updates a chunk with its sum and returns its new values, as workers train with them: where rounding makes one
  /// infinite, the update is not finite. Any thread may call it until ``advance()``, and while this store is there.
  ///
  /// - Parameter examples: of the step.
  func update(_ chunk: Int, examples: Int) -> @Sendable (_ sum: Floats) -> Floats {
    let range = chunks[chunk]
    let (before, after) = (current.values[range], updated.all[range])
    let rounded = chunks.element(chunk) == .bf16 ? rounded?.updated.all[range] : nil
    let average = averages.flatMap {
      chunks.kind(chunk) == .moments ? nil : ($0.current.values[range], $0.updated.all[range])
    }
    func rounding(_ update: @escaping @Sendable (Floats) -> Void) -> @Sendable (Floats) -> Floats {
      { sum in
        update(sum)
        guard let rounded else { return after.readOnly }
        roundToBF16(after.readOnly, into: rounded)
        return rounded.readOnly
      }
    }
    let (plain, begun) = (optimizer, begun)
    func averaging(_ update: @escaping @Sendable (Floats) -> Void) -> @Sendable (Floats) -> Floats {
      rounding { sum in
        update(sum)
        if let average { (begun?.value ?? plain).average(average.0, after.readOnly, into: average.1) }
      }
    }
    switch (chunks.kind(chunk), optimizer.average) {
    case (.parameters, nil):
      let part = part(range)
      return rounding {
        let (optimizer, part) = (begun?.value ?? plain, part($0))
        optimizer.update(part)
        if let average { optimizer.average(part, average.0, into: average.1) }
      }
    case (_, nil): return averaging { runningAverages(before, $0, examples: examples, into: after) }
    case (.parameters, let replicas?):
      let (weight, written) = (weight, slotSets[updatedSet])
      let velocity = written.count > 0 ? written.all[range] : nil
      let distance = (currentSet - updatedSet) * written.count
      return averaging {
        replicas.move(before, by: $0, weight: weight, velocity: velocity, before: distance, into: after)
      }
    case (_, let replicas?):
      let (weight, slot) = (weight, chunks.slot(chunk))
      return averaging { replicas.average(before, by: $0, weight: weight, slot: slot, into: after) }
    }
  }

  private func part(_ range: Range<Int>) -> @Sendable (_ gradientSum: Floats) -> Optimizer.Part {
    let written = slotSets[updatedSet]
    let slots = stride(from: 0, to: slotsCount, by: parameterCount).map { start in
      written.all[start + range.lowerBound..<start + range.upperBound]
    }
    let (parameters, updated) = (current.values[range], updated.all[range])
    let before = (currentSet - updatedSet) * written.count
    return { gradientSum in
      Optimizer.Part(
        start: range.lowerBound, parameters: parameters, gradientSum: gradientSum, slots: slots, before: before,
        updated: updated)
    }
  }

  /// The parameters before or after the current step, as they are sent in `element`.
  func parameters(isUpdated: Bool, _ element: ElementKind) -> FloatBuffer {
    switch element {
    case .float32: return isUpdated ? updated : current
    case .bf16:
      guard let rounded else { preconditionFailure("this job has no rounded parameters") }
      return isUpdated ? rounded.updated : rounded.current
    case .average:
      guard let averages else { preconditionFailure("this job keeps no averages") }
      return isUpdated ? averages.updated : averages.current
    }
  }

  mutating func recordEvaluation(loss: Double) {
    optimizer.evaluated(loss: loss)
  }

  mutating func advance() {
    currentSet = updatedSet
    stateBefore = nil
    if let begun {
      optimizer = begun.value
      beginSeconds = begun.seconds
    }
    begun = nil
    vectors.advance()
    averages?.advance()
    // No message borrows the rounded ones.
    if let (current, updated) = rounded { rounded = (current: updated, updated: current) }
  }
}
