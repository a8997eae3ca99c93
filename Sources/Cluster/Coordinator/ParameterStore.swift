internal import Kernels
internal import Optimizers

/// The master parameters and the rule's slots.
///
/// A step writes the updated parameters and slots beside the current ones: until the last chunk is updated the current
/// ones are whole, for workers that join or take over, and for a run that fails and is saved as it was before the step.
/// What ZeroMQ still sends of the parameters never changes under it.
struct ParameterStore {
  /// The parameters that the present step starts from.
  private(set) var current: FloatBuffer
  /// The next ones, as far as their chunks are updated.
  private(set) var updated: FloatBuffer
  /// Former ones that ZeroMQ was still sending when they were replaced.
  private var retired: [FloatBuffer] = []
  /// Where parameters are that workers on this machine read in place; nil where they do not.
  let shared: SharedVectors?
  /// Untouched ones take no memory.
  private static let sharedVectors = 16
  /// Whether ZeroMQ may hold more of the parameters while it sends them. Limits how many vectors stalled workers can
  /// hold, so that the pool never runs dry.
  var canLend: Bool { shared.map { $0.freeCount > ParameterStore.sharedVectors / 2 } ?? true }
  /// Two sets of the rule's slots in one buffer: those of the current parameters, and those that the step writes.
  private var slotSets: [FloatBuffer]
  private var currentSet = 0
  /// The set that the present step writes; the current one where a checkpoint still holds the other.
  private var updatedSet = 1
  /// What the optimizer remembered before the present step began; nil between two steps.
  private var stateBefore: OptimizerState?
  private(set) var optimizer: Optimizer

  /// The rule's slots of the current parameters, one after the other.
  var slots: FloatBuffer { slotSets[currentSet] }

  /// What the optimizer remembers after the current parameters' step.
  var state: OptimizerState { stateBefore ?? optimizer.state }

  /// Whether ``current``, ``slots`` and ``state`` belong to one step. They do at any moment, but for a step that is being
  /// updated while a checkpoint of the step before it, or of one before that, is still being written.
  var isWhole: Bool { stateBefore == nil || updatedSet != currentSet }

  /// The state at the beginning: `count` parameters, which are zeros until they are set.
  ///
  /// - Parameter isShared: whether workers may read parameters in place.
  init(count: Int, _ optimizer: Optimizer, isShared: Bool, set: (MutableFloats) -> Void) {
    shared = isShared ? SharedVectors(vectors: ParameterStore.sharedVectors, count: count, isReadOnly: true) : nil
    current = shared?.take() ?? FloatBuffer(count: count)
    set(current.all)
    updated = shared?.take() ?? FloatBuffer(count: count)
    self.optimizer = optimizer
    let size = optimizer.slots.count * count
    let both = FloatBuffer(count: 2 * size)
    slotSets = [both.part(0..<size), both.part(size..<2 * size)]
  }

  /// The state that was saved.
  init(_ saved: SavedState, _ optimizer: Optimizer, isShared: Bool) {
    self.init(count: saved.parameters.count, optimizer, isShared: isShared) {
      $0.copy(saved.parameters.values)
    }
    slots.all.copy(saved.slots.values)
    self.optimizer.state = saved.optimizer
  }

  /// Begins update `number`, unless it has begun.
  ///
  /// - Parameter sums: each chunk's range and gradient sum, in order, where the optimizer needs the whole gradient.
  mutating func begin(_ number: Int, weight: Double, _ sums: @autoclosure () -> [(Range<Int>, Floats)]) {
    guard stateBefore == nil else { return }
    precondition(optimizer.state.updates + 1 == number, "update \(number) follows \(optimizer.state.updates)")
    stateBefore = optimizer.state
    // A third set would take more memory than the copy of the slots that a checkpoint else needs.
    updatedSet = isKnownUniquelyReferenced(&slotSets[1 - currentSet]) ? 1 - currentSet : currentSet
    optimizer.begin(weight: weight, optimizer.needsWholeGradient ? sums().map { part($0.0, $0.1) } : [])
  }

  /// Averages a chunk's gradient sum and updates the chunk.
  func update(_ range: Range<Int>, gradientSum: Floats) {
    optimizer.update(part(range, gradientSum))
  }

  private func part(_ range: Range<Int>, _ gradientSum: Floats) -> Optimizer.Part {
    let written = slotSets[updatedSet]
    let slots = stride(from: 0, to: written.count, by: current.count).map { start in
      written.all[start + range.lowerBound..<start + range.upperBound]
    }
    return Optimizer.Part(
      start: range.lowerBound, parameters: current.values[range], gradientSum: gradientSum, slots: slots,
      before: (currentSet - updatedSet) * written.count, updated: updated.all[range])
  }

  /// Takes in an evaluation's loss.
  mutating func recordEvaluation(testLoss: Double) {
    optimizer.evaluated(testLoss: testLoss)
  }

  /// Makes the updated parameters and slots the current ones.
  mutating func advance() {
    currentSet = updatedSet
    stateBefore = nil
    retired.append(current)
    current = updated
    // One that nobody else holds any more; a peer that stalls costs a vector until its connection is closed.
    if let index = retired.indices.first(where: { isKnownUniquelyReferenced(&retired[$0]) }) {
      updated = retired.remove(at: index)
    } else {
      updated = shared?.take() ?? FloatBuffer(count: current.count)
    }
    // The others free themselves when ZeroMQ lets go; one is kept for the next step.
    if retired.count > 1 { retired.removeFirst(retired.count - 1) }
  }
}
