import Foundation
import Testing

@testable import Datasets

@Suite struct IDXTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let typed: [(element: UInt8, data: [UInt8], values: [Float])] = [
    (0x08, [0, 1, 127, 128, 255], [0, 1, 127, 128, 255]),
    (0x09, [0, 1, 0x7F, 0x80, 0xFF], [0, 1, 127, -128, -1]),
    (0x0B, [0x01, 0x02, 0x7F, 0xFF, 0x80, 0x00, 0xFF, 0xFE], [258, 32767, -32768, -2]),
    (0x0C, [0, 1, 2, 3, 0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFD], [66051, -2_147_483_648, -3]),
    (0x0D, [0x3F, 0xC0, 0, 0, 0xC2, 0x2A, 0x80, 0, 0, 0, 0, 1], [1.5, -42.625, .leastNonzeroMagnitude]),
    (
      0x0E, [0x3F, 0xB9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9A, 0xC0, 0x09, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18],
      [0.1, -3.1415927]
    ),
  ]

  @Test("elements of each type have their values", arguments: typed)
  func elementTypes(_ element: UInt8, _ data: [UInt8], _ expected: [Float]) throws {
    let path = try folder.write(idx(element, [UInt32(expected.count)], data), to: "array")
    let array = try IDXArray(path: path)
    #expect(array.dimensions == [expected.count])
    #expect(array.elements.floats == expected)
  }

  @Test("bytes stay bytes")
  func bytesStayBytes() throws {
    let array = try IDXArray(path: folder.write(idx(8, [2, 2], [1, 2, 3, 4]), to: "array"))
    guard case .bytes([1, 2, 3, 4]) = array.elements else { Issue.record("\(array.elements)"); return }
  }

  @Test("dimensions are big-endian, and an example's width leaves out the first")
  func dimensions() throws {
    let array = try IDXArray(path: folder.write(idx(8, [258, 3, 1], .init(repeating: 7, count: 774)), to: "array"))
    #expect(array.dimensions == [258, 3, 1])
    #expect(array.width == 3)
  }

  @Test("data longer than a block keeps its order", arguments: [8, 0x0D] as [UInt8])
  func manyBlocks(_ element: UInt8) throws {
    let count = 70_001
    let data: [UInt8] = (0..<count).flatMap { element == 8 ? [UInt8($0 % 251)] : bigEndian(Float($0).bitPattern) }
    let path = try folder.write(folder.gzip(idx(element, [UInt32(count)], data)), to: "array.gz")
    let expected = (0..<count).map { Float(element == 8 ? $0 % 251 : $0) }
    #expect(try IDXArray(path: path).elements.floats == expected)
  }

  @Test("a file that ends early is refused, wherever it ends", arguments: [8, 9, 0x0B, 0x0C, 0x0D, 0x0E] as [UInt8])
  func truncated(_ element: UInt8) throws {
    let size = [8: 1, 9: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8][element]!
    let whole = idx(element, [3, 2], .init(repeating: 0, count: 6 * size))
    #expect(try IDXArray(path: folder.write(whole, to: "whole")).elements.count == 6)
    for count in 0..<whole.count {
      let path = try folder.write(Array(whole[..<count]), to: "short")
      expectError(path) { _ = try IDXArray(path: path) }
    }
  }

  @Test("packed data that ends early is called truncated, with what there is")
  func packedTruncated() throws {
    let path = try folder.write(folder.gzip(idx(8, [30], [1, 2, 3])), to: "short.gz")
    expectError(path, "truncated", "3 of the 30") { _ = try IDXArray(path: path) }
  }

  @Test("a byte more than the header says is refused", arguments: [false, true])
  func trailing(_ packs: Bool) throws {
    let bytes = idx(8, [3], [1, 2, 3, 4])
    let path = try folder.write(packs ? folder.gzip(bytes) : bytes, to: "long")
    expectError(path, "more data than the 3") { _ = try IDXArray(path: path) }
  }

  @Test("a damaged checksum is noticed though all elements were read")
  func checksum() throws {
    var packed = try folder.gzip(idx(8, [3], [1, 2, 3]))
    packed[packed.count - 6] ^= 1
    let path = try folder.write(packed, to: "damaged.gz")
    expectError(path, "damaged") { _ = try IDXArray(path: path) }
  }

  @Test(
    "dimensions that the file cannot hold are refused before memory is taken",
    arguments: [
      [.max], [.max, .max], [.max, .max, .max], [1 << 31, 1 << 31, 2], [.max, .max, .max, .max], [5],
      .init(repeating: .max, count: 255), [0, .max, .max, .max], [.max, .max, .max, 0], [0, .max, .max, 0],
    ] as [[UInt32]])
  func lyingDimensions(_ dimensions: [UInt32]) throws {
    for element in [8, 0x0E] as [UInt8] {
      let path = try folder.write(idx(element, dimensions, [1, 2, 3, 4]), to: "lie")
      expectError(path) { _ = try IDXArray(path: path) }
      let packed = try folder.write(folder.gzip(idx(element, dimensions, [1, 2, 3, 4])), to: "lie.gz")
      expectError(packed) { _ = try IDXArray(path: packed) }
    }
  }

  @Test("an array without elements is one", arguments: [[0], [0, 28, 28], [5, 0]] as [[UInt32]])
  func zeroDimensions(_ dimensions: [UInt32]) throws {
    let array = try IDXArray(path: folder.write(idx(0x0D, dimensions, []), to: "empty"))
    #expect(array.dimensions == dimensions.map(Int.init))
    #expect(array.elements.count == 0)
  }

  @Test(
    "bytes that are not IDX are refused",
    arguments: [
      [], [0], [0, 0, 8], [1, 0, 8, 1, 0, 0, 0, 0], [0, 1, 8, 1, 0, 0, 0, 0], [0, 0, 7, 1, 0, 0, 0, 0],
      [0, 0, 0x0A, 1, 0, 0, 0, 0], [0, 0, 0x0F, 1, 0, 0, 0, 0], [0, 0, 8, 0, 0, 0, 0, 0], Array("1,2,3\n4,5,6\n".utf8),
    ] as [[UInt8]])
  func notIDX(_ bytes: [UInt8]) throws {
    let path = try folder.write(bytes, to: "array")
    expectError(path, "not an IDX file") { _ = try IDXArray(path: path) }
  }
}

