import Foundation
import Schema
import Testing

@testable import Datasets

@Suite struct LoadedDataTests {
  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/data.csv" }

  init() throws { folder = try TemporaryFolder() }

  private func load(
    _ text: String? = nil, label: String? = nil, test: String? = nil, testFraction: Double? = nil,
    validationFraction: Double? = nil, classify: Bool? = nil, seed: UInt64 = 0, evaluatesAll: Bool = false
  ) throws -> LoadedData {
    if let text { try folder.write(text, to: "data.csv") }
    var source = DataSelection(data: path, label: label, test: test, testFraction: testFraction)
    source.options["validation-fraction"] = validationFraction.map { .real($0) }
    return try LoadedData(source, classify: classify, seed: seed, evaluatesAll: evaluatesAll)
  }

  /// Records 0, 1, 2, … with their number as the feature and half of it as the label.
  private func numbered(_ count: Int) -> String { (0..<count).map { "\($0),\(Double($0) / 2)\n" }.joined() }

  private func rows(_ part: Examples?) -> [Int] {
    guard let part else { return [] }
    return (0..<part.count).map { Int(part.features($0)[0]) }
  }

  // MARK: The cut of the test part

  @Test(
    "the test part's size is the share, rounded",
    arguments: [
      (10, nil, 2), (10, 0.25, 3), (10, 0.24, 2), (7, 0.5, 4), (10, 0.9, 9), (10, 0, 0), (10, 0.01, 0), (2, 0.5, 1),
    ] as [(Int, Double?, Int)])
  func share(_ count: Int, _ fraction: Double?, _ testCount: Int) throws {
    let data = try load(numbered(count), testFraction: fraction)
    #expect((data.test?.count ?? 0) == testCount)
    #expect((data.test == nil) == (testCount == 0))
    #expect(data.train.count == count - testCount)
    #expect(data.selection.testFraction == fraction ?? 0.2)
  }

