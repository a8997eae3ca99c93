internal import Foundation
internal import Kernels

/// An array in the IDX format (Y. LeCun, the MNIST database).
///
/// | offset | size | field                                                                     |
/// | -----: | ---: | ------------------------------------------------------------------------- |
/// |      0 |    2 | 0                                                                         |
/// |      2 |    1 | element: 08 byte, 09 signed byte, 0B int16, 0C int32, 0D float, 0E double |
/// |      3 |    1 | number of dimensions, d                                                   |
/// |      4 |   4d | the dimensions, big-endian                                                |
/// |  4+4d  |      | the elements, row-major, big-endian                                       |
struct IDXArray {
  /// The sizes, the number of examples first.
  var dimensions: [Int]
  var elements: DataTable.Values

  /// The number of elements per example.
  var width: Int { dimensions.dropFirst().reduce(1, *) }

  /// Reads the file at `path`, gzip or not.
  init(path: String) throws {
    try self.init(ByteReader(path: path))
  }

  /// Reads all of `reader`. The header alone cannot make it allocate much: no block is larger than twice the stored or
  /// the decompressed size.
  init(_ reader: ByteReader) throws {
    let path = reader.name
    let start = try reader.bytes(4)
    guard start.count == 4, start[0] == 0, start[1] == 0, let element = Element(rawValue: start[2]), start[3] > 0 else {
      throw DatasetError(
        "\(path) is not an IDX file: it starts with \(start.map { [$0].hex }.joined(separator: " "))")
    }
    let sizes = try reader.bytes(4 * Int(start[3]))
    guard sizes.count == 4 * Int(start[3]) else { throw DatasetError("\(path) is truncated in its header") }
    dimensions = stride(from: 0, to: sizes.count, by: 4).map { offset in
      sizes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    var count = 1
    // Zeros count as one here, so that an overflow of the other sizes' product is detected.
    for size in dimensions {
      let (product, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
      guard !overflow else { throw DatasetError("\(path) says it has \(dimensions) elements, which no file can hold") }
      count = product
    }
    if dimensions.contains(0) { count = 0 }
    elements = try element.read(count, from: reader)
    guard try reader.bytes(1).isEmpty else {
      throw DatasetError("\(path) has more data than the \(count) elements that its header says")
    }
  }

  private enum Element: UInt8 {
    case byte = 0x08
    case signedByte = 0x09
    case int16 = 0x0B
    case int32 = 0x0C
    case float = 0x0D
    case double = 0x0E

    var size: Int {
      switch self {
      case .byte, .signedByte: 1
      case .int16: 2
      case .int32, .float: 4
      case .double: 8
      }
    }

    func read(_ count: Int, from reader: ByteReader) throws -> DataTable.Values {
      switch self {
      case .byte: .bytes(try convert(count, reader) { (bits: UInt8) in bits })
      case .signedByte: .floats(try convert(count, reader) { (bits: UInt8) in Float(Int8(bitPattern: bits)) })
      case .int16: .floats(try convert(count, reader) { (bits: UInt16) in Float(Int16(bitPattern: bits)) })
      case .int32: .floats(try convert(count, reader) { (bits: UInt32) in Float(Int32(bitPattern: bits)) })
      case .float: .floats(try convert(count, reader) { (bits: UInt32) in Float(bitPattern: bits) })
      case .double: .floats(try convert(count, reader) { (bits: UInt64) in Float(Double(bitPattern: bits)) })
      }
    }

    private func convert<Bits: FixedWidthInteger, Value>(
      _ count: Int, _ reader: ByteReader, _ value: (Bits) -> Value
    ) throws -> [Value] {
      var block = [UInt8](repeating: 0, count: 1 << 16)
      var values: [Value] = []
      values.reserveCapacity(min(count, 2 * reader.stored / MemoryLayout<Value>.size))
      while values.count < count {
        let wanted = size * min(block.count / size, count - values.count)
        let read = try block.withUnsafeMutableBytes {
          try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
        }
        guard read == wanted else { throw truncated(reader, values.count + read / size, of: count) }
        block.withUnsafeBytes { bytes in
          for offset in Swift.stride(from: 0, to: wanted, by: size) {
            values.append(value(Bits(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Bits.self))))
          }
        }
      }
      return values
    }

    private func truncated(_ reader: ByteReader, _ found: Int, of count: Int) -> DatasetError {
      DatasetError("\(reader.name) is truncated: \(found) of the \(count) elements that its header says")
    }
  }
}

extension ByteReader {
  /// The next `count` bytes, or fewer at the end.
  func bytes(_ count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = try read(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
    }
  }
}
