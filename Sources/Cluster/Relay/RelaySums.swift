internal import Kernels
internal import Protocol
internal import Reduction

/// The sums that a relay holds, by chunk and node.
struct RelaySums {
  /// A sum for the coordinator.
  struct Push {
    let node: Node
    let step: Int
    let chunk: Int
    let sum: FloatBuffer
  }

  var chunks: ChunkLayout?
  private var sums: [Int: [Node: FloatBuffer]] = [:]

  mutating func keep(_ node: Node, _ chunk: Int, _ payload: FloatBuffer?) {
    guard let payload else { preconditionFailure("the relay keeps a sum that was not received") }
    sums[chunk, default: [:]][node] = payload
  }

  /// Adds the right sum to the left one, which becomes their parent's.
  mutating func combine(_ left: Node, _ right: Node, _ chunk: Int) {
    let leftSum = take(left, chunk)
    let rightSum = take(right, chunk)
    accumulate(rightSum.values, into: leftSum.all, roundedCount: chunks?.roundedCount(chunk) ?? 0)
    sums[chunk, default: [:]][Node(left.start..<right.end)] = leftSum
  }

  /// Gives a sum up.
  @discardableResult mutating func take(_ node: Node, _ chunk: Int) -> FloatBuffer {
    guard let sum = sums[chunk]?.removeValue(forKey: node) else {
      preconditionFailure("the sum of \(node) in chunk \(chunk) is not at hand")
    }
    return sum
  }

  mutating func removeAll() { sums = [:] }
}