  @Test("the parts have nothing in common and together everything, each row with its label")
  func disjointAndComplete() throws {
    let data = try load(numbered(101), testFraction: 0.3, seed: 8)
    #expect((rows(data.train) + rows(data.test)).sorted() == Array(0..<101))
    for part in [data.train, try #require(data.test)] {
      for index in 0..<part.count { #expect(part.values(index) == [part.features(index)[0] / 2]) }
    }
    // Not simply the first or the last ones.
    #expect(Set(rows(data.test)) != Set(0..<30) && Set(rows(data.test)) != Set(71..<101))
  }

  // MARK: The validation part

  @Test func ofATextTheEndIsTheValidationPartWithoutOverlap() throws {
    try Data((0..<200).map { UInt8($0) }).write(to: URL(fileURLWithPath: "\(folder.path)/text"))
    func load(_ fraction: Double) throws -> LoadedData {
      var source = DataSelection(data: "text:\(folder.path)/text")
      source.options = ["context": 4, "validation-fraction": .real(fraction)]
      return try LoadedData(source, classify: nil, seed: 3)
    }
    let (whole, cut) = (try load(0), try load(0.1))
    #expect(rows(whole.train) == Array(0..<176) && whole.validation == nil)
    // The last window to train on predicts byte 157.
    #expect(rows(cut.train) == Array(0..<154) && rows(cut.validation) == [158, 162, 166, 170, 174])
    #expect(rows(cut.test) == rows(whole.test) && rows(cut.test) == [180, 184, 188, 192])
    #expect(throws: DatasetError.self) { try load(0.98) }
    #expect(throws: DatasetError.self) { try load(1e-9) }
  }

  @Test(
    "three parts have their shares, nothing in common, and together everything",
    arguments: [(100, 0.2, 0.1), (7, 0.3, 0.3), (50, 0, 0.5), (10, 0.9, 0)])
  func threeParts(_ count: Int, _ test: Double, _ validation: Double) throws {
    let data = try load(numbered(count), testFraction: test, validationFraction: validation)
    let parts = [data.train, data.validation, data.test].map(rows)
    #expect(parts.joined().sorted() == Array(0..<count))
    #expect(parts[1].count == Int((Double(count) * validation).rounded()))
    #expect(parts[2].count == Int((Double(count) * test).rounded()))
    #expect((data.validation == nil) == (validation == 0))
    // A validation part takes nothing from the test part.
    #expect(try parts[2] == rows(load(testFraction: test).test))
  }

  @Test func aTestFileLeavesTheValidationPartToBeCut() throws {
    try folder.write(numbered(30), to: "test.csv")
    let data = try load(numbered(20), test: "\(folder.path)/test.csv", validationFraction: 0.25)
    #expect([data.train.count, data.validation?.count, data.test?.count] == [15, 5, 30])
    let all = try load(test: "\(folder.path)/test.csv")
    #expect(all.validation == nil && all.fingerprint == data.fingerprint)
  }

  @Test func sharesThatLeaveNothingToTrainOnAreRefused() throws {
    expectError(path, "a validation fraction of 0.6 and a test fraction of 0.4 leave no examples to train on") {
      _ = try load(numbered(10), testFraction: 0.4, validationFraction: 0.6)
    }
  }

  @Test("the cut is the seed's")
  func seeded() throws {
    let first = try load(numbered(50), seed: 1)
    #expect(try rows(load(seed: 1).test) == rows(first.test))
    #expect(try rows(load(seed: 1).train) == rows(first.train))
    #expect(try Set(rows(load(seed: 2).test)) != Set(rows(first.test)))
    #expect(try load(seed: 2).fingerprint == first.fingerprint)
  }

  @Test("a share that leaves nothing to train on is refused", arguments: [(3, 0.9), (1, 0.5), (2, 0.75)])
  func nothingLeft(_ count: Int, _ fraction: Double) throws {
    expectError(path, "\(fraction)", "\(count) examples") { _ = try load(numbered(count), testFraction: fraction) }
  }

  @Test("a share that is none is refused", arguments: [-0.1, 1, 1.5, 1e300, .infinity, -.infinity, .nan])
  func noShare(_ fraction: Double) {
    expectError("--test-fraction", "for csv it must be at least 0 and below 1") {
      _ = try load(numbered(10), testFraction: fraction)
    }
  }

  @Test("to evaluate, the whole file is the test part")
  func evaluatesAll() throws {
    let data = try load(numbered(10), evaluatesAll: true)
    #expect(rows(data.test) == Array(0..<10))
    #expect(rows(data.train) == Array(0..<10))
    #expect(data.selection.testFraction == nil)
  }

  // MARK: A test file

  @Test("a test file is the test part, and both stay in order")
  func testFile() throws {
    let test = try folder.write("a,b\n7,1.5\n8,2.5\n", to: "test.csv")
    let data = try load("a,b\n1,0.5\n2,0.25\n3,9\n", test: test)
    #expect(rows(data.train) == [1, 2, 3])
    #expect(rows(data.test) == [7, 8])
    #expect(data.test?.values(1) == [2.5])
    #expect(data.selection.data == path && data.selection.options == DataSelection(data: path, test: test).options)
    #expect(try load("a,b\n1,0.5\n2,0.25\n3,9\n", test: test, evaluatesAll: true).test?.count == 2)
  }

  @Test("a test file may lack the names")
  func testFileWithoutNames() throws {
    let test = try folder.write("7,1.5\n", to: "test.csv")
    #expect(try rows(load("a,b\n1,0.5\n", test: test).test) == [7])
  }

  @Test(
    "a test file with other columns is refused",
    arguments: [
      ("a,b,c\n1,2,3\n", "3 columns"), ("a,x\n1,2\n", "column 2 is 'x', and 'b'"), ("b,a\n1,2\n", "column 1 is 'b'"),
    ])
  func otherColumns(_ text: String, _ problem: String) throws {
    let test = try folder.write(text, to: "test.csv")
    expectError(test, path, problem) { _ = try load("a,b\n1,0.5\n", test: test) }
  }

  @Test("a test file whose label stands elsewhere is refused")
  func labelElsewhere() throws {
    let test = try folder.write("b,a\n1,2\n", to: "test.csv")
    expectError(test, "column 1 is 'b', and 'a'") { _ = try load("a,b\n1,0.5\n", label: "b", test: test) }
  }

  @Test("a test file and a test fraction exclude each other")
  func testAndFraction() throws {
    let test = try folder.write("7,1.5\n", to: "test.csv")
    expectError("--test and --test-fraction") { _ = try load(numbered(5), test: test, testFraction: 0.5) }
  }

  @Test("damage in the test file names the test file")
  func damagedTestFile() throws {
    let test = try folder.write("7,1.5\n8,x\n", to: "test.csv")
    expectError("\(test), line 2, column 2") { _ = try load(numbered(5), test: test) }
  }

  // MARK: Classes or numbers

  private func labelled(_ labels: [String]) -> String { labels.map { "1,\($0)\n" }.joined() }

  @Test(
    "labels that are all of 0 to k − 1 are classes, others are numbers",
    arguments: [
      (["0", "1"], 2), (["1", "0", "1", "0"], 2), (["2", "0", "1"], 3), (["0.0", "1.0", "2e0"], 3),
      (["0", "2"], nil), (["1", "2"], nil), (["0", "0"], nil), (["1", "1"], nil), (["0", "1", "1.5"], nil),
      (["-1", "0", "1"], nil), (["0", "1", "3"], nil), (["0", "1", "1e30"], nil), (["-0.0", "1"], 2),
    ] as [([String], Int?)])
  func decision(_ labels: [String], _ classes: Int?) throws {
    let target = try load(labelled(labels), testFraction: 0).target
    #expect(target == (classes.map { .classification(classes: $0) } ?? .regression(outputs: 1)))
  }

  @Test("999 classes are told by themselves, 1,001 are numbers unless asked for")
  func manyClasses() throws {
    #expect(
      try load(labelled((0..<999).map { "\($0)" }), testFraction: 0).target == .classification(classes: 999))
    let more = labelled((0...1000).map { "\($0)" })
    #expect(try load(more, testFraction: 0).target == .regression(outputs: 1))
    #expect(try load(more, testFraction: 0, classify: true).target == .classification(classes: 1001))
  }

