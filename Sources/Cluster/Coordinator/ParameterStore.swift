internal import Kernels
internal import Optimizers
internal import Protocol

/// The parameters and the optimizer's slots.
///
/// A step writes updated parameters and slots beside the current ones. The current ones stay complete until the last
/// chunk is updated: for workers that join or take leaves over, and for saving a run that fails in the middle of the
/// step. Memory that ZeroMQ still sends from does not change.
struct ParameterStore {
  /// The parameters before the current step.
  private(set) var current: FloatBuffer
  /// The parameters after the current step, in the chunks that are updated.
  private(set) var updated: FloatBuffer
  /// In a job of bf16, rounded copies of ``current`` and ``updated``, without the statistics. Workers train with them.
  private var rounded: (current: FloatBuffer, updated: FloatBuffer)?
  /// Former parameters that ZeroMQ may still send from.
  private var retired: [FloatBuffer] = []
  /// Shared memory in which local workers read the parameters; nil if none is shared.
  let shared: SharedVectors?
  /// Unused vectors take no memory.
  private static let sharedVectors = 16
  /// Whether ZeroMQ may send from the parameters without a copy. Limits how many vectors stalled workers can hold, so
  /// that the pool never runs dry.
  var canLend: Bool { shared.map { $0.freeCount > ParameterStore.sharedVectors / 2 } ?? true }
  /// Two sets of slots in one buffer: those of the current parameters, and those that the step writes.
  private var slotSets: [FloatBuffer]
  private var currentSet = 0
  /// The set that the step writes; the current one while a checkpoint still holds the other.
  private var updatedSet = 1
  /// The optimizer's state before the current step; nil between steps.
  private var stateBefore: OptimizerState?
  private(set) var optimizer: Optimizer
  /// The statistics follow so many parameters. They have no slots.
  private let parameterCount: Int

  /// The slots of the current parameters, one after the other.
  var slots: FloatBuffer { slotSets[currentSet] }

  /// The optimizer's state that belongs to the current parameters.
  var state: OptimizerState { stateBefore ?? optimizer.state }

  /// Whether ``current``, ``slots`` and ``state`` belong to the same step. They do not while a step overwrites the
  /// slots because a checkpoint is still being written from the other set.
  var isWhole: Bool { stateBefore == nil || updatedSet != currentSet }

  /// The values of `chunks`, set by `set`, and slots of zeros.
  ///
  /// - Parameter isShared: whether the values are in shared memory.
  init(_ chunks: ChunkLayout, _ optimizer: Optimizer, isShared: Bool, set: (MutableFloats) -> Void) {
    let count = chunks.valueCount
    parameterCount = chunks.parameterCount
    shared = isShared ? SharedVectors(vectors: ParameterStore.sharedVectors, count: count, isReadOnly: true) : nil
    current = shared?.take() ?? FloatBuffer(count: count)
    set(current.all)
    updated = shared?.take() ?? FloatBuffer(count: count)
    if chunks.precision == .bf16 {
      let copies = (0..<2).map { [shared] _ in shared?.take() ?? FloatBuffer(count: count) }
      roundToBF16(current.values[0..<parameterCount], into: copies[0].all[0..<parameterCount])
      rounded = (copies[0], copies[1])
    }
    self.optimizer = optimizer
    let size = optimizer.slots.count * parameterCount
    let both = FloatBuffer(count: 2 * size)
    slotSets = [both.part(0..<size), both.part(size..<2 * size)]
  }

  init(_ saved: SavedState, _ chunks: ChunkLayout, _ optimizer: Optimizer, isShared: Bool) {
    self.init(chunks, optimizer, isShared: isShared) {
      $0.copy(saved.parameters.values)
    }
    slots.all.copy(saved.slots.values)
    self.optimizer.state = saved.optimizer
  }

  /// Begins update `number`, if it has not begun.
  ///
  /// - Parameters:
  ///   - isLast: whether the run ends with this step.
  ///   - sums: gives each chunk's range and gradient sum, in order; called if the optimizer needs the whole gradient.
  mutating func begin(
    _ number: Int, isLast: Bool, weight: Double, _ sums: () -> [(Range<Int>, FloatBuffer)]
  ) {
    guard stateBefore == nil else { return }
    precondition(optimizer.state.updates + 1 == number, "update \(number) follows \(optimizer.state.updates)")
    stateBefore = optimizer.state
    // A third set of slots would take more memory than the copy for the checkpoint that it saves.
    updatedSet = isKnownUniquelyReferenced(&slotSets[1 - currentSet]) ? 1 - currentSet : currentSet
    let sums = optimizer.needsWholeGradient ? sums() : []
    withExtendedLifetime(sums) {
      optimizer.begin(weight: weight, isLast: isLast, sums.map { part($0.0)($0.1.values) })
    }
  }

  /// What averages a chunk's gradient sum, updates the chunk and returns its new parameters, as workers train with them:
  /// where rounding makes one infinite, the update is not finite. Any thread may call it
  /// until ``advance()``, and while this store is there.
  func update(of range: Range<Int>) -> @Sendable (_ gradientSum: Floats) -> Floats {
    let (optimizer, part, rounded) = (optimizer, part(range), rounded?.updated.all[range])
    return { gradientSum in
      let part = part(gradientSum)
      optimizer.update(part)
      guard let rounded else { return part.updated.readOnly }
      roundToBF16(part.updated.readOnly, into: rounded)
      return rounded.readOnly
    }
  }

  /// What makes a chunk of statistics the running averages after the step, and returns them. ``update(of:)`` says when it
  /// may be called.
  ///
  /// - Parameter examples: of the step; the sums are over them.
  func average(_ range: Range<Int>, examples: Int) -> @Sendable (_ sum: Floats) -> Floats {
    let (before, after) = (current.values[range], updated.all[range])
    return { sum in
      runningAverages(before, sum, examples: examples, into: after)
      return after.readOnly
    }
  }

  private func part(_ range: Range<Int>) -> @Sendable (_ gradientSum: Floats) -> Optimizer.Part {
    let written = slotSets[updatedSet]
    let slots = stride(from: 0, to: written.count, by: parameterCount).map { start in
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
    guard element == .bf16 else { return isUpdated ? updated : current }
    guard let rounded else { preconditionFailure("this job has no rounded parameters") }
    return isUpdated ? rounded.updated : rounded.current
  }

  mutating func recordEvaluation(loss: Double) {
    optimizer.evaluated(loss: loss)
  }

  mutating func advance() {
    currentSet = updatedSet
    stateBefore = nil
    retired.append(current)
    current = updated
    // No message borrows the rounded ones.
    if let (current, updated) = rounded { rounded = (current: updated, updated: current) }
    // Reuse a vector that nobody holds any more. A stalled peer holds one until its connection closes.
    if let index = retired.indices.first(where: { isKnownUniquelyReferenced(&retired[$0]) }) {
      updated = retired.remove(at: index)
    } else {
      updated = shared?.take() ?? FloatBuffer(count: current.count)
    }
    // The others are freed when ZeroMQ releases them.
    if retired.count > 1 { retired.removeFirst(retired.count - 1) }
  }
}
