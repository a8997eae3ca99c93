import Foundation
import Schema
import TestSupport
import Testing

@testable import Datasets

@Suite struct NPZTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(
    _ data: String, features: String? = nil, label: String? = nil, scale: String? = nil
  ) throws -> LoadedData {
    var selection = DataSelection(data: data, label: label)
    selection.options["features"] = features.map { .text($0) }
    selection.options["scale"] = scale.map { .text($0) }
    return try LoadedData(selection, classify: nil, seed: 0)
  }

  /// An archive of Tests/Corpus/npz, which NumPy or Python has written.
  private func corpusFile(_ name: String) throws -> String {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let bytes = try [UInt8](Data(contentsOf: tests.appendingPathComponent("Corpus/npz/\(name)")))
    return try folder.write(bytes, to: "\(name).npz")
  }

  // MARK: Which arrays

  @Test("an archive as Keras writes it has a training and a test part")
  func keras() throws {
    let data = try load(corpusFile("keras"))
    #expect(data.shape == [4, 4, 1] && data.target == .classification(classes: 3))
    #expect((0..<3).map { data.train.label($0) } == [0, 1, 2])
    #expect(data.train.features(1) == (16..<32).map { Float($0) })
    let test = try #require(data.test)
    #expect(test.count == 2 && test.features(1) == (16..<32).map { Float($0) } && test.label(0) == 2)
    // Bytes are pixels.
    #expect(Scaling(.unit, of: data.train).factor == .init(repeating: 1 / 255, count: 16))
  }

  @Test("the usual names are taken for features and labels")
  func usualNames() throws {
    let x = npy("<f4", [2, 1], floats: [1, 2])
    let y = npy("<f4", [2], floats: [0.5, 1.5])
    for (features, label) in [
      ("x", "y"), ("X", "y"), ("data", "target"), ("data", "labels"), ("features", "labels"), ("images", "labels"),
      ("arr_0", "arr_1"), ("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"),
    ] {
      let path = try folder.write(zip([(label, y), ("other", y), (features, x)]), to: "data.npz")
      let data = try LoadedData(DataSelection(data: path, testFraction: 0), classify: nil, seed: 0)
      #expect(Set((0..<2).map { data.train.values($0)! + data.train.features($0) }) == [[0.5, 1], [1.5, 2]])
    }
  }

  @Test("the options name arrays, or a column of the features")
  func namedArrays() throws {
    let table = npy("<f4", [2, 3], floats: [1, 2, 0.5, 3, 4, 1.5])
    let path = try folder.write(zip([("a", table), ("b", npy("|u1", [2], [1, 0]))]), to: "data.npz")
    #expect(try load(path, features: "a", label: "b").target == .classification(classes: 2))
    #expect(try load(path, features: "a", label: "3").shape == [2])
    expectError(path, "a (2, 3), b (2,)", "--features NAME --label NAME") { _ = try load(path) }
    expectError("--features c", path, "a (2, 3), b (2,)") { _ = try load(path, features: "c", label: "b") }
    expectError("--label c", "a (2, 3), b (2,)") { _ = try load(path, features: "a", label: "c") }
    let alone = try folder.write(zip([("table", table)]), to: "alone.npz")
    #expect(try load(alone).shape == [2])
    expectError("(2,)", "--features NAME --label NAME") {
      _ = try load(folder.write(zip([("list", npy("|u1", [2], [1, 0]))]), to: "list.npz"))
    }
    expectError("data.npz, array x has the shape (2, 3)", "data.npz, array y the shape (3,)") {
      _ = try load(folder.write(zip([("x", table), ("y", npy("|u1", [3], [1, 0, 1]))]), to: "data.npz"))
    }
    expectError("the array x_test and no y_test") {
      let arrays = [("x_train", table), ("y_train", npy("|u1", [2], [1, 0])), ("x_test", table)]
      _ = try load(folder.write(zip(arrays), to: "data.npz"))
    }
  }

  @Test("two arrays of one name, no arrays, and no archive are refused")
  func noArrays() throws {
    let array = npy("|u1", [2], [1, 0])
    expectError("two arrays of the name x") {
      _ = try load(folder.write(zip([("x", array), ("x", array)]), to: "d.npz"))
    }
    expectError("no arrays") { _ = try load(folder.write(zip([]), to: "d.npz")) }
    expectError("not an archive", "31 2c") { _ = try load(folder.write("1,2\n", to: "d.npz")) }
  }

  @Test("an archive whose name says otherwise is known by its first member")
  func anotherName() throws {
    let arrays = [("x", npy("|u1", [2, 1], [1, 2])), ("y", npy("|u1", [2], [1, 0]))]
    #expect(try load(folder.write(zip(arrays), to: "data.bin")).target == .classification(classes: 2))
  }

  // MARK: Zip

  @Test("stored, deflated and Zip64 members hold the same numbers, with the same fingerprint")
  func forms() throws {
    let x = npy("<f4", [200, 3], floats: (0..<600).map { Float($0 % 7) })
    let y = npy("<f4", [200], floats: (0..<200).map { Float($0) / 2 })
    let plain = try load(folder.write(zip([("x", x), ("y", y)]), to: "plain.npz"))
    let arrays = try [("x", x), ("y", y)].map { ($0.0, $0.1, try deflated($0.1)) }
    let packed = try load(folder.write(zip(packed: arrays), to: "packed.npz"))
    #expect(packed.fingerprint == plain.fingerprint)
    #expect((0..<160).allSatisfy { packed.train.features($0) == plain.train.features($0) })
    let zip64 = try load(corpusFile("zip64"))
    #expect(zip64.fingerprint == (try load(corpusFile("small"))).fingerprint)
    let ones = try load(corpusFile("packed"))
    #expect(ones.shape == [30] && ones.target == .classification(classes: 2))
  }

  /// A raw deflate stream: what gzip writes without its header and checksum.
  private func deflated(_ bytes: [UInt8]) throws -> [UInt8] { Array(try folder.gzip(bytes).dropFirst(10).dropLast(8)) }

  @Test(
    "archives that cannot be read are refused by what they are",
    arguments: [
      ("encrypted", "a.npy is encrypted"), ("bzip2", "packed with bzip2"), ("disks", "several disks"),
      ("checksum", "another checksum"), ("lie", "cannot have 1073741824 bytes"),
      ("small-lie", "has 11999 bytes of elements, and its header says 12000"), ("cut", "damaged or truncated"),
      ("no-members", "no arrays"),
    ])
  func refused(_ name: String, _ what: String) throws {
    expectError("\(name).npz", what) { _ = try load(corpusFile(name)) }
  }
}