  @Test("classes are found though the cut leaves some to the test part alone")
  func classesOfBothParts() throws {
    for seed in 0..<10 as Range<UInt64> {
      let data = try load(labelled(["0", "1", "2", "3"]), testFraction: 0.5, seed: seed)
      #expect(data.target == .classification(classes: 4))
    }
  }

  @Test("asked for numbers, whole labels are numbers")
  func asNumbers() throws {
    let data = try load(labelled(["0", "1", "2"]), testFraction: 0, classify: false)
    #expect(data.target == .regression(outputs: 1))
    #expect((0..<3).map { data.train.values($0)![0] }.sorted() == [0, 1, 2])
  }

  @Test(
    "asked for classes, missing ones are counted and one alone makes two",
    arguments: [
      (["0", "5"], 6), (["3", "1"], 4), (["0", "0"], 2), (["1", "1"], 2),
    ])
  func asClasses(_ labels: [String], _ classes: Int) throws {
    let data = try load(labelled(labels), testFraction: 0, classify: true)
    #expect(data.target == .classification(classes: classes))
    #expect((0..<2).map { data.train.label($0)! }.sorted() == labels.map { Int($0)! }.sorted())
  }

  @Test(
    "asked for classes, a label that is none is refused with its record",
    arguments: [
      "-1", "1.5", "100000", "1e30", "1e-9",
    ])
  func noClass(_ label: String) throws {
    expectError("\(path), record 3, column 2 (y)", "no class") {
      _ = try load("x,y\n1,0\n1,1\n1,\(label)\n", classify: true)
    }
  }

  @Test(
    "a test label that the training part has no class for is refused with its record",
    arguments: [
      "2", "-1", "0.5",
    ])
  func testLabelOutOfRange(_ label: String) throws {
    let test = try folder.write("1,0\n1,1\n1,\(label)\n", to: "test.csv")
    for classify in [nil, true] as [Bool?] {
      expectError("\(test), record 3, column 2", "out of range", "0 to 1") {
        _ = try load(labelled(["0", "1"]), test: test, classify: classify)
      }
    }
    #expect(try load(labelled(["0", "1"]), test: test, classify: false).test?.count == 3)
  }

  // MARK: The rest

  @Test("the fingerprint is the content's: not the name's or the spelling's, but each value's")
  func fingerprint() throws {
    let first = try load("1,2,0.5\n3,4,1.5\n").fingerprint
    #expect(try load("a;b;c\r\n1.0;2;0.5\r\n3;4;1.5").fingerprint == first)
    let copy = try folder.write(folder.gzip(Array("1,2,0.5\n3,4,1.5\n".utf8)), to: "copy.csv.gz")
    #expect(try LoadedData(DataSelection(data: copy), classify: nil, seed: 5).fingerprint == first)
    for other in [
      "1,2,0.5\n3,4,1.25\n", "1,2,0.5\n3,5,1.5\n", "3,4,1.5\n1,2,0.5\n", "1,2,0.5\n3,4,1.5\n3,4,1.5\n", "1,2,0.5\n",
      "1,2,3,0.5\n4,5,6,1.5\n",
    ] {
      #expect(try load(other, testFraction: 0).fingerprint != first)
    }
    let test = try folder.write("3,4,1.5\n", to: "test.csv")
    let cut = try load("1,2,0.5\n", test: test).fingerprint
    #expect(cut != first)
    try folder.write("3,4,1.75\n", to: "test.csv")
    #expect(try load("1,2,0.5\n", test: test).fingerprint != cut)
  }

