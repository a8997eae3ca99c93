internal import Kernels

/// Numbers as a file has them, in any element type, which are read when they are used: rows of a NumPy array, say. A
/// file that is mapped into memory may be larger than memory.
public final class StoredNumbers: Sendable {
  private let bytes: StoredBytes
  /// The first element's place in ``bytes``.
  private let offset: Int
  private let element: ArrayElement
  /// The file's columns. A row of numbers lacks the omitted one.
  private let columns: Int
  private let omitted: Int?
  /// The number of values in a row.
  private let width: Int
  /// The number of values.
  public let count: Int

  /// - Parameters:
  ///   - offset: the place of the first element, in bytes. All `rows` · `columns` of them must be in `bytes`.
  ///   - omitted: a column that is left out; nil for none.
  init(
    _ bytes: StoredBytes, at offset: Int, _ element: ArrayElement, rows: Int, columns: Int, omitting omitted: Int? = nil
  ) {
    precondition(offset >= 0 && rows * columns * element.size <= bytes.all.count - offset)
    precondition(omitted.map { (0..<columns).contains($0) } ?? true)
    (self.bytes, self.offset, self.element) = (bytes, offset, element)
    (self.columns, self.omitted) = (columns, omitted)
    width = omitted == nil ? columns : columns - 1
    count = rows * width
  }

  /// Whether the values are bytes from 0 to 255, such as pixels.
  var areBytes: Bool { element.isByte }

  /// Whether ``scaleRow(_:_:converted:into:)`` needs memory for a row.
  var needsConversion: Bool { !areBytes && !areFloatsInPlace }

  private var areFloatsInPlace: Bool {
    element.isNativeFloat && UInt(bitPattern: start) % UInt(MemoryLayout<Float>.alignment) == 0
  }

  private var start: UnsafeRawPointer? { bytes.all.baseAddress.map { $0 + offset } }

  /// Calls `body` with each run of consecutive elements that hold the values in `range`.
  ///
  /// - Parameter body: gets the first element, the number of elements, and the first one's position in `range`.
  @inline(__always)
  private func forEachRun(_ range: Range<Int>, _ body: (UnsafeRawPointer, _ count: Int, _ position: Int) -> Void) {
    guard let start, !range.isEmpty else { return }
    guard let omitted else {
      body(start + range.lowerBound * element.size, range.count, 0)
      return
    }
    var index = range.lowerBound
    while index < range.upperBound {
      let (row, column) = index.quotientAndRemainder(dividingBy: width)
      let isBefore = column < omitted
      // The values from the omitted column on and those of the next row before it stand side by side.
      let end = isBefore ? omitted : width + omitted
      let count = min(end - column, range.upperBound - index)
      body(start + (row * columns + column + (isBefore ? 0 : 1)) * element.size, count, index - range.lowerBound)
      index += count
    }
  }

  /// Writes the values in `range`, counted over all rows, to `output`.
  func read(_ range: Range<Int>, into output: MutableFloats) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && output.count == range.count)
    forEachRun(range) { source, count, position in
      element.convert(source, count: count, into: output.unsafeStart + position)
    }
  }

  /// Writes row `row`, scaled, to `output`.
  ///
  /// - Parameter converted: memory for a row, where ``needsConversion`` says so.
  func scaleRow(_ row: Int, _ scaling: ScalingVectors, converted: MutableFloats, into output: MutableFloats) {
    let range = row * width..<(row + 1) * width
    let (offset, factor) = (scaling.offset.values, scaling.factor.values)
    if needsConversion {
      read(range, into: converted)
      Kernels.scale(converted.readOnly, offset: offset, factor: factor, into: output)
      return
    }
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    forEachRun(range) { source, count, position in
      let part = position..<position + count
      if areBytes {
        Kernels.scale(
          UnsafeRawBufferPointer(start: source, count: count).assumingMemoryBound(to: UInt8.self), offset: offset[part],
          factor: factor[part], into: output[part])
      } else {
        Kernels.scale(
          Floats(base: source.assumingMemoryBound(to: Float.self), count: count), offset: offset[part],
          factor: factor[part], into: output[part])
      }
    }
  }

  /// Starts to load row `row` into the cache.
  func prefetchRow(_ row: Int) {
    guard let start else { return }
    let size = columns * element.size
    prefetch(UnsafeRawBufferPointer(start: start + row * size, count: size))
  }

  /// Calls `body` with all values as float32, a block after the other.
  ///
  /// - Parameter body: gets a block, valid during the call, and its first value's position.
  func forEachBlock(_ body: (Floats, _ first: Int) -> Void) {
    let size = 1 << 14
    let buffer = FloatBuffer(count: min(size, count))
    for first in stride(from: 0, to: count, by: size) {
      let block = buffer.all[0..<min(size, count - first)]
      read(first..<first + block.count, into: block)
      body(block.readOnly, first)
    }
    withExtendedLifetime(buffer) {}
  }

  /// The position of the first value that is infinite or NaN as float32; nil if all are finite.
  var firstNonFinite: Int? {
    guard element.hasNonFinite else { return nil }
    var found: Int?
    forEachBlock { block, first in
      guard found == nil, !block.areFinite else { return }
      found = block.indices.first { !block[$0].isFinite }.map { first + $0 }
    }
    return found
  }

  /// The value at `index` with all digits that the file has.
  func text(_ index: Int) -> String {
    var text = ""
    forEachRun(index..<index + 1) { source, _, _ in text = element.text(at: source) }
    return text
  }

  /// Adds what arrays of the same numbers add, in whatever type and order of bytes the file has them: bytes as they are,
  /// others as float32.
  func hash(into hash: inout SHA256) {
    if areBytes {
      forEachRun(0..<count) { source, count, _ in hash.update(UnsafeRawBufferPointer(start: source, count: count)) }
    } else {
      forEachBlock { block, _ in hash.update(block.bytes) }
    }
  }

  /// All values in memory.
  var floats: [Float] {
    [Float](unsafeUninitializedCapacity: count) { output, filled in
      if let base = output.baseAddress, count > 0 { read(0..<count, into: MutableFloats(base: base, count: count)) }
      filled = count
    }
  }

  /// - Throws: ``DatasetError`` if the file has changed since it was opened.
  func checkUnchanged() throws { try bytes.checkUnchanged() }
}
