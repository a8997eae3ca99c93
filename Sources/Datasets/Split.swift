/// The records of the training, the validation and the test part.
///
/// Within a part, records are in the order of a permutation by the seed, or of the time.
struct Split: Equatable {
  var train, validation, test: [Int32]

  /// Parts in which each class has its share: the counts of a part's classes sum up to the rounded share of all records,
  /// and differ from the classes' own shares by less than one (the largest remainders are rounded up).
  ///
  /// A class keeps at least one record in the training part, and the other classes make up for those of one record. If
  /// all classes have one record, the parts are those of a single class.
  ///
  /// - Parameters:
  ///   - labels: the class of each record, below `classes`.
  ///   - name: of the data, for errors.
  /// - Throws: ``DatasetError`` if nothing is left to train on.
  static func stratified(
    labels: [Int32], classes: Int, validation: Double, test: Double, seed: UInt64, name: String
  ) throws -> Split {
    var counts = [Int](repeating: 0, count: classes)
    for label in labels { counts[Int(label)] += 1 }
    if classes > 1, counts.allSatisfy({ $0 < 2 }) {
      return try stratified(
        labels: labels.map { _ in 0 }, classes: 1, validation: validation, test: test, seed: seed, name: name)
    }
    let tests = shares(of: counts, test)
    let validations = shares(of: zip(counts, tests).map(-), validation, ofAll: labels.count)
    try check(labels.count, left: labels.count - (tests + validations).reduce(0, +), validation, test, name)
    let permutation = IndexPermutation(count: labels.count, seed: seed, stream: Streams.split)
    var split = Split(train: [], validation: [], test: [])
    var (testLeft, validationLeft) = (tests, validations)
    for place in 0..<labels.count {
      let row = Int32(permutation[place])
      let label = Int(labels[Int(row)])
      if testLeft[label] > 0 {
        testLeft[label] -= 1
        split.test.append(row)
      } else if validationLeft[label] > 0 {
        validationLeft[label] -= 1
        split.validation.append(row)
      } else {
        split.train.append(row)
      }
    }
    return split
  }

  /// How many of each class's records make up the `share` of all, rounded; at most all but one of a class.
  private static func shares(of counts: [Int], _ share: Double, ofAll all: Int? = nil) -> [Int] {
    let total = counts.reduce(0, +)
    guard total > 0, share > 0 else { return counts.map { _ in 0 } }
    let wanted = min(Int((Double(all ?? total) * share).rounded()), total)
    let exact = counts.map { Double(wanted) * Double($0) / Double(total) }
    var parts = zip(exact, counts).map { min(Int($0), max($1 - 1, 0)) }
    let byRemainder = counts.indices.sorted {
      let (left, right) = (exact[$0] - Double(parts[$0]), exact[$1] - Double(parts[$1]))
      return left == right ? $0 < $1 : left > right
    }
    func open() -> [Int] { byRemainder.filter { parts[$0] < counts[$0] - 1 } }
    // One more for each of the largest remainders. What classes with too few records lack, the others give by the
    // number that they still have.
    for index in open().prefix(wanted - parts.reduce(0, +)) { parts[index] += 1 }
    let missing = wanted - parts.reduce(0, +)
    let left = zip(counts, parts).map { max($0 - 1, 0) - $1 }
    let allLeft = left.reduce(0, +)
    guard missing > 0, allLeft > 0 else { return parts }
    for index in parts.indices { parts[index] += min(missing, allLeft) * left[index] / allLeft }
    for index in open().prefix(wanted - parts.reduce(0, +)) { parts[index] += 1 }
    return parts
  }

  /// Parts that have all records of a group or none. In a permuted order, each group goes to the part that is furthest
  /// below its share.
  ///
  /// - Parameter groups: the group of each record, below `groupCount`.
  /// - Throws: ``DatasetError`` if there are fewer groups than parts.
  static func grouped(
    groups: [Int32], groupCount: Int, validation: Double, test: Double, seed: UInt64, name: String
  ) throws -> Split {
    let fractions = [1 - validation - test, validation, test]
    let parts = fractions.filter { $0 > 0 }.count
    guard groupCount >= parts else {
      throw DatasetError(
        "\(name): --group-by finds \(groupCount == 1 ? "one group" : "\(groupCount) groups"), and \(parts) parts are "
          + "asked for")
    }
    var sizes = [Int](repeating: 0, count: groupCount)
    for group in groups { sizes[Int(group)] += 1 }
    let order = IndexPermutation(count: groupCount, seed: seed, stream: Streams.split)
    var filled = [0, 0, 0]
    var partOfGroup = [Int](repeating: 0, count: groupCount)
    for place in 0..<groupCount {
      let group = order[place]
      // Each part gets a group while there are enough left.
      let empty = [2, 1, 0].filter { fractions[$0] > 0 && filled[$0] == 0 }
      func need(_ part: Int) -> Double { fractions[part] * Double(groups.count) - Double(filled[part]) }
      let neediest = [0, 1, 2].filter { fractions[$0] > 0 }.max { need($0) < need($1) }!
      let part = groupCount - place <= empty.count ? empty[0] : neediest
      filled[part] += sizes[group]
      partOfGroup[group] = part
    }
    let permutation = IndexPermutation(count: groups.count, seed: seed, stream: Streams.split)
    var rows: [[Int32]] = [[], [], []]
    for place in 0..<groups.count {
      let row = permutation[place]
      rows[partOfGroup[Int(groups[row])]].append(Int32(row))
    }
    return Split(train: rows[0], validation: rows[1], test: rows[2])
  }

  /// The latest records are the test part, those before them the validation part. Records of one time are in one part: a
  /// cut moves to the nearest place between two times.
  ///
  /// - Parameter times: of each record.
  /// - Throws: ``DatasetError`` if there are fewer times than parts.
  static func byTime(_ times: [Double], validation: Double, test: Double, name: String) throws -> Split {
    let order = times.indices.sorted { (times[$0], $0) < (times[$1], $1) }
    let cuts = order.indices.dropFirst().filter { times[order[$0]] != times[order[$0 - 1]] }
    let parts = [validation, test].filter { $0 > 0 }.count
    guard cuts.count >= parts else {
      throw DatasetError(
        "\(name) has \(cuts.count == 0 ? "one time" : "\(cuts.count + 1) times"), and \(parts + 1) parts are asked for")
    }
    func nearest(_ share: Double, _ cuts: ArraySlice<Int>) -> Int {
      let wanted = Double(times.count) * (1 - share)
      return cuts.min { abs(Double($0) - wanted) < abs(Double($1) - wanted) } ?? times.count
    }
    let testCuts = validation > 0 ? cuts.dropFirst() : cuts[...]
    let testStart = test > 0 ? nearest(test, testCuts) : times.count
    let start = validation > 0 ? nearest(validation + test, cuts.prefix { $0 < testStart }) : testStart
    func rows(_ range: Range<Int>) -> [Int32] { order[range].map { Int32($0) } }
    return Split(train: rows(0..<start), validation: rows(start..<testStart), test: rows(testStart..<times.count))
  }

  private static func check(_ count: Int, left: Int, _ validation: Double, _ test: Double, _ name: String) throws {
    guard left > 0 else {
      let shares =
        validation > 0
        ? "a validation fraction of \(validation) and a test fraction of \(test) leave"
        : "a test fraction of \(test) leaves"
      throw DatasetError("\(name): \(shares) none of its \(count) examples to train on")
    }
  }
}
