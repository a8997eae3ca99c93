internal import Schema

/// How the options cut data into a training, a validation and a test part.
struct Splitting {
  /// The shares of the examples that become the validation and the test part.
  let validationFraction, testFraction: Double
  /// The column whose equal cells stay in one part.
  let group: String?
  /// The column that orders records: the latest are the test part.
  let time: String?
  let seed: UInt64
  /// Whether all examples are the test part if the source has none.
  let evaluatesAll: Bool
  /// Whether classes may be cut unevenly, as jobs of earlier versions did.
  var isFormer = false
  private let isTestFractionGiven: Bool

  /// - Parameter canCut: whether the source has the options.
  init(_ options: OptionValues, canCut: Bool, seed: UInt64, evaluatesAll: Bool) {
    func text(_ name: String) -> String? { options.values[name]?.description }
    validationFraction = options.ifGiven("validation-fraction") ?? 0
    testFraction = canCut ? options.ifGiven("test-fraction") ?? 0.2 : 0
    isTestFractionGiven = options.values["test-fraction"] != nil
    (group, time) = (text("group-by"), text("time"))
    (self.seed, self.evaluatesAll) = (seed, evaluatesAll)
  }

  /// - Throws: ``DatasetError`` for options that exclude each other.
  func check(hasTest: Bool, _ name: String) throws {
    if hasTest, isTestFractionGiven {
      throw DatasetError("--test-fraction does not go with \(name), which has a test part of its own")
    }
    guard group == nil || time == nil else { throw DatasetError("--group-by and --time exclude each other: give one") }
    let test = hasTest ? 0 : testFraction
    guard validationFraction + test < 1 - 1e-9 || evaluatesAll else {
      throw DatasetError(
        "\(name): a validation fraction of \(validationFraction) and a test fraction of \(test) leave no examples to train on"
      )
    }
  }

  /// - Throws: ``DatasetError`` for a part that is asked for and has no examples.
  private func checkParts(_ count: Int, validation: Int?, test: Int?, _ name: String) throws {
    func check(_ option: String, _ fraction: Double, _ part: Int?) throws {
      guard part ?? 0 == 0, fraction > 0 else { return }
      throw DatasetError(
        "--\(option) \(fraction) of the \(count) examples of \(name) is none of them; give a larger share, or 0")
    }
    try check("validation-fraction", validationFraction, validation)
    if isTestFractionGiven, !isFormer { try check("test-fraction", testFraction, test) }
  }

  // MARK: Examples

  /// The parts of `all`; no test part if `hasTest` says that the data have one.
  func parts(
    of all: Dataset, hasTest: Bool, labels: (codes: [Int32], classes: Int)?, _ name: String
  ) throws -> (train: Examples, validation: Examples?, test: Examples?) {
    let test = hasTest ? 0 : testFraction
    guard test + validationFraction > 0 else { return (Examples(all), nil, nil) }
    guard all.count <= Int(Int32.max) else {
      throw DatasetError("\(name) has \(all.count) examples, and at most \(Int32.max) can be cut into parts")
    }
    if !isFormer, let labels {
      let split = try Split.stratified(
        labels: labels.codes, classes: labels.classes, validation: validationFraction, test: test, seed: seed,
        name: name)
      func part(_ rows: [Int32]) -> Examples? { rows.isEmpty ? nil : Examples(all, rows: rows) }
      try checkParts(all.count, validation: split.validation.count, test: split.test.count, name)
      return (Examples(all, rows: split.train), part(split.validation), part(split.test))
    }
    let ranges = try ranges(all.count, test: test, name)
    let permutation = IndexPermutation(count: all.count, seed: seed, stream: Streams.split)
    func part(_ range: Range<Int>) -> Examples? {
      range.isEmpty ? nil : Examples(all, permutation: permutation, range: range)
    }
    try checkParts(all.count, validation: ranges.validation.count, test: ranges.test.count, name)
    return (part(ranges.train)!, part(ranges.validation), part(ranges.test))
  }

  /// The places of the parts in a permutation of `count` examples.
  private func ranges(
    _ count: Int, test: Double, _ name: String
  ) throws -> (train: Range<Int>, validation: Range<Int>, test: Range<Int>) {
    let testCount = Int((Double(count) * test).rounded())
    let end = testCount + Int((Double(count) * validationFraction).rounded())
    guard end < count else {
      let what =
        validationFraction > 0
        ? "a validation fraction of \(validationFraction) and a test fraction of \(test) leave"
        : "a test fraction of \(test) leaves"
      throw DatasetError("\(name): \(what) none of its \(count) examples to train on")
    }
    return (end..<count, testCount..<end, 0..<testCount)
  }

