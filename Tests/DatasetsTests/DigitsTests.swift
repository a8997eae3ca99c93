import Foundation
import Testing

@testable import Datasets

@Suite struct DigitsTests {
  private let data: LoadedData

  init() throws { data = try LoadedData(DataSelection(data: "digits"), classify: nil, seed: 0) }

  @Test("the digits are 1,438 and 359 examples of 64 numbers in 10 classes")
  func sizes() throws {
    #expect(data.train.count == 1438)
    #expect(try #require(data.test).count == 359)
    #expect(data.featureCount == 64)
    #expect(data.target == .classification(classes: 10))
    #expect(data.selection.data == "digits" && data.selection.options.isEmpty && data.shape == [8, 8, 1])
  }

  private func digit(_ text: String) -> [Float] { text.split(separator: ",").map { Float($0)! } }

  @Test("every fifth record is tested on, all others are learned from")
  func split() throws {
    let test = try #require(data.test)
    // Records 1, 5, 6 and 10 of the file, and its last, 1797.
    let (first, fifth, sixth, tenth, last) = (
      "0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,0,5,8,0,0,9,8,0,0,4,11,0,1,12,7,0,0,2,"
        + "14,5,10,12,0,0,0,0,6,13,10,0,0,0",
      "0,0,0,1,11,0,0,0,0,0,0,7,8,0,0,0,0,0,1,13,6,2,2,0,0,0,7,15,0,9,8,0,0,5,16,10,0,16,6,0,0,4,15,16,13,16,1,0,0,0,"
        + "0,3,15,10,0,0,0,0,0,2,16,4,0,0",
      "0,0,12,10,0,0,0,0,0,0,14,16,16,14,0,0,0,0,13,16,15,10,1,0,0,0,11,16,16,7,0,0,0,0,0,4,7,16,7,0,0,0,0,0,4,16,9,0,"
        + "0,0,5,4,12,16,4,0,0,0,9,16,16,10,0,0",
      "0,0,11,12,0,0,0,0,0,2,16,16,16,13,0,0,0,3,16,12,10,14,0,0,0,1,16,1,12,15,0,0,0,0,13,16,9,15,2,0,0,0,0,3,0,9,11,"
        + "0,0,0,0,0,9,15,4,0,0,0,9,12,13,3,0,0",
      "0,0,10,14,8,1,0,0,0,2,16,14,6,1,0,0,0,0,15,15,8,15,0,0,0,0,5,16,16,10,0,0,0,0,12,15,15,12,0,0,0,4,16,6,4,16,6,0,"
        + "0,8,16,10,8,16,8,0,0,1,8,12,14,12,1,0"
    )
    #expect(data.train.features(0) == digit(first) && data.train.label(0) == 0)
    #expect(test.features(0) == digit(fifth) && test.label(0) == 4)
    #expect(data.train.features(4) == digit(sixth) && data.train.label(4) == 5)
    #expect(test.features(1) == digit(tenth) && test.label(1) == 9)
    #expect(data.train.features(1437) == digit(last) && data.train.label(1437) == 8)
  }

  @Test("the parts' sums are those of the file")
  func sums() throws {
    func sum(_ part: Examples) -> Float { (0..<part.count).reduce(0) { $0 + part.features($1).reduce(0, +) } }
    func counts(_ part: Examples) -> [Int] {
      (0..<part.count).reduce(into: [Int](repeating: 0, count: 10)) { $0[part.label($1)!] += 1 }
    }
    let test = try #require(data.test)
    #expect(sum(data.train) == 450_304)
    #expect(sum(test) == 111_414)
    #expect(counts(data.train) == [151, 161, 143, 131, 147, 154, 150, 136, 127, 138])
    #expect(counts(test) == [27, 21, 34, 52, 34, 28, 31, 43, 47, 42])
  }

  @Test("the fingerprint is the data's, not the seed's")
  func fingerprint() throws {
    #expect(data.fingerprint.count == 64)
    #expect(data.fingerprint.allSatisfy { "0123456789abcdef".contains($0) })
    #expect(try LoadedData(DataSelection(data: "digits"), classify: true, seed: 99).fingerprint == data.fingerprint)
  }

  @Test("the digits' values can be predicted as numbers when asked to")
  func regression() throws {
    let data = try LoadedData(DataSelection(data: "digits"), classify: false, seed: 0)
    #expect(data.target == .regression(outputs: 1))
    #expect(data.train.values(4) == [5])
    #expect(data.train.label(4) == nil)
  }

  @Test(
    "options of a CSV file are refused",
    arguments: [
      (DataSelection(data: "digits", label: "x"), "--label"), (DataSelection(data: "digits", test: "x"), "--test"),
      (DataSelection(data: "fashion-mnist", testFraction: 0.5), "--test-fraction"),
    ])
  func otherOptions(_ source: DataSelection, _ option: String) {
    expectError("\(option) ", source.data) { _ = try LoadedData(source, classify: nil, seed: 0) }
  }

  @Test(
    "fashion-mnist is 60,000 and 10,000 examples of 784 bytes in 10 classes",
    .enabled(if: FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist")))
  func fashionMNIST() throws {
    let data = try LoadedData(DataSelection(data: "fashion-mnist"), classify: nil, seed: 0)
    #expect(data.train.count == 60_000)
    #expect(data.test?.count == 10_000)
    #expect(data.featureCount == 784 && data.shape == [28, 28, 1])
    #expect(data.target == .classification(classes: 10))
    #expect((0..<10).map { data.train.label($0) } == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
    #expect((0..<5).map { data.test?.label($0) } == [9, 2, 1, 1, 6])
  }
}
