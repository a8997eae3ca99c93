package import Schema

/// The chunks of the parameter vector, after them those of the statistics, and, in a job of local steps, those of each of
/// the rule's moments: each is pushed, summed, updated and sent on its own.
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
  /// The rule's slots that replicas train with: vectors as long as the parameters, behind the statistics. Nil without
  /// local steps.
  package let moments: Int?
  /// Values in a chunk; the last chunk of each kind may have fewer.
  package let size: Int
  /// What gradients and the parameters and moments for training are rounded to, and sent as. Statistics are float32.
  package let precision: Precision
  /// Whether evaluations read averages of the parameters and statistics in place of those that are trained.
  package let isAveraged: Bool

  package init(
    parameterCount: Int, statisticCount: Int = 0, moments: Int? = nil, size: Int = ChunkLayout.defaultSize,
    precision: Precision = .float32, isAveraged: Bool = false
  ) {
    precondition(parameterCount > 0 && statisticCount >= 0 && moments ?? 0 >= 0 && size > 0)
    (self.parameterCount, self.statisticCount) = (parameterCount, statisticCount)
    (self.moments, self.size, self.precision, self.isAveraged) = (moments, size, precision, isAveraged)
  }

  /// Of `layout`'s vector.
  package init(
    _ layout: ParameterLayout, moments: Int? = nil, size: Int = ChunkLayout.defaultSize,
    precision: Precision = .float32, isAveraged: Bool = false
  ) {
    self.init(
      parameterCount: layout.parameterCount, statisticCount: layout.count - layout.parameterCount,
      moments: moments, size: size, precision: precision, isAveraged: isAveraged)
  }

  private var momentCount: Int { moments ?? 0 }

  /// The number of values of a model's vector: parameters and statistics.
  package var modelCount: Int { parameterCount + statisticCount }

  /// The number of values of the vector.
  package var valueCount: Int { modelCount + momentCount * parameterCount }

  /// The number of chunks of parameters, which come first. Each slot has as many.
  package var parameterChunks: Int { (parameterCount - 1) / size + 1 }

  /// The number of chunks of parameters and statistics.
  package var modelChunks: Int { parameterChunks + (statisticCount + size - 1) / size }

  package var count: Int { modelChunks + momentCount * parameterChunks }

  package var indices: Range<Int> { 0..<count }

  /// What chunk `index` is a part of.
  package func kind(_ index: Int) -> VectorKind {
    index < parameterChunks ? .parameters : index < modelChunks ? .statistics : .moments
  }

  /// The range of chunk `index` in the vector.
  package subscript(index: Int) -> Range<Int> {
    let range = modelRange(index)
    let offset = slot(index).map { self.range(ofSlot: $0).lowerBound } ?? 0
    return offset + range.lowerBound..<offset + range.upperBound
  }

  /// The place of chunk `index` in a model's vector; of moments, that of their parameters.
  package func modelRange(_ index: Int) -> Range<Int> {
    precondition(index >= 0 && index < count, "chunk \(index) of \(count)")
    if kind(index) == .statistics {
      let start = parameterCount + (index - parameterChunks) * size
      return start..<min(start + size, modelCount)
    }
    let start = (slot(index) == nil ? index : (index - modelChunks) % parameterChunks) * size
    return start..<min(start + size, parameterCount)
  }

  /// The slot that chunk `index` is a part of; nil for parameters and statistics.
  package func slot(_ index: Int) -> Int? {
    kind(index) == .moments ? (index - modelChunks) / parameterChunks : nil
  }

  /// The values of a slot in the vector.
  package func range(ofSlot slot: Int) -> Range<Int> {
    let start = modelCount + slot * parameterCount
    return start..<start + parameterCount
  }

  /// Whether tasks of this kind read `vector`. Evaluations read no moments, and training no statistics, unless replicas
  /// keep their own.
  package func isRead(_ vector: VectorKind, by task: TaskKind) -> Bool {
    switch vector {
    case .parameters: true
    case .statistics: task != .train || moments != nil
    case .moments: task == .train
    }
  }

  /// The version of parameters and statistics that evaluations read.
  private var evaluated: ElementKind { isAveraged ? .average : .float32 }

  /// How the values of chunk `index` are sent: of a gradient, or of what `task` reads. Evaluations do not read moments,
  /// whose chunks may come before one.
  package func element(_ index: Int, for task: TaskKind = .train) -> ElementKind {
    switch kind(index) {
    case .parameters: task == .train ? precision.element : evaluated
    case .statistics: task == .train ? .float32 : evaluated
    case .moments: precision.element
    }
  }

  /// Whether workers push chunks of `vector` in `element`.
  package func mayPush(_ element: ElementKind, of vector: VectorKind) -> Bool {
    switch vector {
    case .parameters: element == precision.element
    case .statistics: element == .float32
    case .moments: momentCount > 0 && element == precision.element
    }
  }

  /// Whether a worker may be sent chunks of `vector` in `element`.
  package func mayGet(_ element: ElementKind, of vector: VectorKind) -> Bool {
    mayPush(element, of: vector) || vector != .moments && element == evaluated
  }

  /// Whether a PUSH with `byteCount` bytes is a chunk of a gradient as this job sends them.
  package func isGradient(_ header: Header, byteCount: Int) -> Bool {
    let chunk = Int(header.chunk)
    return chunk < count && header.vector == kind(chunk) && header.element == element(chunk)
      && byteCount == self.byteCount(chunk, header.element)
  }

  /// Bytes of chunk `index` in a message.
  package func byteCount(_ index: Int, _ element: ElementKind = .float32) -> Int { self[index].count * element.size }
}
