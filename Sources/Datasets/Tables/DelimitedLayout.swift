internal import Foundation

/// What the first lines of a delimited text say: separator, line ends, header, and the columns' names.
struct DelimitedLayout {
  let record: RecordText
  /// The columns' names, made different from each other.
  private(set) var names: [String] = []
  /// The bytes before the first record of cells.
  private(set) var start = 0
  /// The number of that record's line.
  private(set) var firstLine = 1
  /// The number of records that a first line of counts says; nil if there is none.
  private(set) var announced: Int?
  /// The names of classes in a first line of counts.
  private(set) var classNames: [String] = []
  /// Whether the first line has names.
  private(set) var hasHeader = false

  /// Reads at least the first record of `blocks`, and hands out nothing.
  ///
  /// - Throws: ``DatasetError`` if it is no text of records.
  init(_ blocks: TextBlocks, _ format: TableFormat) throws {
    // The same part of the file for blocks of any size.
    var wanted = 1 << 16
    while true {
      while blocks.count < wanted, !blocks.isAtEnd { try blocks.more(upTo: wanted - blocks.count) }
      if let layout = try blocks.withBytes({
        try DelimitedLayout(
          UnsafeBufferPointer(rebasing: $0.prefix(wanted)), isWhole: blocks.isAtEnd, format, blocks.name)
      }) {
        self = layout
        return
      }
      wanted *= 2
    }
  }

  /// Nil if `sample` is too short to tell.
  private init?(
    _ sample: UnsafeBufferPointer<UInt8>, isWhole: Bool, _ format: TableFormat, _ file: String
  ) throws {
    let mark = sample.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let terminator: UInt8 = !sample.contains(0x0A) && sample.contains(0x0D) ? 0x0D : 0x0A
    let separators = [",", ";", "\t", "|"].map { UInt8(ascii: $0) }.filter { $0 != format.decimal }
    var best: (record: RecordText, lines: [Line], score: Int)?
    var openQuote: Int?
    for separator in separators {
      let record = RecordText(separator: separator, terminator: terminator)
      let (lines, open) = DelimitedLayout.lines(sample, from: mark, record, isWhole: isWhole, format)
      guard isWhole || lines.count > 1 else { return nil }
      if lines.isEmpty { openQuote = openQuote ?? open }
      let score = DelimitedLayout.score(lines, format)
      if best == nil || score > best!.score { best = (record, lines, score) }
    }
    guard let best, let widest = best.lines.map(\.cells.count).max() else {
      if let line = openQuote { throw DatasetError("\(file), line \(line): a quote that begins here does not end") }
      throw DatasetError("\(file) has no records")
    }
    guard widest <= DelimitedLayout.mostColumns else {
      throw DatasetError(
        "\(file) has more than \(DelimitedLayout.mostColumns) columns: wider data fit into a NumPy array or IDX files")
    }
    record = best.record
    try read(best.lines, format, file)
  }

  /// How well a separator fits that cuts a text into `lines`.
  private static func score(_ lines: [Line], _ format: TableFormat) -> Int {
    let records = lines.filter { !$0.isComment }
    guard let first = records.first else { return 0 }
    let isUsed = first.cells.count > 1
    if format.isFormer { return isUsed ? 1 : 0 }
    let counts = Set(records.prefix(20).dropFirst().map(\.cells.count))
    let isEven = counts.isEmpty ? isUsed : counts.count == 1 && counts.first! > 1
    if isEven, counts.isEmpty || counts.contains(first.cells.count) { return 3 }
    // A first line of counts has another number of cells.
    return isEven ? 2 : isUsed ? 1 : 0
  }

  /// A column takes some memory of its own.
  private static let mostColumns = 1 << 16

  private struct Line {
    let cells: [String]
    /// Its place in the text, and its line, from 1.
    let range: Range<Int>
    let number: Int
    let isComment: Bool
  }

  /// The records of `sample` that are whole and not blank, at most 1,000, and the line of a quote that does not end.
  private static func lines(
    _ sample: UnsafeBufferPointer<UInt8>, from start: Int, _ record: RecordText, isWhole: Bool, _ format: TableFormat
  ) -> (lines: [Line], openQuote: Int?) {
    var (lines, index, number): ([Line], Int, Int) = ([], start, 1)
    var scratch: [UInt8] = []
    while index < sample.count, lines.count < 1000 {
      var cells: [String] = []
      var next = number
      let found = record.forEachCell(sample, from: index, &scratch, lines: &next) {
        if $0 <= mostColumns { cells.append(String(decoding: $1, as: UTF8.self)) }
      }
      guard let (_, end) = found else { return (lines, next) }
      guard isWhole || end < sample.count || sample[end - 1] == record.terminator else { break }
      let isComment = sample[index] == UInt8(ascii: "#")
      // Where tabs separate, a line of them may be a record of missing cells.
      if isComment || cells.count == lines.last?.cells.count && cells.count > 1
        || !record.isBlankOrComment(sample, from: index)
      {
        lines.append(Line(cells: cells, range: index..<end, number: number, isComment: isComment && !format.isFormer))
      }
      (index, number) = (end, next)
    }
    return (lines, nil)
  }

