/// How the parameter vector is cut into chunks, the unit of pushing, summing, updating and sending.
package struct ChunkLayout: Equatable, Sendable {
  /// 256 Ki floats, 1 MiB: where ZeroMQ moves bytes fastest.
  package static let defaultSize = 1 << 18

  /// How many parameters there are.
  package let parameterCount: Int
  /// How many of them a chunk has; the last may have fewer.
  package let size: Int

  /// Chunks of `size` parameters.
  package init(parameterCount: Int, size: Int = ChunkLayout.defaultSize) {
    precondition(parameterCount > 0 && size > 0)
    self.parameterCount = parameterCount
    self.size = size
  }

  /// How many chunks there are.
  package var count: Int { (parameterCount - 1) / size + 1 }

  /// The parameters of chunk `index`.
  package subscript(index: Int) -> Range<Int> {
    precondition(index >= 0 && index < count, "chunk \(index) of \(count)")
    return index * size..<min((index + 1) * size, parameterCount)
  }

  /// How many bytes chunk `index` has on the wire.
  package func byteCount(_ index: Int) -> Int { self[index].count * MemoryLayout<Float>.size }
}
