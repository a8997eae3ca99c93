import Foundation
import Kernels
import TestSupport
import Testing

@testable import Datasets

@Suite struct StoredNumbersTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Numbers that each of the types holds exactly, with their bytes.
  private static let types =
    ["|b1", "|i1", "|u1"]
    + ["<", ">"].flatMap { order in
      ["i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8"].map { order + $0 }
    }

  /// Bytes of `value` as elements of `type`.
  private func element(_ value: Int, _ type: String) -> [UInt8] {
    let isBig = type.first == ">"
    func bytes(_ bits: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: isBig ? bits.bigEndian : bits.littleEndian) { Array($0) }
    }
    switch type.dropFirst() {
    case "b1", "i1", "u1": return [UInt8(value)]
    case "i2", "u2": return bytes(UInt16(value))
    case "i4", "u4": return bytes(UInt32(value))
    case "i8", "u8": return bytes(UInt64(value))
    case "f4": return bytes(Float(value).bitPattern)
    case "f8": return bytes(Double(value).bitPattern)
    default: return bytes([0: 0, 1: 0x3C00, 2: 0x4000, 3: 0x4200, 4: 0x4400, 5: 0x4500, 6: 0x4600][value]! as UInt16)
    }
  }

  private func numbers(_ rows: Int, _ columns: Int, most: Int) -> [Int] {
    (0..<rows * columns).map { $0 * 5 / 3 % (most + 1) }
  }

  private func part(_ features: DataTable.Values, _ rows: Int) -> Examples {
    Examples(
      Dataset(
        count: rows, features: features, shape: [features.count / rows],
        targets: .values([Float](repeating: 0, count: rows)), targetCount: 1))
  }

  @Test(
    "rows gathered from a mapped file are those gathered from memory, bit for bit", arguments: types,
    [nil, 0, 3, 16] as [Int?])
  func gathered(_ type: String, _ omitted: Int?) throws {
    let (rows, columns) = (23, 17)
    let values = numbers(rows, columns, most: type == "|b1" ? 1 : 6)
    let content = npy(type, [rows, columns], values.flatMap { element($0, type) })
    let kept = values.indices.filter { $0 % columns != omitted }.map { values[$0] }
    let areBytes = type == "|u1"
    let arrays = part(areBytes ? .bytes(kept.map { UInt8($0) }) : .floats(kept.map { Float($0) }), rows)
    let scaling = Scaling(.standard, of: arrays)
    let order = (0..<rows).map { $0 * 7 % rows } + [4, 4]
    let expected = GatheredRows(BatchBuffer(arrays, scaling: scaling), order)
    // In a file of its own the elements are aligned or nearly so; in an archive they begin anywhere.
    for shift in 0..<5 {
      let path = try folder.write(.init(repeating: 0, count: shift) + content, to: "array")
      let bytes = try StoredBytes(path: path)
      let array = try NPYArray(bytes, shift..<bytes.all.count, NPYName(file: path))
      let stored = part(.stored(array.numbers(omitting: omitted)), rows)
      #expect(Scaling(.standard, of: stored) == scaling)
      #expect(Scaling(.unit, of: stored) == Scaling(.unit, of: arrays))
      #expect((0..<rows).allSatisfy { stored.features($0) == arrays.features($0) })
      let gathered = GatheredRows(BatchBuffer(stored, scaling: scaling), order)
      #expect(gathered.features.map(\.bitPattern) == expected.features.map(\.bitPattern))
    }
  }

  @Test("gathering allocates nothing", arguments: ["|u1", "<f4", ">f4", "<f8"])
  func noAllocation(_ type: String) throws {
    let content = npy(type, [50, 9], numbers(50, 9, most: 6).flatMap { element($0, type) })
    let array = try NPYArray(path: folder.write(content, to: "array.npy"))
    let examples = part(.stored(array.numbers(omitting: 8)), 50)
    let buffer = BatchBuffer(examples, scaling: Scaling(.standard, of: examples))
    _ = buffer.gather(0..<50)
    let allocation = Allocation { for _ in 0..<10 { _ = buffer.gather(0..<50) { 49 - $0 } } }
    #expect(allocation.blocks == 0)
  }

  @Test("the fingerprint is that of the same numbers in memory, whatever their type")
  func fingerprint() throws {
    // More than one block.
    let (rows, columns) = (4500, 9)
    let values = numbers(rows, columns, most: 6)
    let csv = try folder.write(
      (0..<rows).map { row in values[row * columns..<(row + 1) * columns].map { "\($0)" }.joined(separator: ",") }
        .joined(separator: "\n"), to: "table.csv")
    let expected = try LoadedData(DataSelection(data: csv), classify: nil, seed: 0).fingerprint
    for type in StoredNumbersTests.types where !["|b1", "|u1"].contains(type) {
      let path = try folder.write(npy(type, [rows, columns], values.flatMap { element($0, type) }), to: "table.npy")
      #expect(try LoadedData(DataSelection(data: path), classify: nil, seed: 0).fingerprint == expected, "\(type)")
    }
  }

  @Test("a value that is not finite is found in any block", arguments: [0, 16_383, 16_384, 39_999])
  func notFinite(_ place: Int) throws {
    var values = [Float](repeating: 1, count: 40_000)
    values[place] = -.infinity
    let path = try folder.write(npy("<f4", [4000, 10], floats: values), to: "x.npy")
    let numbers = try NPYArray(path: path).numbers()
    #expect(numbers.firstNonFinite == place && numbers.text(place) == "-inf")
  }
}
