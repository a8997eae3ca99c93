/// A message in Protocol Buffers' wire format (Google, *Encoding*).
struct ProtobufMessage {
  private(set) var bytes: [UInt8] = []

  /// - Parameter fields: in the order in which they are written.
  init(_ fields: (inout ProtobufMessage) -> Void = { _ in }) { fields(&self) }

  private mutating func varint(_ value: UInt64) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  private mutating func key(_ field: Int, _ type: UInt64) { varint(UInt64(field) << 3 | type) }

  mutating func add(_ field: Int, _ value: Int) {
    key(field, 0)
    varint(UInt64(bitPattern: Int64(value)))
  }

  mutating func add(_ field: Int, _ value: Double) {
    key(field, 1)
    append(value.bitPattern)
  }

  mutating func add(_ field: Int, _ value: Float) {
    key(field, 5)
    append(value.bitPattern)
  }

  mutating func add(_ field: Int, _ text: String) { add(field, Array(text.utf8)) }

  mutating func add(_ field: Int, _ message: ProtobufMessage) { add(field, message.bytes) }

  /// Several numbers, packed.
  mutating func add(_ field: Int, _ values: [Double]) {
    var packed = ProtobufMessage()
    for value in values { packed.append(value.bitPattern) }
    add(field, packed.bytes)
  }

  mutating func add(_ field: Int, _ bytes: [UInt8]) {
    key(field, 2)
    varint(UInt64(bytes.count))
    self.bytes += bytes
  }

  private mutating func append(_ bits: some FixedWidthInteger) {
    withUnsafeBytes(of: bits.littleEndian) { bytes += $0 }
  }
}
