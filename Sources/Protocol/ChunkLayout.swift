/// The chunks of the parameter vector: each is pushed, summed, updated and sent on its own.
package struct ChunkLayout: Equatable, Sendable {
  /// 256 Ki floats, 1 MiB: messages of this size have the highest throughput in ZeroMQ.
  package static let defaultSize = 1 << 18

  package let parameterCount: Int
  /// Parameters in a chunk; the last chunk may have fewer.
  package let size: Int

  package init(parameterCount: Int, size: Int = ChunkLayout.defaultSize) {
    precondition(parameterCount > 0 && size > 0)
    (self.parameterCount, self.size) = (parameterCount, size)
  }

  package var count: Int { (parameterCount - 1) / size + 1 }

  /// The range of chunk `index` in the parameter vector.
  package subscript(index: Int) -> Range<Int> {
    precondition(index >= 0 && index < count, "chunk \(index) of \(count)")
    return index * size..<min((index + 1) * size, parameterCount)
  }

  package func byteCount(_ index: Int) -> Int { self[index].count * MemoryLayout<Float>.size }
}
