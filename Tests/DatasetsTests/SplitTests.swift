import TestSupport
import Testing

@testable import Datasets

@Suite struct SplitTests {
  /// Expects that the parts have each of `count` records once.
  private func expectPartition(
    _ split: Split, of count: Int, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let all = (split.train + split.validation + split.test).sorted()
    #expect(all == (0..<count).map { Int32($0) }, comment, sourceLocation: sourceLocation)
    #expect(!split.train.isEmpty, comment, sourceLocation: sourceLocation)
  }

  private func rounded(_ count: Int, _ share: Double) -> Int { Int((Double(count) * share).rounded()) }

  // MARK: Classes

  private func stratified(_ labels: [Int32], _ classes: Int, _ validation: Double, _ test: Double, seed: UInt64) throws
    -> Split
  {
    try Split.stratified(
      labels: labels, classes: classes, validation: validation, test: test, seed: seed, name: "data.csv")
  }

  @Test("each class has its share of each part, to the record, and the parts have their rounded shares")
  func classShares() throws {
    let seed = newSeed(for: "shares of classes")
    var random = SeededGenerator(seed: seed)
    for trial in 0..<200 {
      let classes = Int.random(in: 1...12, using: &random)
      // Enough of each class that none is cut down to leave one in the training part.
      let sizes = (0..<classes).map { _ in Int.random(in: 10...60, using: &random) }
      let labels = sizes.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) }.shuffled(using: &random)
      let test = [0, 0.1, 0.25, Double.random(in: 0...0.4, using: &random)].randomElement(using: &random)!
      let validation = [0, 0.2, Double.random(in: 0...0.4, using: &random)].randomElement(using: &random)!
      let comment: Comment = "seed \(seed), trial \(trial), shares \(validation) and \(test)"
      let split = try stratified(labels, classes, validation, test, seed: seed)
      expectPartition(split, of: labels.count, comment)
      #expect(split.test.count == rounded(labels.count, test), comment)
      #expect(split.validation.count == rounded(labels.count, validation), comment)
      func counts(_ part: [Int32]) -> [Int] { (0..<classes).map { one in part.count { labels[Int($0)] == one } } }
      let (tests, validations) = (counts(split.test), counts(split.validation))
      let left = zip(sizes, tests).map(-)
      for one in 0..<classes {
        let own = Double(split.test.count * sizes[one]) / Double(labels.count)
        #expect(abs(Double(tests[one]) - own) < 1, comment)
        let ownOfLeft = Double(split.validation.count * left[one]) / Double(labels.count - split.test.count)
        #expect(abs(Double(validations[one]) - ownOfLeft) < 1, comment)
      }
      #expect(try split == stratified(labels, classes, validation, test, seed: seed), comment)
    }
  }

  @Test("every class keeps a record to train on, and others make up for what rare classes cannot give")
  func rareClasses() throws {
    let seed = newSeed(for: "rare classes")
    var random = SeededGenerator(seed: seed)
    for trial in 0..<200 {
      let classes = Int.random(in: 1...40, using: &random)
      let sizes = (0..<classes).map { _ in [0, 1, 1, 2, 3, 50].randomElement(using: &random)! } + [2]
      let labels = sizes.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) }.shuffled(using: &random)
      let test = Double.random(in: 0...0.95, using: &random)
      let validation = Double.random(in: 0...(0.99 - test), using: &random)
      let comment: Comment = "seed \(seed), trial \(trial), shares \(validation) and \(test)"
      let split = try stratified(labels, sizes.count, validation, test, seed: seed)
      expectPartition(split, of: labels.count, comment)
      let trained = Set(split.train.map { labels[Int($0)] })
      #expect(trained.count == sizes.count { $0 > 0 }, comment)
      let givable = labels.count - trained.count
      #expect(split.test.count == min(rounded(labels.count, test), givable), comment)
      let wanted = rounded(labels.count, validation)
      #expect(split.validation.count == min(wanted, givable - split.test.count), comment)
    }
  }

  @Test("records of a part keep the order of the permutation of all, so one class is cut as no classes are")
  func order() throws {
    let permutation = IndexPermutation(count: 100, seed: 5, stream: Streams.split)
    let all = (0..<100).map { Int32(permutation[$0]) }
    let single = try stratified([Int32](repeating: 0, count: 100), 1, 0.3, 0.2, seed: 5)
    #expect(single == Split(train: Array(all[50...]), validation: Array(all[20..<50]), test: Array(all[..<20])))
    let distinct = try stratified((0..<100).map { Int32($0) }, 100, 0.3, 0.2, seed: 5)
    #expect(distinct == single, "classes of one record each cannot be shared out")
    let place = Dictionary(uniqueKeysWithValues: zip(all, 0...))
    let classes = try stratified((0..<100).map { Int32($0 % 3) }, 3, 0.3, 0.2, seed: 5)
    for part in [classes.train, classes.validation, classes.test] {
      #expect(part == part.sorted { place[$0]! < place[$1]! })
    }
    #expect(try stratified((0..<100).map { Int32($0 % 3) }, 3, 0.3, 0.2, seed: 6) != classes)
  }

  @Test("a hundred thousand classes, most of one record, are shared out at once", .timeLimit(.minutes(1)))
  func manyClasses() throws {
    let labels = (0..<100_000).map { Int32($0) } + [Int32](repeating: 0, count: 50_000)
    let split = try stratified(labels, 100_000, 0.1, 0.2, seed: 1)
    expectPartition(split, of: labels.count, "")
    #expect(split.test.count == 30_000 && split.validation.count == 15_000)
  }

  // MARK: Groups

  @Test("all records of a group are in one part, no part is empty, and parts miss their shares by at most a group")
  func groups() throws {
    let seed = newSeed(for: "splits by groups")
    var random = SeededGenerator(seed: seed)
    for trial in 0..<200 {
      let groupCount = Int.random(in: 3...30, using: &random)
      let sizes = (0..<groupCount).map { _ in Int.random(in: 1...20, using: &random) }
      let groups = sizes.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) }.shuffled(using: &random)
      let test = [0, Double.random(in: 0.01...0.5, using: &random)].randomElement(using: &random)!
      let validation = [0, Double.random(in: 0.01...0.45, using: &random)].randomElement(using: &random)!
      let comment: Comment = "seed \(seed), trial \(trial), shares \(validation) and \(test)"
      func cut(_ seed: UInt64) throws -> Split {
        try Split.grouped(
          groups: groups, groupCount: groupCount, validation: validation, test: test, seed: seed, name: "data.csv")
      }
      let split = try cut(seed)
      expectPartition(split, of: groups.count, comment)
      let parts = [split.train, split.validation, split.test]
      let shares = [1 - validation - test, validation, test]
      let ofParts = parts.map { Set($0.map { groups[Int($0)] }) }
      #expect(ofParts.reduce(0) { $0 + $1.count } == groupCount, comment)
      for (part, share) in zip(parts, shares) {
        #expect(part.isEmpty == (share == 0), comment)
        // A part gets a group only while it is below its share, or as its first.
        #expect(Double(part.count) <= share * Double(groups.count) + Double(sizes.max()!) + 1e-9, comment)
      }
      #expect(try split == cut(seed), comment)
    }
  }

  @Test("as many groups as parts give each part one; fewer are refused")
  func fewGroups() throws {
    func cut(_ groups: [Int32], _ validation: Double) throws -> Split {
      try Split.grouped(
        groups: groups, groupCount: Set(groups).count, validation: validation, test: 0.2, seed: 3, name: "data.csv")
    }
    let split = try cut([0, 0, 1, 2, 2, 2], 0.1)
    #expect([split.train, split.validation, split.test].allSatisfy { !$0.isEmpty })
    expectError("data.csv", "2 groups", "3 parts") { _ = try cut([0, 1, 1], 0.1) }
    expectError("data.csv", "one group", "2 parts") { _ = try cut([0, 0], 0) }
  }

  // MARK: Times

  @Test("later parts have later records, equal times are together, and each cut is the nearest to its share")
  func times() throws {
    let seed = newSeed(for: "splits by time")
    var random = SeededGenerator(seed: seed)
    for trial in 0..<200 {
      let count = Int.random(in: 10...150, using: &random)
      let distinct = Int.random(in: 3...100, using: &random)
      let times = (0..<count).map { $0 < 3 ? Double($0) : Double(Int.random(in: 0..<distinct, using: &random)) }
        .shuffled(using: &random)
      let test = Double.random(in: 0.01...0.5, using: &random)
      let validation = [0, Double.random(in: 0.01...0.45, using: &random)].randomElement(using: &random)!
      let comment: Comment = "seed \(seed), trial \(trial), shares \(validation) and \(test)"
      let split = try Split.byTime(times, validation: validation, test: test, name: "data.csv")
      expectPartition(split, of: count, comment)
      #expect(!split.test.isEmpty && split.validation.isEmpty == (validation == 0), comment)
      let order = split.train + split.validation + split.test
      #expect(order == order.sorted { (times[Int($0)], $0) < (times[Int($1)], $1) }, comment)
      let parts = [split.train, split.validation, split.test].filter { !$0.isEmpty }
      for (earlier, later) in zip(parts, parts.dropFirst()) {
        #expect(times[Int(earlier.last!)] < times[Int(later.first!)], comment)
      }
      // Without a validation part every place between two times is free for the test part's cut.
      if validation == 0 {
        let places = (1..<count).filter { times[Int(order[$0 - 1])] < times[Int(order[$0])] }
        let wanted = Double(count) * (1 - test)
        let nearest = places.map { abs(Double($0) - wanted) }.min()!
        #expect(abs(Double(split.train.count) - wanted) == nearest, comment)
      }
    }
  }

  @Test("distinct times are cut at the rounded shares; too few times are refused")
  func timeCuts() throws {
    func cut(_ times: [Double], _ validation: Double, _ test: Double) throws -> Split {
      try Split.byTime(times, validation: validation, test: test, name: "data.csv, column day")
    }
    #expect(try cut([5, 1, 4, 2, 3], 0.2, 0.4) == Split(train: [1, 3], validation: [4], test: [2, 0]))
    #expect(try cut([5, 1, 4, 2, 3], 0.2, 0) == Split(train: [1, 3, 4, 2], validation: [0], test: []))
    #expect(try cut([1, 2, 2, 2, 2], 0, 0.2) == Split(train: [0], validation: [], test: [1, 2, 3, 4]))
    #expect(try cut([2, 1, 2, 3], 0.01, 0.99) == Split(train: [1], validation: [0, 2], test: [3]))
    expectError("data.csv, column day", "one time", "2 parts") { _ = try cut([7, 7, 7], 0, 0.2) }
    expectError("data.csv, column day", "2 times", "3 parts") { _ = try cut([7, 8, 7], 0.1, 0.2) }
  }
}
