import Files
import Foundation
import Kernels
import Models
import Runs
import Testing

@testable import Schema

@Suite struct SafetensorsTests {
  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/model.safetensors" }

  init() throws { folder = try TemporaryFolder() }

  private func read(_ layout: ParameterLayout) throws -> [Float] {
    try load(path, layout)
  }

  @Test("a file has the documented bytes: padded header, then [out, in] weights")
  func layoutOfBytes() throws {
    var layout = ParameterLayout()
    layout.append("0.weight", shape: [3, 2], savedAxes: [1, 0])
    layout.append("0.bias", shape: [2])
    try save([11, 12, 21, 22, 31, 32, 0.5, -1], layout, metadata: ["format": "pt"], to: path)

    let json =
      #"{"0.bias":{"data_offsets":[24,32],"dtype":"F32","shape":[2]},"#
      + #""0.weight":{"data_offsets":[0,24],"dtype":"F32","shape":[2,3]},"#
      + #""__metadata__":{"format":"pt"}}"#
    let padding = (8 - json.utf8.count % 8) % 8
    // The example is worth something only where there is padding.
    #expect(padding > 0)
    var expected = [UInt8(json.utf8.count + padding), 0, 0, 0, 0, 0, 0, 0]
    expected += Array(json.utf8) + [UInt8](repeating: 0x20, count: padding)
    for value in [11, 21, 31, 12, 22, 32, 0.5, -1] as [Float] {
      expected += (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) }
    }
    #expect(try bytes(at: path) == expected)
    #expect(try folder.names() == ["model.safetensors"])
  }

  @Test("the header's length is a multiple of 8", arguments: 1...9)
  func padding(_ length: Int) throws {
    var layout = ParameterLayout()
    layout.append(String(repeating: "x", count: length), shape: [1])
    try save([7], layout, to: path)
    let written = try bytes(at: path)
    let header = written[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect(header % 8 == 0)
    #expect(written.count == 8 + header + 4)
    #expect(try read(layout) == [7])
  }

  @Test("every bit comes back, transposed tensors and numbers that are not numbers too")
  func roundTrip() throws {
    var layout = ParameterLayout()
    layout.append("scalar", shape: [])
    layout.append("a/b \"quoted\" ü", shape: [4, 3], savedAxes: [1, 0])
    layout.append("row", shape: [1, 5], savedAxes: [1, 0])
    layout.append("cube", shape: [2, 3, 2])
    layout.append("column", shape: [5, 1], savedAxes: [1, 0])
    let special: [UInt32] = [
      0x7FC0_1234, 0xFFC0_0001, 0x7F80_0000, 0xFF80_0000, 0x8000_0000, 1, 0x807F_FFFF, 0x7F7F_FFFF,
    ]
    let values = (0..<layout.count).map { Float(bitPattern: special[$0 % 8] ^ UInt32($0 / 8) << 3) }
    try save(values, layout, to: path)
    #expect(try read(layout).map(\.bitPattern) == values.map(\.bitPattern))
  }

  @Test("a transposed tensor larger than the scratch memory comes back")
  func largeTransposed() throws {
    var layout = ParameterLayout()
    layout.append("weight", shape: [401, 701], savedAxes: [1, 0])
    layout.append("bias", shape: [701])
    let values = (0..<layout.count).map { Float($0) }
    try save(values, layout, to: path)
    #expect(try read(layout) == values)

    // As another program reads it: [out, in] = [701, 401], row by row.
    var saved = ParameterLayout()
    saved.append("weight", shape: [701, 401])
    saved.append("bias", shape: [701])
    let asSaved = try read(saved)
    #expect((0..<701).allSatisfy { out in asSaved[out * 401 + 400] == Float(400 * 701 + out) })
  }

  @Test("metadata comes back as it was")
  func metadata() throws {
    var layout = ParameterLayout()
    layout.append("x", shape: [1])
    let metadata = ["a": "", "json": #"{"k":[1,"\n"]}"#, "zeichen": "ü/🙂\u{0}\\", "__odd__": "1"]
    try save([1], layout, metadata: metadata, to: path)
    #expect(try Safetensors.File(path: path).metadata == metadata)
    try save([1], layout, to: path)
    #expect(try Safetensors.File(path: path).metadata == [:])
  }

  @Test("tensors without elements are read, though they share their start with the next")
  func emptyTensors() throws {
    var layout = ParameterLayout()
    for index in 0..<6 {
      layout.append("empty \(index)", shape: [0, 3])
      layout.append("full \(index)", shape: [2])
    }
    let values = (0..<12).map { Float($0) }
    try save(values, layout, to: path)
    #expect(try read(layout) == values)
  }

  @Test("a failed write is an error that names the path")
  func unwritable() {
    var layout = ParameterLayout()
    layout.append("x", shape: [1])
    let missing = "\(folder.path)/none/model.safetensors"
    expectError(missing) { try save([1], layout, to: missing) }
  }
}

@Suite struct HostileSafetensorsTests {
  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/model.safetensors" }

  init() throws { folder = try TemporaryFolder() }

  private func write(length: UInt64? = nil, _ json: String, data: Int) throws {
    var file = Data((0..<8).map { UInt8(truncatingIfNeeded: (length ?? UInt64(json.utf8.count)) >> ($0 * 8)) })
    file.append(contentsOf: json.utf8)
    file.append(contentsOf: [UInt8](repeating: 0, count: data))
    try file.write(to: URL(fileURLWithPath: path))
  }

  private func expectRefusal(_ part: String = "safetensors", sourceLocation: SourceLocation = #_sourceLocation) {
    expectError(path, part, sourceLocation: sourceLocation) { _ = try Safetensors.File(path: path) }
  }

  private static func tensor(_ name: String, _ shape: String, _ offsets: String, dtype: String = "F32") -> String {
    #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  @Test("a file as another program writes it is read: other key order, blanks, no order of offsets")
  func accepted() throws {
    try write("{ \(Self.tensor("b", "[1]", "[8, 12]")) , \(Self.tensor("a", "[2]", "[0, 8]")) }   ", data: 12)
    var layout = ParameterLayout()
    layout.append("a", shape: [2])
    layout.append("b", shape: [1])
    #expect(try load(path, layout) == [0, 0, 0])
  }

  @Test("fewer than 8 bytes are refused", arguments: 0..<8)
  func short(_ count: Int) throws {
    try Data([UInt8](repeating: 0, count: count)).write(to: URL(fileURLWithPath: path))
    expectRefusal("not a safetensors file: it has \(count) bytes")
  }

  @Test(
    "a header's length that the file does not have is refused",
    arguments: [
      3, 100_000_001, 1 << 31, 1 << 63, .max, .max - 7,
    ] as [UInt64])
  func lyingLength(_ length: UInt64) throws {
    try write(length: length, "{}", data: 0)
    expectRefusal("not a safetensors file: its header would be \(length) bytes")
  }

  @Test(
    "a header that is not the JSON of tensors is refused",
    arguments: [
      "", "{", "}", "null", "[]", "1", "\"a\"", "{\"a\":1}", "{\"a\":{}}", "{\"a\":null}", "{}x", "\u{0}\u{0}",
      "{\"__metadata__\":[]}", "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":{\"a\":null}}",
      "{\(tensor("a", "[1.5]", "[0,4]"))}", "{\(tensor("a", "[\"1\"]", "[0,4]"))}", "{\(tensor("a", "1", "[0,4]"))}",
      "{\(tensor("a", "[9223372036854775808]", "[0,4]"))}", "{\(tensor("a", "[1]", "{}"))}",
      String(repeating: "[", count: 100_000), String(repeating: "{\"a\":", count: 100_000),
    ])
  func notJSON(_ header: String) throws {
    try write(header, data: 4)
    expectRefusal("header cannot be read")
  }

  @Test("other element types are refused by name", arguments: ["F16", "BF16", "F64", "I32", "f32", ""])
  func otherType(_ dtype: String) throws {
    try write("{\(Self.tensor("weight", "[1]", "[0,4]", dtype: dtype))}", data: 4)
    expectRefusal("tensor weight is \(dtype)")
  }

  @Test(
    "offsets that are not the shapes' without gaps are refused",
    arguments: [
      ("[1]", "[0,4]", "[1]", "[0,4]"),  // both at the start
      ("[2]", "[0,8]", "[1]", "[4,8]"),  // overlapping
      ("[1]", "[0,4]", "[1]", "[8,12]"),  // a gap
      ("[1]", "[4,8]", "[1]", "[8,12]"),  // a gap at the start
      ("[1]", "[0,4]", "[1]", "[8,4]"),  // reversed
      ("[1]", "[4,0]", "[1]", "[4,8]"),
      ("[1]", "[0,4]", "[1]", "[4,12]"),  // longer than the shape
      ("[1]", "[0,4]", "[2]", "[4,8]"),  // shorter
      ("[1]", "[-4,0]", "[1]", "[0,4]"),  // before the start
      ("[1]", "[0,4]", "[1]", "[4]"), ("[1]", "[]", "[1]", "[4,8]"), ("[1]", "[0,4]", "[1]", "[4,8,12]"),
      ("[1]", "[0,4]", "[1]", "[9223372036854775804,9223372036854775807]"),
      ("[1]", "[0,4]", "[1]", "[-9223372036854775808,9223372036854775807]"),
    ])
  func offsets(_ firstShape: String, _ first: String, _ secondShape: String, _ second: String) throws {
    for data in [8, 12] {
      try write(
        "{\(Self.tensor("first", firstShape, first)),\(Self.tensor("second", secondShape, second))}", data: data)
      expectRefusal("impossible offsets")
    }
  }

  @Test(
    "tensors that end after the file are refused, however large they say they are",
    arguments: [
      ("[3]", "[0,12]"), ("[2305843009213693951]", "[0,9223372036854775804]"),
    ])
  func outOfRange(_ shape: String, _ offsets: String) throws {
    try write("{\(Self.tensor("a", shape, offsets))}", data: 8)
    expectRefusal("truncated or damaged")
  }

  @Test(
    "shapes whose product overflows, or with negative sizes, are refused",
    arguments: [
      "[9223372036854775807]", "[4294967296,4294967296]", "[4294967296,4294967296,0]", "[-1]", "[-1,-1]", "[0,-1]",
      "[-9223372036854775808,2]",
    ])
  func shapes(_ shape: String) throws {
    try write("{\(Self.tensor("a", shape, "[0,4]"))}", data: 4)
    expectRefusal("impossible shape")
  }

  @Test("a byte too few or too many is refused", arguments: [0, 7, 9, 12])
  func dataLength(_ count: Int) throws {
    try write("{\(Self.tensor("a", "[2]", "[0,8]"))}", data: count)
    expectRefusal("truncated or damaged")
  }

  @Test("a good file is refused wherever it ends early")
  func truncations() throws {
    let layout = twoTensors()
    try save([Float](repeating: 0, count: layout.count), layout, metadata: ["a": "b"], to: path)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for count in 0..<whole.count {
      try whole.prefix(count).write(to: URL(fileURLWithPath: path))
      expectRefusal()
    }
  }

  private func twoTensors() -> ParameterLayout {
    var layout = ParameterLayout()
    layout.append("weight", shape: [3, 2], savedAxes: [1, 0])
    layout.append("bias", shape: [2])
    return layout
  }

  @Test("another set of tensors than the model's is refused by name")
  func otherTensors() throws {
    let layout = twoTensors()
    try save([Float](repeating: 0, count: layout.count), layout, to: path)

    var larger = layout
    larger.append("more", shape: [1])
    expectError(path, "lacks the tensor more") { _ = try load(path, larger) }

    var smaller = ParameterLayout()
    smaller.append("weight", shape: [3, 2], savedAxes: [1, 0])
    expectError(path, "model lacks", "bias") { _ = try load(path, smaller) }

    var other = ParameterLayout()
    other.append("weight", shape: [2, 3], savedAxes: [1, 0])
    other.append("bias", shape: [2])
    expectError(path, "tensor weight is [2, 3], and [3, 2]") { _ = try load(path, other) }

    var flat = ParameterLayout()
    flat.append("weight", shape: [6])
    flat.append("bias", shape: [2])
    expectError(path, "tensor weight is [2, 3], and [6]") { _ = try load(path, flat) }
  }

  @Test("a missing file and a folder are refused")
  func noFile() {
    expectError("\(folder.path)/none", "no such file") { _ = try Safetensors.File(path: "\(folder.path)/none") }
    expectError(folder.path, "cannot be read") { _ = try Safetensors.File(path: folder.path) }
  }
}
