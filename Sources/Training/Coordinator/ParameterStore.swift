internal import Kernels
internal import Optimizers

/// The master parameters and the rule's slots.
///
/// A step writes the updated parameters beside the current ones: until the last chunk is updated the current ones are
/// whole, for workers that join or take over; and what ZeroMQ still sends of them never changes under it.
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
  /// Whether ZeroMQ may hold more of the parameters while it sends them. Else there would be no shared memory left for
  /// the next ones: workers that stall may each hold others.
  var canLend: Bool { shared.map { $0.freeCount > ParameterStore.sharedVectors / 2 } ?? true }
  /// The rule's slots, one after the other.
  let slots: FloatBuffer
  /// Where copies of them go.
  let copyMemory: CopyMemory
  private(set) var optimizer: Optimizer

  /// The state at the beginning: `count` parameters, which are zeros until they are set.
  ///
  /// - Parameter isShared: whether workers may read parameters in place.
  init(count: Int, _ optimizer: Optimizer, isShared: Bool, set: (MutableFloats) -> Void) {
    shared = isShared ? SharedVectors(vectors: ParameterStore.sharedVectors, count: count) : nil
    current = shared?.take() ?? FloatBuffer(count: count)
    set(current.all)
    updated = shared?.take() ?? FloatBuffer(count: count)
    self.optimizer = optimizer
    slots = FloatBuffer(count: optimizer.slots.count * count)
    copyMemory = CopyMemory(count: slots.count)
  }

  /// The state after `checkpoint`.
  init(_ checkpoint: Checkpoint, _ optimizer: Optimizer, isShared: Bool) {
    self.init(count: checkpoint.parameters.count, optimizer, isShared: isShared) {
      $0.copy(checkpoint.parameters.values)
    }
    slots.all.copy(checkpoint.slots.values)
    self.optimizer.state = checkpoint.state.optimizer
  }

  /// A copy of the slots. The current parameters need none: they never change, and are replaced by others.
  func copySlots() -> FloatBuffer {
    let copy = copyMemory.take()
    copy.all.copy(slots.values)
    return copy
  }

  private func slots(_ range: Range<Int>) -> [MutableFloats] {
    stride(from: 0, to: slots.count, by: current.count).map { start in
      slots.all[start + range.lowerBound..<start + range.upperBound]
    }
  }

  /// Begins update `number`, unless it has begun.
  ///
  /// - Parameter sums: each chunk's range and gradient sum, in order, where the optimizer needs the whole gradient.
  mutating func begin(_ number: Int, examples: Int, _ sums: @autoclosure () -> [(Range<Int>, Floats)]) {
    guard optimizer.state.updates < number else { return }
    optimizer.begin(examples: examples, optimizer.needsWholeGradient ? sums().map { part($0.0, $0.1) } : [])
  }

  /// Averages a chunk's gradient sum and updates the chunk.
  func update(_ range: Range<Int>, gradientSum: Floats) {
    optimizer.update(part(range, gradientSum))
  }

  private func part(_ range: Range<Int>, _ gradientSum: Floats) -> Optimizer.Part {
    Optimizer.Part(
      start: range.lowerBound, parameters: current.values[range], gradientSum: gradientSum,
      slots: slots(range), updated: updated.all[range])
  }

  /// Takes in an evaluation's loss.
  mutating func evaluated(testLoss: Double) {
    optimizer.evaluated(testLoss: testLoss)
  }

  /// Makes the updated parameters the current ones.
  mutating func advance() {
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
