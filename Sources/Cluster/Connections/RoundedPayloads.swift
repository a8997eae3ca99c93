internal import Kernels
internal import Protocol
internal import ZeroMQ

// Payloads of bf16 have 2 bytes a value, and are computed with as float32.

extension Message {
  /// A frame of `values` in bf16.
  convenience init(packing values: Floats) {
    self.init(count: ElementKind.bf16.size * values.count)
    packBF16(values, into: mutableBytes)
  }

  /// The floats of a received frame that was written in `element`, to compute in place. Nil if the bytes are not whole
  /// values.
  func floats(of element: ElementKind) -> FloatBuffer? {
    switch element {
    case .float32, .average: return alignedFloats
    case .bf16:
      guard count > 0, count % element.size == 0 else { return nil }
      // A frame's memory is not set to zero first, as a buffer's is.
      let memory = Message(count: count / element.size * MemoryLayout<Float>.size)
      guard let values = memory.alignedFloats else { return nil }
      unpackBF16(bytes, into: values.all)
      return values
    }
  }
}

extension WorkerEngine {
  /// A frame of a chunk of a gradient, which lends the values from `owner` unless they are packed.
  func message(of values: Floats, of owner: AnyObject, chunk: Int) -> Message {
    chunks.element(chunk) == .bf16 ? Message(packing: values) : Message(lending: values.bytes, of: owner)
  }
}

extension ChunkLayout {
  /// How many values of chunk `index` of a gradient are rounded: all or none.
  func roundedCount(_ index: Int) -> Int { element(index) == .bf16 ? self[index].count : 0 }
}