/// Bytes of a zip with stored members, named with `.npy`. Its local headers shift the arrays off every alignment.
func zip(_ arrays: [(name: String, content: [UInt8])]) -> [UInt8] {
  zip(packed: arrays.map { ($0.name, $0.content, nil) })
}

/// - Parameter arrays: with their raw deflate streams; nil where they are stored.
func zip(packed arrays: [(name: String, content: [UInt8], deflated: [UInt8]?)]) -> [UInt8] {
  var (bytes, directory): ([UInt8], [UInt8]) = ([], [])
  for (name, content, deflated) in arrays {
    let member = Array("\(name).npy".utf8)
    let common =
      littleEndian(UInt16(20)) + littleEndian(UInt16(0)) + littleEndian(UInt16(deflated == nil ? 0 : 8))
      + littleEndian(UInt32(0x21 << 16)) + littleEndian(checksum(content))
      + littleEndian(UInt32((deflated ?? content).count)) + littleEndian(UInt32(content.count))
      + littleEndian(UInt16(member.count)) + littleEndian(UInt16(0))
    directory += littleEndian(UInt32(0x0201_4b50)) + littleEndian(UInt16(20)) + common
    directory += [UInt8](repeating: 0, count: 10) + littleEndian(UInt32(bytes.count)) + member
    bytes += littleEndian(UInt32(0x0403_4b50)) + common + member + (deflated ?? content)
  }
  let count = littleEndian(UInt16(arrays.count))
  return bytes + directory + littleEndian(UInt32(0x0605_4b50)) + [0, 0, 0, 0] + count + count
    + littleEndian(UInt32(directory.count)) + littleEndian(UInt32(bytes.count)) + [0, 0]
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// CRC-32, bit by bit.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
  ~bytes.reduce(UInt32.max) { sum, byte in
    (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
  }
}