  @Test("the label column is taken out of the features")
  func labelColumn() throws {
    let data = try load("y,a,b\n0.5,1,2\n1.5,3,4\n", label: "y", testFraction: 0)
    let rows = (0..<2).map { data.train.values($0)! + data.train.features($0) }
    #expect(Set(rows) == [[0.5, 1, 2], [1.5, 3, 4]])
    #expect(data.selection.label == "y")
  }

  @Test("several label columns are several outputs, in the order in which they are named")
  func severalLabels() throws {
    let text = "y,a,z,b\n0.5,1,10,2\n1.5,3,20,4\n"
    let data = try load(text, label: "z, y", testFraction: 0)
    #expect(data.target == .regression(outputs: 2) && data.shape == [2])
    let rows = (0..<2).map { data.train.values($0)! + data.train.features($0) }
    #expect(Set(rows) == [[10, 0.5, 1, 2], [20, 1.5, 3, 4]])
    #expect(try load(text, label: "3,1", testFraction: 0).fingerprint == data.fingerprint)
    #expect(try load("\"a,b\",c\n1,2\n3,4\n", label: "a,b", testFraction: 0).shape == [1])
    expectError("'y'", "its columns are a, b") { _ = try load("a,b\n1,2\n", label: "a,y") }
    expectError("the column a is given twice") { _ = try load("a,b\n1,2\n", label: "a,1") }
    expectError("all its 2 columns are labels") { _ = try load("a,b\n1,2\n", label: "a,b") }
  }

  @Test("several label columns of classes are a class at each of several positions")
  func severalClasses() throws {
    let data = try load("1,0,2\n2,1,0\n3,2,1\n", label: "2,3", testFraction: 0, classify: true)
    #expect(data.target == .positions(count: 2, classes: 3))
    #expect(Set((0..<3).map { data.train.label($0) }) == [0, 1, 2])
  }

  @Test("the nearest name of a source is suggested")
  func suggestion() {
    expectError("did you mean 'digits'?") {
      _ = try LoadedData(DataSelection(data: "digit"), classify: nil, seed: 0)
    }
  }

  @Test("a missing file is refused, and a word gets the names that need no file")
  func missing() {
    expectError(path, "no such file") { _ = try load() }
    expectError("--data digit:", "digits and fashion-mnist") {
      _ = try LoadedData(DataSelection(data: "digit"), classify: nil, seed: 0)
    }
  }

  @Test("a relative path is made absolute, so that it names the file from other folders too")
  func absolute() throws {
    let name = "datasets-\(UUID().uuidString).csv"
    try numbered(3).write(toFile: name, atomically: false, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: name) }
    let data = try LoadedData(DataSelection(data: name), classify: nil, seed: 0)
    #expect(data.selection.data == "\(FileManager.default.currentDirectoryPath)/\(name)")
  }

  @Test("no data have no examples, one fingerprint, and no options")
  func noData() throws {
    let none = try LoadedData(DataSelection(data: "none"), classify: nil, seed: 1)
    #expect(
      none.target == .regression(outputs: 0) && none.train.count == 8 && none.test == nil && none.featureCount == 0)
    #expect(try LoadedData(DataSelection(data: "none"), classify: false, seed: 2).fingerprint == none.fingerprint)
    let batch = BatchBuffer(none.train, scaling: Scaling(.none, of: none.train)).gather(3..<8) { $0 % 8 }
    #expect(batch.count == 5 && batch[1..<3].count == 2)
    expectError("--label does not go with --data none") {
      _ = try LoadedData(DataSelection(data: "none", label: "y"), classify: nil, seed: 0)
    }
  }

  @Test("the variation is the squared distance from the part's own mean")
  func variation() throws {
    let test = try folder.write("0,1\n0,2\n0,6\n", to: "test.csv")
    let data = try load("0,10.5\n0,20\n", test: test)
    #expect(data.test?.targetVariation == 14.0)
    #expect(data.train.targetVariation == 2 * 4.75 * 4.75)
    #expect(try load(labelled(["0", "1"]), testFraction: 0).train.targetVariation == nil)
  }
}
