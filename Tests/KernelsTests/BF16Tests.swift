import Foundation
import Kernels
import Testing

/// Rounding to bf16 beside PyTorch's; Fixtures/bf16.py writes the table.
@Suite struct BF16Tests {
  private struct Line {
    let a, b: UInt32
    let rounded, sum: UInt16
  }

  private let lines: [Line]

  init() throws {
    let path = try #require(Bundle.module.path(forResource: "Fixtures/bf16", ofType: "txt"))
    lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
      let numbers = try line.split(separator: " ").map { try #require(UInt32($0, radix: 16)) }
      return Line(a: numbers[0], b: numbers[1], rounded: UInt16(numbers[2]), sum: UInt16(numbers[3]))
    }
  }

  private func buffer(_ bits: [UInt32]) -> FloatBuffer {
    let buffer = FloatBuffer(count: bits.count)
    bits.withUnsafeBytes { buffer.all.copy(bytes: $0) }
    return buffer
  }

  /// Whether `found` is the bf16 `expected`, as a float; all NaNs are the same.
  private func isSame(_ found: Float, _ expected: UInt16) -> Bool {
    let wanted = Float(bitPattern: UInt32(expected) << 16)
    return wanted.isNaN ? found.isNaN : found.bitPattern == wanted.bitPattern
  }

  @Test func eachValueIsRoundedAsPyTorchDoes() {
    let (values, separate) = (buffer(lines.map(\.a)), FloatBuffer(count: lines.count))
    roundToBF16(values.values, into: separate.all)
    roundToBF16(values.values, into: values.all)
    for (index, line) in lines.enumerated() {
      #expect(isSame(values.values[index], line.rounded), "\(String(line.a, radix: 16)): \(values.values[index])")
    }
    #expect(values.array.map(\.bitPattern) == separate.array.map(\.bitPattern))
  }

  @Test func sumsAreRoundedAsPyTorchDoesAndStatisticsAreNot() {
    let (sums, terms) = (buffer(lines.map(\.a)), buffer(lines.map(\.b)))
    let count = lines.count / 2
    accumulate(terms.values, into: sums.all, roundedCount: count)
    for (index, line) in lines.enumerated() {
      let (found, a, b) = (sums.values[index], Float(bitPattern: line.a), Float(bitPattern: line.b))
      if index < count {
        #expect(isSame(found, line.sum), "\(a) + \(b): \(found)")
      } else {
        #expect(found.isNaN && (a + b).isNaN || found.bitPattern == (a + b).bitPattern, "\(a) + \(b): \(found)")
      }
    }
    withExtendedLifetime((sums, terms)) {}
  }

  @Test("what is packed at any address are the upper halves of the rounded values", arguments: 0...3)
  func packing(_ shift: Int) {
    let values = buffer(lines.map(\.a))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * lines.count + 8, alignment: 8)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0xAA)
    let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[shift..<shift + 2 * lines.count])
    packBF16(values.values, into: bytes)
    for (index, line) in lines.enumerated() {
      let half = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
      #expect(isSame(Float(bitPattern: UInt32(half) << 16), line.rounded), "\(String(line.a, radix: 16)): \(half)")
    }
    #expect(memory[..<shift].allSatisfy { $0 == 0xAA } && memory[(shift + bytes.count)...].allSatisfy { $0 == 0xAA })
    let unpacked = FloatBuffer(count: lines.count)
    unpackBF16(UnsafeRawBufferPointer(bytes), into: unpacked.all)
    roundToBF16(values.values, into: values.all)
    #expect(unpacked.array.map(\.bitPattern) == values.array.map(\.bitPattern))
  }

  @Test func everyBF16IsWhatItIsRoundedTo() {
    let all = buffer((0...UInt32(UInt16.max)).map { $0 << 16 })
    let rounded = FloatBuffer(count: all.count)
    roundToBF16(all.values, into: rounded.all)
    let changed = (0..<all.count).filter { all.values[$0].bitPattern != rounded.values[$0].bitPattern }
    #expect(changed.allSatisfy { all.values[$0].isNaN && rounded.values[$0].isNaN })
  }
}
