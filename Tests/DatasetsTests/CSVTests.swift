import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct CSVTests {
  private func parse(
    _ text: String, isFormer: Bool = false, decimal: Character = ".", types: [String: ColumnType] = [:],
    ignoring: Set<String> = [], blockSize: Int = 1 << 20, threads: Int = 2
  ) throws -> Table {
    var format = TableFormat()
    (format.isFormer, format.decimal) = (isFormer, decimal.asciiValue!)
    (format.types, format.ignored) = (types, ignoring)
    return try readDelimited(format, blockSize: blockSize, threads: threads) {
      try ByteReader(bytes: Array(text.utf8), name: "table.csv")
    }
  }

  private func former(_ text: String, label: String? = nil) throws -> DataTable {
    try parse(text, isFormer: true).numbers(label: label)
  }

  @Test(
    "the same table reads the same, however it is written",
    arguments: [
      "1,2.5,3\n4,-5,6\n",
      "1,2.5,3\n4,-5,6",
      "1;2.5;3\n4;-5;6\n",
      "1\t2.5\t3\n4\t-5\t6\n",
      "1,2.5,3\r\n4,-5,6\r\n",
      "1,2.5,3\r\n4,-5,6\r",
      "\u{FEFF}1,2.5,3\n4,-5,6\n",
      "\u{FEFF}1,2.5,3\r\n4,-5,6\r\n",
      "\n1,2.5,3\n\n  \t\n\r\n4,-5,6\n\n\n",
      " 1 , 2.5,3 \n4 ,\t-5,6\n",
      "\"1\",\"2.5\",\"3\"\n\"4\",\"-5\",\"6\"\n",
      "1.0,25e-1,+3\n4e0,-5.,06\n",
      "a,b,c\n1,2.5,3\n4,-5,6\n",
      "\u{FEFF}\n\na,b,c\r\n1,2.5,3\r\n\r\n4,-5,6",
    ])
  func spellings(_ text: String) throws {
    for isFormer in [false, true] {
      let table = try parse(text, isFormer: isFormer)
      #expect(table.count == 2)
      #expect(table.columns.map(\.cells.text) == [["1", "4"], ["2.5", "-5"], ["3", "6"]])
    }
    let numbers = try former(text)
    #expect(numbers.features.floats == [1, 2.5, 4, -5])
    #expect(numbers.targets == [3, 6])
  }

  private func names(_ text: String, isFormer: Bool = false) throws -> [String] {
    try parse(text, isFormer: isFormer).columns.map(\.name)
  }

  @Test("in files of earlier jobs, at least half numbers make a record")
  func formerNames() throws {
    #expect(try names("a,b,c\n1,2,3\n", isFormer: true) == ["a", "b", "c"])
    #expect(try names("a,b,3\n1,2,3\n", isFormer: true) == ["a", "b", "3"])
    #expect(try names("1,2,3\n1,2,3\n", isFormer: true) == ["1", "2", "3"])
    expectError("table.csv, line 1, column 3", "'c'") { _ = try parse("1,2,c\n1,2,3\n", isFormer: true) }
  }

  @Test(
    "a first line has names if it has text where the others have numbers",
    arguments: [
      ("a,b\n1,2\n", ["a", "b"]), ("1,2\n3,4\n", ["1", "2"]), ("39,State,77\n50,Self,83\n", ["1", "2", "3"]),
      ("id,2010,note\n1,5,x\n2,6,y\n", ["id", "2010", "note"]), ("x,y\nu,v\n", ["x", "y"]), ("u,v\nx,v\n", ["1", "2"]),
      ("day,n\n2024-01-31,1\n", ["day", "n"]), ("2024-01-30,0\n2024-01-31,1\n", ["1", "2"]),
      (",a\n1,2\n", ["column 1", "a"]), ("a,a,a\n1,2,3\n", ["a", "a.1", "a.2"]), ("'a',b\n1,2\n", ["'a'", "b"]),
      ("#a,b\n1,2\n", ["a", "b"]), ("# made by hand\na,b\n1,2\n", ["a", "b"]), ("a,b\n# note\n1,2\n", ["a", "b"]),
    ])
  func header(_ text: String, _ expected: [String]) throws { #expect(try names(text) == expected) }

  @Test("names lose their quotes, and a separator inside quotes separates nothing")
  func quotedNames() throws {
    let table = try former("\"a,b\", \"say \"\"hi\"\"\" ,c\n1,2,3\n")
    #expect(table.features.floats == [1, 2])
    #expect(try names("\"a,b\", \"say \"\"hi\"\"\" ,c\n1,2,3\n") == ["a,b", "say \"hi\"", "c"])
  }

  @Test(
    "the label is the last column unless it is named or counted",
    arguments: [
      (nil, 2), ("a", 0), ("b", 1), ("c", 2), ("1", 0), ("2", 1), ("3", 2),
    ] as [(String?, Int)])
  func label(_ label: String?, _ column: Int) throws {
    let table = try former("a,b,c\n1,2,3\n4,5,6\n", label: label)
    #expect(table.targets == [Float(column + 1), Float(column + 4)])
    #expect(table.features.floats == ([1, 2, 3, 4, 5, 6] as [Float]).filter { !table.targets.contains($0) })
  }

  @Test("a name goes before a position")
  func nameThatIsANumber() throws {
    #expect(try former("x,y,1\n7,8,9\n", label: "1").targets == [9])
  }

  @Test("a label that is no column is refused with the columns there are", arguments: ["d", "0", "4", "-1", "A", ""])
  func unknownLabel(_ label: String) {
    expectError("table.csv", "'\(label)'", "a, b, c") { _ = try former("a,b,c\n1,2,3\n", label: label) }
    expectError("table.csv", "'\(label)'", "1, 2, 3") { _ = try former("1,2,3\n", label: label) }
  }

  @Test(
    "another number of columns is refused with its line",
    arguments: [
      ("1,2,3\n4,5\n", "line 2: 2 cells, where the first line has 3 columns"),
      ("1,2,3\n4,5,6,7\n", "line 2: 4 cells"),
      ("a,b,c\n1,2,3\n\n4\n", "line 4: 1 cells"),
      ("1,2,3\n\"4,5,6\n", "line 2"),
    ])
  func columnCount(_ text: String, _ place: String) {
    expectError("table.csv", place) { _ = try parse(text) }
  }

  @Test("a trailing separator is a column too many")
  func trailingSeparator() {
    expectError("table.csv, line 2") { _ = try parse("1,2,3\n4,5,6,\n") }
  }

  @Test(
    "a cell that is no finite number is refused with line, column and text",
    arguments: [
      ("x", "is not a number"), ("", "where a number should be"), ("  ", "where a number should be"),
      ("nan", "where a number should be"), ("inf", "not finite"), ("-Infinity", "not finite"), ("1e39", "not finite"),
      ("1 2", "is not a number"), ("1_0", "is not a number"), ("0,5", "is not a number"), ("--1", "is not a number"),
      ("12345678x", "is not a number"), ("?", "where a number should be"),
    ])
  func badCell(_ cell: String, _ problem: String) {
    let quoted = cell.contains(",") ? "\"\(cell)\"" : cell
    expectError("table.csv, line 3, column 2 (b)", problem, "'\(cell.trimmingCharacters(in: .whitespaces))'") {
      _ = try former("a,b,c\n1,2,3\n4,\(quoted),6\n")
    }
    expectError("table.csv, line 2, column 3:", problem) { _ = try former("1,2,3\r\n4,5,\(quoted)\r\n") }
  }

  @Test("zero bytes and UTF-16 are refused")
  func zeroByte() {
    expectError("table.csv", "zero bytes") { _ = try parse("1,2\n3\u{0}4,5\n") }
    let wide: [UInt8] = [0xFF, 0xFE] + Array("1,2\n3,4\n".utf8).flatMap { [$0, 0] as [UInt8] }
    expectError("utf-16.csv", "UTF-16") {
      _ = try readDelimited(TableFormat()) { try ByteReader(bytes: wide, name: "utf-16.csv") }
    }
  }

  @Test("one column is refused", arguments: ["1\n2\n", "a\n1\n", "1"])
  func oneColumn(_ text: String) {
    expectError("table.csv", "one column") { _ = try former(text) }
  }

  @Test("no records are refused", arguments: ["", "\n\n", "\u{FEFF}", "a,b\n", "a,b\n\n \n"])
  func noRecords(_ text: String) {
    expectError("table.csv", "no records") { _ = try former(text) }
  }

  @Test(
    "numbers are rounded to the nearest float32",
    arguments: [
      "0.1", "16777217", "9999999", "99999999", "-0.0", "1e-45", "3.4028234e38", "0000000", "123456.789",
    ])
  func precision(_ text: String) throws {
    #expect(try former("\(text),0\n").features.floats[0].bitPattern == Float(text)!.bitPattern)
  }

  @Test("a file of many buffers reads right, a line longer than a buffer too")
  func large() throws {
    let rows = 100_000
    var text = "first,second,label\n"
    text.reserveCapacity(rows * 24)
    for row in 0..<rows { text += "\(row),-\(row).5,\(row % 10)\n" }
    let table = try former(text)
    #expect(table.count == rows)
    let features = table.features.floats
    #expect(features.count == 2 * rows)
    #expect((0..<rows).allSatisfy { features[2 * $0] == Float($0) })
    #expect((0..<rows).allSatisfy { features[2 * $0 + 1] == -Float($0) - 0.5 })
    #expect((0..<rows).allSatisfy { table.targets[$0] == Float($0 % 10) })

    let wide = (0..<50_000).map { "\($0)" }.joined(separator: ",")
    let record = try former("\(wide)\n\(wide)")
    #expect(record.features.count == 2 * 49_999)
    #expect(record.features.floats[49_999 + 12_345] == 12_345)
  }

  @Test("one long line and many short ones take no memory that the file does not fill")
  func longFirstLine() {
    let long = String(repeating: "1,", count: 1 << 15) + "1\n"
    let short = String(repeating: "1\n", count: 1 << 19)
    expectError("more than 65536 columns") { _ = try parse(String(repeating: "1,", count: 1 << 19) + "1\n" + short) }
    expectError("table.csv, line 2: 1 cells") { _ = try parse(long + short) }
  }

  // MARK: Types

  @Test(
    "columns have the type that all their cells have",
    arguments: [
      (["1", "2.5", "NA"], "numbers"), (["1", "2.5", "x"], "text"), (["NA", "", "?"], "numbers"),
      (["2024-01-31", "", "2024-02-01"], "dates"), (["2024-01-31", "5"], "text"), (["true", "false"], "text"),
      (["31/01/2024", "01/02/2024"], "dates"), (["13/01/2024", "01/13/2024"], "text"),
      (["17-08-1984", "1-2-1990"], "dates"),
      (["Jan 1 2000", "Dec 31 2000"], "dates"), (["1-Jan-2000", "2-Feb-2001"], "dates"), (["2024-02-30"], "text"),
      (["2024-01-31T12:00:00Z", "2024-01-31 12:00"], "dates"), (["20240131", "20240201"], "numbers"),
      (["1962-01", "1962-02"], "dates"), (["0x1p3", "1"], "text"), (["31.01.2024"], "dates"),
      (["May", "June"], "text"),
    ])
  func types(_ cells: [String], _ kind: String) throws {
    let text = "a,b\n" + cells.map { "\($0),1\n" }.joined()
    #expect(try parse(text).columns[0].cells.kind == kind)
    // In other blocks too, also with a cell of another type far behind.
    #expect(try parse(text, blockSize: 1, threads: 1).columns[0].cells.kind == kind)
    let late =
      "a,b\n" + String(repeating: "\(cells[0]),1\n", count: 3000) + cells.dropFirst().map { "\($0),1\n" }.joined()
    #expect(try parse(late, blockSize: 100).columns[0].cells.kind == kind)
  }

  @Test(
    "dates are seconds since 1970",
    arguments: [
      ("1970-01-01", 0), ("1969-12-31", -86_400), ("2000-02-29", 951_782_400),
      ("2024-01-31T01:02:03+02:00", 1_706_655_723),
      ("31/12/1999", 946_598_400), ("Dec 31, 1999", 946_598_400), ("1600-03-01", -11_670_912_000),
    ] as [(String, Int64)])
  func dates(_ cell: String, _ seconds: Int64) throws {
    guard case .instants(let all) = try parse("a,b\n\"\(cell)\",1\n").columns[0].cells else {
      Issue.record("\(cell) is no date")
      return
    }
    #expect(all == [seconds])
  }

  @Test("declared types are kept, and what contradicts them is refused with its place")
  func declared() throws {
    #expect(try parse("a,b\n01,1\n1,2\n", types: ["a": .category]).columns[0].cells.text == ["01", "1"])
    expectError("table.csv, line 3, column 1 (a): 'x' is not a number", "--columns") {
      _ = try parse("a,b\n1,1\nx,2\n", types: ["a": .number])
    }
    expectError("table.csv, line 2, column 1 (a): 'x' is not a date", "--columns") {
      _ = try parse("a,b\nx,1\n", types: ["a": .date])
    }
    expectError("no column 'c'", "a, b") { _ = try parse("a,b\n1,1\n", types: ["c": .number]) }
    #expect(try parse("a,b\n1,2\n", ignoring: ["1"]).columns.map(\.name) == ["b"])
  }

  @Test("with a decimal comma")
  func decimalComma() throws {
    let table = try parse("a;b\n1,5;2\n-0,25;3,0\n", decimal: ",")
    #expect(table.columns.map(\.cells.text) == [["1.5", "-0.25"], ["2", "3"]])
  }

  @Test(
    "a first line of counts is recognised, and checked",
    arguments: [("2,2,no,yes", ["no", "yes"]), ("2,2,,", []), ("2,2", [])])
  func counts(_ line: String, _ classes: [String]) throws {
    let table = try parse("\(line)\n0.5,1,0\n0.7,2,1\n")
    #expect(table.count == 2 && table.columns.count == 3 && table.classNames == classes)
    expectError("table.csv, line 1 says 2 records of 2 features, and 3 follow") {
      _ = try parse("\(line)\n0.5,1,0\n0.7,2,1\n0.1,1,1\n")
    }
  }

  @Test("the separator is the one that cuts all records into as many cells, comments not counted")
  func separators() throws {
    #expect(try names("# by hand, in May\n# on Monday\na\tb\n1\t2,5\n3\t4,5\n") == ["a", "b"])
    #expect(try names("a;b,c;d\n1,5;2;3\n1,5;2,25;3\n") == ["a", "b,c", "d"])
    #expect(try names("note;n\nx, y;1\nz, u;2\n") == ["note", "n"])
    #expect(try names("a|b\n1|2\n") == ["a", "b"])
  }

  @Test("a line of tabs is a record of missing cells where tabs separate, and blank elsewhere")
  func lineOfTabs() throws {
    #expect(try parse("a\tb\tc\n1\t2\t3\n\t\t\n").columns[2].cells.text == ["3", ""])
    #expect(try parse("a,b,c\n1,2,3\n\t\t\n").columns[2].cells.text == ["3"])
  }

  @Test("lone carriage returns end lines in a file without line feeds")
  func carriageReturns() throws {
    let table = try parse("a,b\r1,x\r\r2,\"y\rz\"\r3,u")
    #expect(table.columns.map(\.cells.text) == [["1", "2", "3"], ["x", "y\rz", "u"]])
    #expect((0..<3).map(table.place) == ["line 2", "line 4", "line 6"])
  }

  @Test("counts that no number holds are no counts")
  func largeCounts() throws {
    #expect(try parse("1,9223372036854775807\n1,2\n").count == 2)
    #expect(try parse("99999999999999999999,1\n1,2\n").count == 2)
  }

  @Test("columns whose first text is far behind are found by one reading, however many they are")
  func lateText() throws {
    let columns = 40
    let first = String(repeating: Array(repeating: "1", count: columns).joined(separator: ",") + "\n", count: 3000)
    let rows = (0..<columns).map { row in (0..<columns).map { $0 == row ? "x" : "2" }.joined(separator: ",") }
    var readings = 0
    let table = try readDelimited(TableFormat(), blockSize: 1000, threads: 2) {
      readings += 1
      return try ByteReader(bytes: Array((first + rows.joined(separator: "\n")).utf8), name: "table.csv")
    }
    #expect(readings == 2)
    #expect(table.columns.allSatisfy { $0.cells.kind == "text" })
  }

  @Test("a file that is changed while it is read is refused")
  func changedFile() throws {
    let folder = try TemporaryFolder()
    let text = "a,b\n" + String(repeating: "1,2\n", count: 1 << 16) + "x,2\n"
    let path = try folder.write(text, to: "table.csv")
    var readings = 0
    expectError("table.csv changed while it was read") {
      _ = try readDelimited(TableFormat(), blockSize: 1000) {
        readings += 1
        if readings == 2 { try folder.write(text + "1,2\n", to: "table.csv") }
        return try ByteReader(path: path)
      }
    }
    expectError("table.csv changed while it was read") {
      _ = try readDelimited(TableFormat(), blockSize: 1000) {
        let reader = try ByteReader(path: path)
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data("1,2\n".utf8))
        return reader
      }
    }
  }

  @Test("zero bytes far behind are refused too")
  func lateZeroByte() {
    let text = "a,b\n" + String(repeating: "1,2\n", count: 1 << 16) + "1,\u{0}\n"
    expectError("table.csv", "zero bytes") { _ = try parse(text, blockSize: 1000) }
  }

  @Test("the first of several mistakes is the one that is told", arguments: [1, 100, 1 << 20], [1, 3])
  func firstMistake(_ blockSize: Int, _ threads: Int) {
    expectError("table.csv, line 3, column 1 (a): 'x' is not a number") {
      _ = try parse("a,b\n1,2\nx,2\n1\n", types: ["a": .number], blockSize: blockSize, threads: threads)
    }
    expectError("table.csv, line 3: 1 cells, where the first line has 2 columns") {
      _ = try parse("a,b\n1,2\n1\nx,2\n", types: ["a": .number], blockSize: blockSize, threads: threads)
    }
  }

  @Test("whether the day or the month is first is told by all cells, and can be given")
  func dayFirst() throws {
    let text = "a,b\n" + String(repeating: "04/05/2024,1\n", count: 3000) + "31/12/2024,1\n"
    let table = try parse(text, blockSize: 100)
    #expect(table.columns[0].isDayFirst == true)
    #expect(table.columns[0].cells.text(0) == "2024-05-04")
    var format = TableFormat()
    format.isDayFirst["a"] = true
    format.types["a"] = .date
    let bytes = Array("a,b\n04/05/2024,1\n04/13/2024,2\n".utf8)
    let blocks = try DelimitedBlocks(format, blockSize: 1, ByteReader(bytes: bytes, name: "table.csv"))
    expectError("table.csv, line 3, column 1 (a): '04/13/2024' is not a date of the column's kind") {
      while let part = try blocks.next() { #expect(part.columns[0].cells.text(0) == "2024-05-04") }
    }
    // A recipe that was learned from dates of another form does not tell it.
    format.isDayFirst = [:]
    format.infersDayFirst = false
    let other = try DelimitedBlocks(format, ByteReader(bytes: bytes, name: "table.csv"))
    expectError("table.csv, line 2, column 1 (a): '04/05/2024' is not a date of the column's kind") {
      _ = try other.next()
    }
  }

  @Test("kept cells are as the file has them, and read as the recipe says besides", arguments: [1, 1 << 20])
  func keptCells(_ blockSize: Int) throws {
    let cells = ["007", "12345678901234567890", "1.50", "NA", "", "2024-01-02", " x ", "é", "\"", "123456789"]
    let text =
      "id,b\n" + cells.map { "\"\($0.replacing("\"", with: "\"\""))\",\($0 == "007" ? "7.0" : "1e1")\n" }.joined()
    var format = TableFormat()
    format.types["b"] = .number
    format.kept = ["id", "b"]
    let blocks = try DelimitedBlocks(format, blockSize: blockSize, ByteReader(bytes: Array(text.utf8), name: "t.csv"))
    var (ids, texts, numbers): ([String], [String], [String]) = ([], [], [])
    while let part = try blocks.next() {
      #expect(part.columns.map(\.name) == ["b"] && part.kept.map(\.name) == ["id", "b"])
      ids += (0..<part.count).map { part.kept[0].cells.text($0) ?? "nil" }
      texts += (0..<part.count).map { part.kept[1].cells.text($0) ?? "nil" }
      numbers += part.columns[0].cells.text
    }
    #expect(ids == cells && texts == ["7.0"] + cells.dropFirst().map { _ in "1e1" })
    #expect(numbers == ["7"] + cells.dropFirst().map { _ in "10" })
  }

  @Test("a position counts the columns of the file, also those that are ignored")
  func positions() throws {
    var format = TableFormat()
    format.ignored = ["1"]
    let bytes = Array("id,a,b\n1,2,3\n4,5,6\n".utf8)
    let table = try readDelimited(format) { try ByteReader(bytes: bytes, name: "t.csv") }
    #expect(table.columns.map(\.name) == ["a", "b"] && table.names == ["id", "a", "b"])
    #expect(table.column("2") == 0 && table.column("b") == 1)
    for none in ["1", "id", "0", "4", "-9223372036854775808", "z"] { #expect(table.column(none) == nil) }
    #expect(try ColumnChoices("3: log1p, 1: ignore").kinds(of: table, excluding: [:]) == [1: .log1p])
    expectError("--columns: a is the column a, which is given twice") {
      _ = try ColumnChoices("2: number, a: number").kinds(of: table, excluding: [:])
    }
    expectError("--columns: a is the label, which can be a number or a category, and not log1p") {
      _ = try ColumnChoices("a: log1p").kinds(of: table, excluding: [0: ""])
    }
  }

  @Test("many columns of one name are told apart quickly")
  func sameNames() throws {
    let header = String(repeating: "a,", count: (1 << 16) - 1) + "a\n"
    let table = try parse(header + header.replacing("a", with: "1"))
    #expect(table.columns.last?.name == "a.65535" && Set(table.columns.map(\.name)).count == 1 << 16)
  }

  @Test("parts of a file have the cells and lines of the whole table", arguments: [1, 50, 1 << 20])
  func blocks(_ blockSize: Int) throws {
    let text = "a,b,c\n" + (0..<500).map { "\($0),w\($0 % 7),\"q\n\"\n" }.joined(separator: "\n")
    var format = TableFormat()
    format.types = ["b": .category, "a": .number]
    let whole = try parse(text)
    let blocks = try DelimitedBlocks(
      format, blockSize: blockSize, ByteReader(bytes: Array(text.utf8), name: "table.csv"))
    #expect(blocks.names == ["a", "b", "c"])
    var (cells, places): ([[String]], [String]) = ([[], []], [])
    while let part = try blocks.next() {
      #expect(part.columns.map(\.name) == ["a", "b"])
      for column in 0..<2 { cells[column] += part.columns[column].cells.text }
      places += (0..<part.count).map(part.place)
    }
    #expect(cells == whole.columns.prefix(2).map(\.cells.text))
    #expect(places == (0..<500).map(whole.place) && places[2] == "line 8")
  }

  // MARK: Quotes

  @Test("quoted cells hold separators, quotes and line breaks; other quotes are text")
  func quotes() throws {
    let text = "a,b\n\"x, \"\"y\"\"\nz\",1\n5\" pipe,2\n \"q\"r ,3\n\" s \", \" 4\"\n\" NA \",\n"
    let table = try parse(text)
    #expect(table.columns[0].cells.text == ["x, \"y\"\nz", "5\" pipe", "qr", " s ", ""])
    #expect(table.columns[1].cells.text == ["1", "2", "3", "4", ""])
    #expect((0..<3).map(table.place) == ["line 2", "line 4", "line 5"])
  }

  @Test("a quote that does not end is refused with its line", arguments: [1, 30, 1 << 20])
  func openQuote(_ blockSize: Int) {
    expectError("table.csv, line 3: a quote that begins here does not end") {
      _ = try parse("a,b\nx,1\n\"y,2\nz,3\n", blockSize: blockSize)
    }
  }

  @Test("tables written at random are read back, in blocks of any size and with any number of threads")
  func writtenAtRandom() throws {
    var random = SeededGenerator(seed: newSeed(for: "tables at random"))
    let letters = Array("abcXYZ 0129.-\"',;\n\t#é漢".unicodeScalars)
    for _ in 0..<randomCases(200) {
      let (columns, rows) = (Int.random(in: 2...5, using: &random), Int.random(in: 1...40, using: &random))
      let separator = ([",", ";", "\t"] as [Character])[Int.random(in: 0...2, using: &random)]
      let end = Int.random(in: 0...1, using: &random) == 0 ? "\n" : "\r\n"
      let cells = (0..<rows).map { _ in
        (0..<columns).map { _ -> String in
          let word = String(
            String.UnicodeScalarView(
              (0..<Int.random(in: 1...6, using: &random)).map { _ in
                letters[Int.random(in: 0...letters.count - 1, using: &random)]
              }))
          return "w" + word.trimmingCharacters(in: .whitespacesAndNewlines)
        }
      }
      var text = (0..<columns).map { "c\($0)" }.joined(separator: String(separator)) + end
      for row in cells {
        text +=
          row.map { cell in
            let needsQuotes = cell.contains { $0 == separator || $0 == "\"" || $0.isNewline }
            return needsQuotes || Int.random(in: 0...3, using: &random) == 0
              ? "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : cell
          }.joined(separator: String(separator)) + end
      }
      let table = try parse(
        text, types: Dictionary(uniqueKeysWithValues: (0..<columns).map { ("c\($0)", .category) }),
        blockSize: Int.random(in: 1...500, using: &random), threads: Int.random(in: 1...4, using: &random))
      for column in 0..<columns { #expect(table.columns[column].cells.text == cells.map { $0[column] }, "\(text)") }
    }
  }

  @Test("numbers are Float's, whatever their form")
  func numbers() {
    var random = SeededGenerator(seed: newSeed(for: "numbers at random"))
    let reader = CellText(decimal: UInt8(ascii: "."))
    for _ in 0..<randomCases(1_000_000) {
      var text = ["", "-", "+"][Int.random(in: 0...2, using: &random)]
      for _ in 0..<Int.random(in: 0...Int.random(in: 0...22, using: &random), using: &random) {
        text += "\(Int.random(in: 0...9, using: &random))"
      }
      if Int.random(in: 0...2, using: &random) > 0 {
        text += "."
        for _ in 0..<Int.random(in: 0...14, using: &random) { text += "\(Int.random(in: 0...9, using: &random))" }
      }
      if Int.random(in: 0...3, using: &random) == 0 { text += "e\(Int.random(in: -70...45, using: &random))" }
      if Int.random(in: 0...9, using: &random) == 0 {
        // Halfway between two floats, or next to it.
        let float = Float(bitPattern: UInt32.random(in: 1..<0x7F00_0000, using: &random))
        let half = (Double(float) + Double(float.nextUp)) / 2
        text = "\([half.nextDown, half, half.nextUp].randomElement(using: &random)!)"
      }
      let reading = Array(text.utf8).withUnsafeBufferPointer { reader.reading(of: $0) }
      switch reading {
      case .number(let value): #expect(Float(text)?.bitPattern == value.bitPattern, "\(text)")
      case .notFinite: #expect(Float(text)?.isFinite == false, "\(text)")
      default: #expect(Float(text) == nil || text.isEmpty, "\(text) \(reading)")
      }
    }
  }
}

extension Table.Cells {
  /// All cells as a file has them, an empty text for a missing one.
  var text: [String] { (0..<(all)).map { text($0) ?? "" } }

  private var all: Int {
    switch self {
    case .numbers(let all): all.count
    case .instants(let all): all.count
    case .levels(let codes, _): codes.count
    }
  }
}
