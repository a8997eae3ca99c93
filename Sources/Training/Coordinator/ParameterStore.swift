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
  private let slots: [FloatBuffer]
  private let rule: any UpdateRule
  private let learningRate: Double

  init(initial: FloatBuffer, _ settings: OptimizerSettings) throws {
    current = initial
    updated = FloatBuffer(count: initial.count)
    rule = try settings.rule()
    slots = type(of: rule).slots.map { _ in FloatBuffer(count: initial.count) }
    learningRate = settings.learningRate
  }

  /// Averages a chunk's gradient sum and updates the chunk.
  func update(_ range: Range<Int>, gradientSum: Floats, number: Int, examples: Int) {
    rule.update(
      UpdateRange(
        parameters: current.values[range], gradientSum: gradientSum, slots: slots.map { $0.all[range] },
        updated: updated.all[range]),
      UpdateStep(number: number, examples: examples, learningRate: learningRate))
  }

  /// Makes the updated parameters the current ones.
  mutating func advance() {
    retired.append(current)
    current = updated
    // One that nobody else holds any more; a peer that stalls costs a vector until its connection is closed.
    if let index = retired.indices.first(where: { isKnownUniquelyReferenced(&retired[$0]) }) {
      updated = retired.remove(at: index)
    } else {
      updated = FloatBuffer(count: current.count)
    }
    // The others free themselves when ZeroMQ lets go; one is kept for the next step.
    if retired.count > 1 { retired.removeFirst(retired.count - 1) }
  }
}