  /// The parts of overlapping windows, each the next position of a sequence: the validation part is its end. No window of it
  /// shares a position with another, or with one of the training part.
  ///
  /// - Parameter overlap: how many windows, one after the other, share a position.
  func parts(ofWindows all: Dataset, overlap: Int, _ name: String) throws -> (train: Examples, validation: Examples?) {
    guard validationFraction > 0 else { return (Examples(all), nil) }
    let first = all.count - Int((Double(all.count) * validationFraction).rounded())
    let count = (all.count - first + overlap - 1) / overlap
    guard first > overlap else {
      throw DatasetError(
        "\(name): a validation fraction of \(validationFraction) leaves none of its windows to train on")
    }
    try checkParts(all.count, validation: count, test: nil, name)
    return (Examples(all, from: 0, count: first - overlap), Examples(all, from: first, step: overlap, count: count))
  }

  // MARK: Records

  /// The records of each part.
  func rows(of table: Table, _ labels: TableLabels, hasTest: Bool) throws -> Split {
    let test = hasTest ? 0 : testFraction
    let rows = labels.labelled
    func chosen(_ split: Split) throws -> Split {
      try checkParts(rows.count, validation: split.validation.count, test: split.test.count, table.name)
      func part(_ places: [Int32]) -> [Int32] { places.map { rows[Int($0)] } }
      return Split(train: part(split.train), validation: part(split.validation), test: part(split.test))
    }
    guard !evaluatesAll, test + validationFraction > 0 else {
      if let column = time ?? group, !evaluatesAll {
        throw DatasetError(
          "--\(time != nil ? "time" : "group-by") \(column): there is nothing to cut; give a --validation-fraction"
            + (hasTest ? "" : " or a --test-fraction") + " above 0")
      }
      return Split(train: rows, validation: [], test: [])
    }
    if let group {
      let index = try column(group, "--group-by", table)
      guard !labels.columns.contains(index) else {
        throw DatasetError("--group-by \(group): that is the label, each of whose values would be in one part alone")
      }
      let groups = try groups(of: table, in: index, rows)
      return try chosen(
        Split.grouped(
          groups: groups.codes, groupCount: groups.count, validation: validationFraction, test: test, seed: seed,
          name: table.name))
    }
    if let time {
      let times = try times(of: table, in: try column(time, "--time", table), rows)
      return try chosen(
        Split.byTime(times, validation: validationFraction, test: test, name: "\(table.name), column \(time)"))
    }
    if case .classification(let classes) = labels.target, case .classes(let codes) = try labels.storage(of: table) {
      return try chosen(
        Split.stratified(
          labels: rows.map { codes[Int($0)] }, classes: classes, validation: validationFraction, test: test, seed: seed,
          name: table.name))
    }
    let ranges = try ranges(rows.count, test: test, table.name)
    let permutation = IndexPermutation(count: rows.count, seed: seed, stream: Streams.split)
    func part(_ range: Range<Int>) -> [Int32] { range.map { Int32(permutation[$0]) } }
    return try chosen(Split(train: part(ranges.train), validation: part(ranges.validation), test: part(ranges.test)))
  }

  /// The columns that are no features: labels, without a reason, and the one of groups.
  func excluded(_ table: Table, _ labels: TableLabels) throws -> [Int: String] {
    var excluded = Dictionary(labels.columns.map { ($0, "") }) { first, _ in first }
    if let group {
      let index = try column(group, "--group-by", table)
      if excluded[index] == nil { excluded[index] = "--group-by" }
    }
    return excluded
  }

  private func column(_ name: String, _ option: String, _ table: Table) throws -> Int {
    guard let index = table.column(name) else {
      throw DatasetError(
        "\(option) \(name): \(table.name) has no such column; its columns are \(Table.list(table.names))"
          + suggestion(name, table.names))
    }
    return index
  }

  private func groups(
    of table: Table, in column: Int, _ rows: [Int32]
  ) throws -> (codes: [Int32], count: Int) {
    guard case .levels(let codes, let levels) = table.columns[column].cells else {
      preconditionFailure("groups are read as words")
    }
    if let row = rows.first(where: { codes[Int($0)] < 0 }) {
      throw DatasetError(
        "\(table.name), \(table.place(Int(row))), column \(table.columns[column].name): the cell is missing, and --group-by "
          + "needs every record's group")
    }
    // In the order in which they are met: some may have no record with a label.
    var known = [Int32](repeating: -1, count: levels.count)
    var count: Int32 = 0
    let groups = rows.map { row in
      let code = Int(codes[Int(row)])
      if known[code] < 0 {
        known[code] = count
        count += 1
      }
      return known[code]
    }
    return (groups, Int(count))
  }

  private func times(of table: Table, in column: Int, _ rows: [Int32]) throws -> [Double] {
    let (cells, name) = (table.columns[column].cells, table.columns[column].name)
    if let row = rows.first(where: { cells.isMissing(Int($0)) }) {
      throw DatasetError(
        "\(table.name), \(table.place(Int(row))), column \(name): the cell is missing, and --time needs every record's time"
      )
    }
    switch cells {
    case .numbers(let all): return rows.map { Double(all[Int($0)]) }
    case .instants(let all): return rows.map { Double(all[Int($0)]) }
    case .levels(_, let levels):
      throw DatasetError(
        "\(table.name): the column \(name) has text, such as '\(Table.shown(levels.first ?? ""))', and --time needs dates or numbers"
      )
    }
  }
}
