package import Schema

/// The chunks of the parameter vector, and after them those of the statistics: each is pushed, summed, updated and sent
/// on its own.
package struct ChunkLayout: Equatable, Sendable {
  /// 256 Ki floats, 1 MiB: messages of this size have the highest throughput in ZeroMQ.
  package static let defaultSize = 1 << 18

  /// The size for workers on other machines: small, because each hop takes a chunk's time, and enough of them to share
  /// among relays.
  package static func networkSize(_ parameterCount: Int) -> Int {
    min(max(parameterCount / 128, 1 << 12), defaultSize)
  }

  package let parameterCount: Int
  /// The statistics follow the parameters in the same vector.
  package let statisticCount: Int
  /// Values in a chunk; the last chunk of each kind may have fewer.
  package let size: Int
  /// What gradients and the parameters for training are rounded to, and sent as. Statistics are float32.
  package let precision: Precision

  package init(
    parameterCount: Int, statisticCount: Int = 0, size: Int = ChunkLayout.defaultSize, precision: Precision = .float32
  ) {
    precondition(parameterCount > 0 && statisticCount >= 0 && size > 0)
    (self.parameterCount, self.statisticCount, self.size) = (parameterCount, statisticCount, size)
    self.precision = precision
  }

  /// Of `layout`'s vector.
  package init(_ layout: ParameterLayout, size: Int = ChunkLayout.defaultSize, precision: Precision = .float32) {
    self.init(
      parameterCount: layout.parameterCount, statisticCount: layout.count - layout.parameterCount, size: size,
      precision: precision)
  }

  /// The number of values of the vector.
  package var valueCount: Int { parameterCount + statisticCount }

  /// The number of chunks of parameters, which come first.
  package var parameterChunks: Int { (parameterCount - 1) / size + 1 }

  package var count: Int { parameterChunks + (statisticCount + size - 1) / size }

  package var indices: Range<Int> { 0..<count }

  /// What chunk `index` is a part of.
  package func kind(_ index: Int) -> VectorKind { index < parameterChunks ? .parameters : .statistics }

  /// The range of chunk `index` in the vector.
  package subscript(index: Int) -> Range<Int> {
    precondition(index >= 0 && index < count, "chunk \(index) of \(count)")
    guard index >= parameterChunks else { return index * size..<min((index + 1) * size, parameterCount) }
    let start = parameterCount + (index - parameterChunks) * size
    return start..<min(start + size, valueCount)
  }

  /// How the values of chunk `index` are sent: of a gradient, or of the parameters for `task`.
  package func element(_ index: Int, for task: TaskKind = .train) -> ElementKind {
    task == .train && kind(index) == .parameters ? precision.element : .float32
  }

  /// Whether a worker may be sent chunks of `vector` in `element`.
  package func mayGet(_ element: ElementKind, of vector: VectorKind) -> Bool {
    element == .float32 || vector == .parameters && element == precision.element
  }

  /// Bytes of chunk `index` in a message.
  package func byteCount(_ index: Int, _ element: ElementKind = .float32) -> Int { self[index].count * element.size }
}
