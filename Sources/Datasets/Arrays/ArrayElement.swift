/// The type of an array's elements, as NumPy names it.
struct ArrayElement: Equatable, Sendable {
  enum Kind: String, CaseIterable {
    case bool = "b1"
    case int8 = "i1"
    case int16 = "i2"
    case int32 = "i4"
    case int64 = "i8"
    case uint8 = "u1"
    case uint16 = "u2"
    case uint32 = "u4"
    case uint64 = "u8"
    case float16 = "f2"
    case float32 = "f4"
    case float64 = "f8"
  }

  let kind: Kind
  let isBigEndian: Bool

  private static let hostIsBigEndian = UInt16(1).bigEndian == 1

  /// The type that NumPy writes as `name`, such as `<f4`; nil if it is none of numbers that a float32 can stand for.
  init?(_ name: String) {
    let order = name.first.flatMap { "<>|=".contains($0) ? $0 : nil }
    guard let kind = Kind(rawValue: String(order == nil ? name[...] : name.dropFirst())) else { return nil }
    self.kind = kind
    isBigEndian = order == ">" || order != "<" && ArrayElement.hostIsBigEndian
  }

  /// In bytes.
  var size: Int {
    switch kind {
    case .bool, .int8, .uint8: 1
    case .int16, .uint16, .float16: 2
    case .int32, .uint32, .float32: 4
    case .int64, .uint64, .float64: 8
    }
  }

  /// Whether elements can be infinite or NaN, as float32 too.
  var hasNonFinite: Bool { [.float16, .float32, .float64].contains(kind) }

  /// Whether an element is a byte from 0 to 255, such as a pixel.
  var isByte: Bool { kind == .uint8 }

  /// Whether elements are float32 values in this machine's order.
  var isNativeFloat: Bool { kind == .float32 && isBigEndian == ArrayElement.hostIsBigEndian }

  /// Writes `count` elements from `source` on as the nearest float32 values, ties to even. `source` may have any
  /// alignment.
  func convert(_ source: UnsafeRawPointer, count: Int, into output: UnsafeMutablePointer<Float>) {
    switch kind {
    case .bool: map(source, count, output) { (bits: UInt8) in bits == 0 ? 0 : 1 }
    case .int8: map(source, count, output) { (bits: UInt8) in Float(Int8(bitPattern: bits)) }
    case .int16: map(source, count, output) { (bits: UInt16) in Float(Int16(bitPattern: bits)) }
    case .int32: map(source, count, output) { (bits: UInt32) in Float(Int32(bitPattern: bits)) }
    case .int64: map(source, count, output) { (bits: UInt64) in Float(Int64(bitPattern: bits)) }
    case .uint8: map(source, count, output) { (bits: UInt8) in Float(bits) }
    case .uint16: map(source, count, output) { (bits: UInt16) in Float(bits) }
    case .uint32: map(source, count, output) { (bits: UInt32) in Float(bits) }
    case .uint64: map(source, count, output) { (bits: UInt64) in Float(bits) }
    case .float16: map(source, count, output) { (bits: UInt16) in Float(halfBits: bits) }
    case .float32: map(source, count, output) { (bits: UInt32) in Float(bitPattern: bits) }
    case .float64: map(source, count, output) { (bits: UInt64) in Float(Double(bitPattern: bits)) }
    }
  }

  /// The element at `source` with all of its digits.
  func text(at source: UnsafeRawPointer) -> String {
    if kind == .float64 {
      let bits = source.loadUnaligned(as: UInt64.self)
      return "\(Double(bitPattern: isBigEndian ? UInt64(bigEndian: bits) : UInt64(littleEndian: bits)))"
    }
    var value: Float = 0
    convert(source, count: 1, into: &value)
    return "\(value)"
  }

  @inline(__always)
  private func map<Bits: FixedWidthInteger>(
    _ source: UnsafeRawPointer, _ count: Int, _ output: UnsafeMutablePointer<Float>, _ value: (Bits) -> Float
  ) {
    let size = MemoryLayout<Bits>.size
    if isBigEndian {
      for index in 0..<count {
        output[index] = value(Bits(bigEndian: source.loadUnaligned(fromByteOffset: index * size, as: Bits.self)))
      }
    } else {
      for index in 0..<count {
        output[index] = value(Bits(littleEndian: source.loadUnaligned(fromByteOffset: index * size, as: Bits.self)))
      }
    }
  }
}

extension Float {
  /// The value of a float16 (IEEE 754 binary16), exactly.
  init(halfBits bits: UInt16) {
    let (exponent, fraction) = (UInt32(bits >> 10 & 0x1F), UInt32(bits & 0x3FF))
    let magnitude: Float =
      switch exponent {
      case 0: Float(fraction) * 0x1p-24
      case 0x1F: Float(bitPattern: 0x7F80_0000 | fraction << 13)
      default: Float(bitPattern: (exponent + 112) << 23 | fraction << 13)
      }
    self = Float(bitPattern: magnitude.bitPattern | UInt32(bits & 0x8000) << 16)
  }
}