  private mutating func read(_ all: [Line], _ format: TableFormat, _ file: String) throws {
    var lines = all.drop { $0.isComment }
    guard let first = lines.first else { throw DatasetError("\(file) has no records") }
    if !format.isFormer, let last = all[..<lines.startIndex].last, last.cells.count > 1,
      last.cells.count == first.cells.count, last.cells[0].dropFirst().contains(where: { $0 != "#" && $0 != " " }),
      !DelimitedLayout.isHeader([first] + lines.dropFirst(), format)
    {
      // A header behind the sign of comments.
      setNames([String(last.cells[0].drop { $0 == "#" || $0 == " " })] + last.cells.dropFirst())
      (hasHeader, start, firstLine) = (true, first.range.lowerBound, first.number)
      return
    }
    let body = lines.dropFirst().filter { !$0.isComment || $0.cells.count == first.cells.count }
    if let counts = DelimitedLayout.counts(first, body.first, format) {
      (announced, classNames) = (counts.records, counts.classes)
      setNames((1...counts.columns).map(String.init))
      (start, firstLine) = (first.range.upperBound, first.number + 1)
      return
    }
    hasHeader = DelimitedLayout.isHeader([first] + body, format)
    if hasHeader {
      setNames(first.cells)
      lines = lines.dropFirst()
      (start, firstLine) = (first.range.upperBound, lines.first?.number ?? first.number + 1)
      if let next = lines.first { start = next.range.lowerBound }
    } else {
      let isKnown = format.namesIfNone.count == first.cells.count
      setNames(isKnown ? format.namesIfNone : (1...first.cells.count).map(String.init))
      (start, firstLine) = (first.range.lowerBound, first.number)
    }
  }

  private mutating func setNames(_ texts: [String]) {
    var used: Set<String> = []
    var copies: [String: Int] = [:]
    names = texts.enumerated().map { index, text in
      let base = text.isEmpty ? "column \(index + 1)" : text
      var name = base
      while !used.insert(name).inserted {
        copies[base, default: 0] += 1
        name = "\(base).\(copies[base]!)"
      }
      return name
    }
  }

  /// A first line `RECORDS,FEATURES,CLASS,…`, as scikit-learn writes it.
  private static func counts(
    _ first: Line, _ second: Line?, _ format: TableFormat
  ) -> (records: Int, columns: Int, classes: [String])? {
    guard let second, first.cells.count >= 2, let records = Int(first.cells[0]), let features = Int(first.cells[1]),
      records > 0, features > 0, features == second.cells.count - 1,
      !format.isFormer || first.cells.count != second.cells.count
    else { return nil }
    let classes = first.cells.dropFirst(2).filter { !$0.isEmpty }
    guard classes.allSatisfy({ Double($0) == nil }), first.cells.count != second.cells.count || !classes.isEmpty else {
      return nil
    }
    return (records, features + 1, Array(classes))
  }

  private static func isHeader(_ lines: [Line], _ format: TableFormat) -> Bool {
    let first = lines[0].cells
    let reader = CellText(decimal: format.decimal)
    func reading(_ cell: String) -> CellText.Reading {
      var cell = cell
      return cell.withUTF8 { reader.reading(of: $0) }
    }
    func isNumber(_ cell: String) -> Bool { if case .number = reading(cell) { true } else { false } }
    let body = lines.dropFirst().filter { $0.cells.count == first.count }
    if !format.isFormer, first.contains(where: { format.named.contains($0) && Int($0) == nil }) { return true }
    guard !format.isFormer, !body.isEmpty else { return first.filter(isNumber).count * 2 < first.count }
    var (names, values, wholes) = (0, 0, [Int]())
    for column in first.indices {
      let cells = body.lazy.map { $0.cells[column] }.filter { reading($0) != .missing }
      guard !cells.isEmpty else { continue }
      let areNumbers = cells.allSatisfy(isNumber)
      guard areNumbers || DateText.areDates(Array(cells)) else { continue }
      if reading(first[column]) == .missing { continue }
      if isNumber(first[column]) || !areNumbers && DateText.areDates([first[column]]) {
        values += 1
        wholes += Int(first[column]).map { [$0] } ?? []
      } else {
        names += 1
      }
    }
    // Years, as in `country,1990,1991,1992`.
    let areYears = values > 2 && wholes.count == values && zip(wholes, wholes.dropFirst()).allSatisfy { $0 + 1 == $1 }
    if names + values > 0 { return names > 0 && names >= values || areYears }
    // The first cell is empty above the row numbers that pandas and R write.
    return Set(first).count == first.count && !first.dropFirst().contains("")
      && first.indices.allSatisfy { column in !body.contains { $0.cells[column] == first[column] } }
  }
}