@Suite struct IDXFolderTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.write(idx(8, [3, 2, 2], Array(0..<12)), to: "train-images-idx3-ubyte")
    try folder.write(idx(8, [3], [1, 0, 2]), to: "train-labels-idx1-ubyte")
  }

  private func load(classify: Bool? = nil, testFraction: Double? = 0) throws -> LoadedData {
    try LoadedData(DataSelection(data: folder.path, testFraction: testFraction), classify: classify, seed: 0)
  }

  private func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
  }

  @Test("images and labels come together in the files' order")
  func trainOnly() throws {
    let data = try load()
    #expect(data.train.count == 3)
    #expect(data.featureCount == 4 && data.shape == [2, 2, 1])
    #expect(data.target == .classification(classes: 3))
    #expect(data.test == nil)
    let byLabel = Dictionary(uniqueKeysWithValues: (0..<3).map { (data.train.label($0), data.train.features($0)) })
    #expect(byLabel == [1: [0, 1, 2, 3], 0: [4, 5, 6, 7], 2: [8, 9, 10, 11]])
  }

  @Test(
    "the test part is called t10k or test, packed or not",
    arguments: [
      ("t10k", false), ("t10k", true), ("test", false), ("test", true),
    ])
  func testPart(_ prefix: String, _ packs: Bool) throws {
    let (images, labels) = (idx(8, [2, 2, 2], Array(20..<28)), idx(8, [2], [2, 1]))
    let ending = packs ? ".gz" : ""
    try folder.write(packs ? folder.gzip(images) : images, to: "\(prefix)-images-idx3-ubyte\(ending)")
    try folder.write(packs ? folder.gzip(labels) : labels, to: "\(prefix)-labels-idx1-ubyte\(ending)")
    let data = try load(testFraction: nil)
    let test = try #require(data.test)
    #expect(test.count == 2)
    #expect((0..<2).map { test.features($0) } == [[20, 21, 22, 23], [24, 25, 26, 27]])
    #expect((0..<2).map { test.label($0) } == [2, 1])
    // With a part of its own, the training part stays whole and in order.
    #expect((0..<3).map { data.train.label($0) } == [1, 0, 2])
    #expect(data.selection.testFraction == nil)
  }

  @Test("a packed training part is read")
  func packedTrain() throws {
    let plain = try load()
    for name in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"] {
      let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(name)")))
      try folder.write(folder.gzip(bytes), to: "\(name).gz")
      try remove(name)
    }
    #expect(try load().fingerprint == plain.fingerprint)
  }

  @Test("another number of labels than examples is refused")
  func labelCount() throws {
    try folder.write(idx(8, [2], [1, 0]), to: "train-labels-idx1-ubyte")
    expectError("\(folder.path)/train-labels-idx1-ubyte", "2 labels", "3 examples") { _ = try load() }
  }

  @Test("several labels an example are outputs or positions, and one is a class")
  func labelWidth() throws {
    try folder.write(idx(8, [3, 2], [0, 1, 2, 0, 1, 1]), to: "train-labels-idx1-ubyte")
    #expect(try load().target == .regression(outputs: 2))
    #expect(try load(classify: true).target == .positions(count: 2, classes: 3))
    try folder.write(idx(8, [3, 1], [0, 1, 2]), to: "train-labels-idx1-ubyte")
    #expect(try load().target == .classification(classes: 3))
  }

  @Test("labels whose dimensions overflow are refused")
  func overflowingLabels() throws {
    try folder.write(idx(8, [0, .max, .max, .max], []), to: "train-labels-idx1-ubyte")
    expectError("\(folder.path)/train-labels-idx1-ubyte") { _ = try load() }
  }

  @Test(
    "a folder without labels, images or either is refused",
    arguments: [
      ["train-labels-idx1-ubyte"], ["train-images-idx3-ubyte"], ["train-labels-idx1-ubyte", "train-images-idx3-ubyte"],
    ])
  func missingFiles(_ names: [String]) throws {
    for name in names { try remove(name) }
    expectError(folder.path, "has no file", "train-") { _ = try load() }
  }

  @Test("test images without labels are refused")
  func testWithoutLabels() throws {
    try folder.write(idx(8, [1, 2, 2], Array(20..<24)), to: "t10k-images-idx3-ubyte")
    expectError(folder.path, "t10k- or test-labels") { _ = try load(testFraction: nil) }
  }

  @Test("parts of different width are refused")
  func otherWidth() throws {
    try folder.write(idx(8, [1, 5], Array(20..<25)), to: "t10k-images-idx3-ubyte")
    try folder.write(idx(8, [1], [0]), to: "t10k-labels-idx1-ubyte")
    expectError("\(folder.path)/t10k-images-idx3-ubyte", "5 values", "4") { _ = try load(testFraction: nil) }
  }

  @Test(
    "no examples, or examples without values, are refused",
    arguments: [
      ([0, 2, 2], [0]), ([3, 0], [3]),
    ] as [([UInt32], [UInt32])])
  func noExamples(_ images: [UInt32], _ labels: [UInt32]) throws {
    try folder.write(idx(8, images, []), to: "train-images-idx3-ubyte")
    try folder.write(idx(8, labels, .init(repeating: 0, count: Int(labels[0]))), to: "train-labels-idx1-ubyte")
    expectError("\(folder.path)/train-images-idx3-ubyte", "no examples") { _ = try load() }
  }

  @Test("values that are not finite are refused with their example", arguments: [Float.nan, .infinity])
  func notFinite(_ value: Float) throws {
    let floats: [Float] = [1, 2, 3, value, 5, 6]
    try folder.write(
      idx(0x0D, [3, 2], floats.flatMap { bigEndian($0.bitPattern) }), to: "train-images-idx3-ubyte")
    expectError("\(folder.path)/train-images-idx3-ubyte, example 2, value 2") { _ = try load() }
  }

  @Test("a label that is not finite is refused with its example")
  func labelNotFinite() throws {
    try folder.write(
      idx(0x0D, [3], [1, .nan, 0].flatMap { bigEndian(($0 as Float).bitPattern) }), to: "train-labels-idx1-ubyte")
    expectError("\(folder.path)/train-labels-idx1-ubyte, example 2") { _ = try load() }
  }

  @Test("doubles beyond float32 are refused")
  func tooLarge() throws {
    try folder.write(
      idx(0x0E, [3, 1], [1, 1e300, 0].flatMap { bigEndian(($0 as Double).bitPattern) }), to: "train-images-idx3-ubyte")
    expectError("\(folder.path)/train-images-idx3-ubyte, example 2, value 1") { _ = try load() }
  }

  @Test("options that go with a CSV file or with cutting are refused")
  func otherOptions() throws {
    expectError("--label", folder.path) {
      _ = try LoadedData(DataSelection(data: folder.path, label: "x"), classify: nil, seed: 0)
    }
    expectError("--test ", folder.path) {
      _ = try LoadedData(DataSelection(data: folder.path, test: "x"), classify: nil, seed: 0)
    }
    try folder.write(idx(8, [1, 4], Array(20..<24)), to: "t10k-images-idx3-ubyte")
    try folder.write(idx(8, [1], [0]), to: "t10k-labels-idx1-ubyte")
    expectError("--test-fraction", folder.path) { _ = try load(testFraction: 0.5) }
  }
}
