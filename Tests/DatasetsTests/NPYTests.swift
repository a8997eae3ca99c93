import Foundation
import Schema
import Testing

@testable import Datasets

@Suite struct NPYTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  struct Fixture: Codable, Sendable, CustomTestStringConvertible {
    let name: String
    let file: Data
    let shape: [Int]
    let bits: [UInt32]

    var testDescription: String { name }

    static let all: [Fixture] = {
      let url = Bundle.module.url(forResource: "arrays", withExtension: "json", subdirectory: "Fixtures")!
      // swift-format-ignore: NeverUseForceTry
      return try! JSONDecoder().decode([Fixture].self, from: Data(contentsOf: url))
    }()
  }

  private func load(_ data: String, label: String? = nil, classify: Bool? = nil) throws -> LoadedData {
    try LoadedData(DataSelection(data: data, label: label, testFraction: 0), classify: classify, seed: 0)
  }

  @Test("values are those that NumPy converts to float32, from every element type and order", arguments: Fixture.all)
  func elements(_ fixture: Fixture) throws {
    let path = try folder.write([UInt8](fixture.file), to: "array.npy")
    let array = try NPYArray(path: path)
    #expect(array.shape == fixture.shape)
    #expect(array.numbers().floats.map(\.bitPattern) == fixture.bits)
    guard fixture.shape.count == 2 else { return }
    let columns = fixture.shape[1]
    for column in 0..<columns {
      let values = fixture.bits.map { Float(bitPattern: $0) }
      #expect(array.column(column) == values.indices.filter { $0 % columns == column }.map { values[$0] })
      let others = values.indices.filter { $0 % columns != column }.map { values[$0] }
      #expect(array.numbers(omitting: column).floats == others)
    }
  }

  @Test("every float16 has its value")
  func halves() {
    // The values of 1, the smallest and the largest ones, and those that are not finite, by IEEE 754.
    for (bits, value) in [
      (0x3C00, 1), (0x0001, 0x1p-24), (0x03FF, 0x1.FF8p-15), (0x0400, 0x1p-14), (0x7BFF, 65504), (0xC000, -2),
      (0x7C00, .infinity), (0xFC00, -.infinity),
    ] as [(UInt16, Float)] {
      #expect(Float(halfBits: bits) == value)
    }
    #expect(Float(halfBits: 0x7E00).isNaN && Float(halfBits: 0x8000).sign == .minus)
    #expect((0..<0x7C00).allSatisfy { Float(halfBits: $0) < Float(halfBits: $0 + 1) })
  }

  // MARK: Labels

  @Test("the label is the last column, or the one that is named by its position")
  func labelColumn() throws {
    let path = try folder.write(npy("<f4", [2, 3], floats: [1, 2, 0.5, 3, 4, 1.5]), to: "table.npy")
    let last = try load(path)
    #expect(last.shape == [2] && last.target == .regression(outputs: 1))
    #expect((0..<2).map { last.train.values($0)! + last.train.features($0) }.contains([0.5, 1, 2]))
    let first = try load(path, label: "1")
    #expect(Set((0..<2).map { first.train.values($0)! + first.train.features($0) }) == [[1, 2, 0.5], [3, 4, 1.5]])
    expectError("--label 4", "1 to 3") { _ = try load(path, label: "4") }
    expectError("--label 0", "1 to 3") { _ = try load(path, label: "0") }
    expectError("--label 1,2", "an array of their own") { _ = try load(path, label: "1,2") }
  }

  @Test("the labels are another file, with several outputs or classes")
  func labelFile() throws {
    let path = try folder.write(npy("<f4", [2, 2], floats: [1, 2, 3, 4]), to: "x.npy")
    let outputs = try folder.write(npy("<f4", [2, 2], floats: [0.5, 1, 2, 3]), to: "y.npy")
    let data = try load(path, label: outputs)
    #expect(data.target == .regression(outputs: 2) && data.shape == [2])
    let classes = try folder.write(npy("|u1", [2, 1], [1, 0]), to: "classes.npy")
    #expect(try load(path, label: classes).target == .classification(classes: 2))
    expectError(path, "(2, 2)", "three.npy", "(3,)") {
      _ = try load(path, label: folder.write(npy("|u1", [3], [1, 0, 2]), to: "three.npy"))
    }
    expectError("deep.npy", "(2, 1, 1)", "(examples, outputs)") {
      _ = try load(path, label: folder.write(npy("|u1", [2, 1, 1], [1, 0]), to: "deep.npy"))
    }
    expectError("missing.npy", "no such file") { _ = try load(path, label: "\(folder.path)/missing.npy") }
  }

  @Test("a label file's path becomes absolute, and a position does not")
  func absolute() {
    let here = FileManager.default.currentDirectoryPath
    #expect(NPYFile.absolute(["label": .text("y.npy")]) == ["label": .text("\(here)/y.npy")])
    #expect(NPYFile.absolute(["label": .text("2")]) == ["label": .text("2")])
    #expect(CSVFile.absolute(["label": .text("y"), "test": .text("t")])["label"] == .text("y"))
    #expect(CSVFile.absolute(["test": .text("t.csv")]) == ["test": .text("\(here)/t.csv")])
  }

  @Test(
    "an example's shape is the array's without the first size; images without channels have one",
    arguments: [
      ([2], [1]), ([2, 3], [3]), ([2, 3, 4], [3, 4, 1]), ([2, 1, 2, 3], [1, 2, 3]), ([2, 2, 1, 1, 2], [2, 1, 1, 2]),
    ] as [([Int], [Int])])
  func shapes(_ shape: [Int], _ example: [Int]) throws {
    let path = try folder.write(npy("|u1", shape, .init(repeating: 7, count: shape.reduce(1, *))), to: "x.npy")
    let labels = try folder.write(npy("|u1", [2], [0, 1]), to: "y.npy")
    #expect(try load(path, label: labels).shape == example)
  }

  // MARK: Errors

  @Test(
    "elements that are no numbers are refused with the way out",
    arguments: [
      ("'|O'", "Python objects: save numbers, as in python3 -c", "array.astype('float32'))\""),
      ("'<U3'", "text", "numpy.unique"), ("'|S3'", "text", "numpy.unique"), ("'<c8'", "complex numbers", "array.real"),
      ("'<M8[ns]'", "times", "astype('int64')"), ("'<f16'", "unusual size", "astype('float32')"),
      ("[('a', '<f4'), ('b', '<i4')]", "records of several fields", "structured_to_unstructured"),
      ("'|V8'", "elements of the type", "astype('float32')"),
    ])
  func otherElements(_ type: String, _ what: String, _ wayOut: String) throws {
    let path = try folder.write(npy(header: type, [1], [1, 2, 3, 4, 5, 6, 7, 8]), to: "x.npy")
    expectError(path, what, wayOut) { _ = try load(path) }
  }

  @Test("sizes that are not the header's are refused with both")
  func sizes() throws {
    let whole = npy("<f4", [2, 2], floats: [1, 2, 3, 4])
    for (bytes, found) in [(Array(whole.dropLast(3)), 13), (whole + [0], 17), (Array(whole.dropLast(16)), 0)] {
      let path = try folder.write(bytes, to: "x.npy")
      expectError(path, "has \(found) bytes of elements", "says 16", found < 16 ? "truncated" : "appended") {
        _ = try load(path)
      }
    }
    let path = try folder.write(Array(whole.prefix(40)), to: "x.npy")
    expectError(path, "truncated in its header") { _ = try load(path) }
  }

  @Test("arrays without examples are refused by name")
  func empty() throws {
    expectError("x.npy", "single number", "shape ()") {
      _ = try load(folder.write(npy("<f4", [], floats: [1]), to: "x.npy"))
    }
    for shape in [[0], [0, 3], [3, 0]] {
      expectError("x.npy", "no examples") { _ = try load(folder.write(npy("<f4", shape, []), to: "x.npy")) }
    }
    expectError("x.npy", "(3,)", "--label LABELS.npy") {
      _ = try load(folder.write(npy("|u1", [3], [1, 2, 3]), to: "x.npy"))
    }
    expectError("x.npy", "not a NumPy array", "23 31") { _ = try load(folder.write("#1,2\n", to: "x.npy")) }
    expectError("x.npy", "(3,)") { _ = try load("npy:" + folder.write(npy("|u1", [3], [1, 2, 3]), to: "x.npy")) }
  }

  @Test("a compressed file is refused with the way out")
  func compressed() throws {
    let path = try folder.write(folder.gzip(npy("|u1", [2, 2], [1, 2, 3, 4])), to: "x.npy.gz")
    expectError(path, "gunzip --keep '\(path)'") { _ = try load(path) }
  }

  @Test("a value that float32 cannot hold is refused with its place")
  func notFinite() throws {
    let values: [Double] = [1, 2, 0, 3, .nan, 1, 4, 1e300, 0]
    for (bad, what, wayOut) in [(4, "nan", "fill"), (7, "1e+300", "float32 cannot hold; scale")] {
      var array = values
      array[bad == 4 ? 7 : 4] = 5
      let bytes = array.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
      let path = try folder.write(npy("<f8", [3, 3], bytes), to: "x.npy")
      expectError("\(path), example \(bad / 3 + 1), value 2 is \(what)", wayOut) { _ = try load(path) }
    }
    let labels = try folder.write(npy("<f4", [2], floats: [1, .infinity]), to: "y.npy")
    expectError("\(labels), example 2: the label is inf") {
      _ = try load(folder.write(npy("|u1", [2, 1], [1, 2]), to: "x.npy"), label: labels)
    }
  }

  @Test(
    "headers that NumPy does not write are refused",
    arguments: [
      "", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1, }",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } + 1",
      "{'descr': '<f4, 'fortran_order': False, 'shape': (1,), }",
      "{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }",
    ])
  func headers(_ header: String) throws {
    let path = try folder.write(npy(text: header, [0, 0, 0, 0]), to: "x.npy")
    expectError(path, "damaged") { _ = try load(path) }
  }

  @Test("a file whose name says otherwise is known by its first bytes")
  func anotherName() throws {
    let path = try folder.write(npy("|u1", [2, 2], [1, 2, 3, 4]), to: "data.bin")
    #expect(try load(path).train.count == 2)
  }

  @Test("a file that changed after it was opened is refused")
  func changed() throws {
    let path = try folder.write(npy("|u1", [2, 2], [1, 2, 3, 4]), to: "x.npy")
    let array = try NPYArray(path: path)
    try array.checkUnchanged()
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: [5])
    try handle.close()
    expectError(path, "changed while it was read") { try array.checkUnchanged() }
  }
}

/// Bytes of a file of NumPy's.
func npy(_ type: String, _ shape: [Int], _ data: [UInt8]) -> [UInt8] { npy(header: "'\(type)'", shape, data) }

func npy(_ type: String, _ shape: [Int], floats: [Float]) -> [UInt8] {
  npy(type, shape, floats.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } })
}

/// - Parameter type: as the header has it.
func npy(header type: String, _ shape: [Int], _ data: [UInt8]) -> [UInt8] {
  let sizes = shape.map { "\($0)," }.joined()
  return npy(text: "{'descr': \(type), 'fortran_order': False, 'shape': (\(sizes)), }\n", data)
}

func npy(text header: String, _ data: [UInt8]) -> [UInt8] {
  [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count & 0xFF), UInt8(header.utf8.count >> 8)]
    + Array(header.utf8) + data
}
