import Foundation
import Testing

@testable import Datasets

@Suite struct CSVTests {
  private func parse(_ text: String, label: String? = nil) throws -> CSVTable {
    try CSVTable(label: label) { try ByteReader(bytes: Array(text.utf8), name: "table.csv") }
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
    let table = try parse(text)
    #expect(table.rows == 2)
    #expect(table.columns == 3)
    #expect(table.features == [1, 2.5, 4, -5])
    #expect(table.labels == [3, 6])
    #expect(table.labelColumns == [2])
  }

  @Test("names are told from numbers: at least half numbers make a record")
  func names() throws {
    #expect(try parse("a,b,c\n1,2,3\n").names == ["a", "b", "c"])
    #expect(try parse("a,b,3\n1,2,3\n").names == ["a", "b", "3"])
    #expect(try parse("1,2,3\n1,2,3\n").names == nil)
    expectError("table.csv, line 1, column 3", "'c'") { _ = try parse("1,2,c\n1,2,3\n") }
  }

  @Test("names lose their quotes, and a separator inside quotes separates nothing")
  func quotedNames() throws {
    let table = try parse("\"a,b\", \"say \"\"hi\"\"\" ,c\n1,2,3\n")
    #expect(table.names == ["a,b", "say \"hi\"", "c"])
    #expect(table.features == [1, 2])
  }

  @Test(
    "the label is the last column unless it is named or counted",
    arguments: [
      (nil, 2), ("a", 0), ("b", 1), ("c", 2), ("1", 0), ("2", 1), ("3", 2),
    ] as [(String?, Int)])
  func label(_ label: String?, _ column: Int) throws {
    let table = try parse("a,b,c\n1,2,3\n4,5,6\n", label: label)
    #expect(table.labelColumns == [column])
    #expect(table.labels == [Float(column + 1), Float(column + 4)])
    #expect(table.features == ([1, 2, 3, 4, 5, 6] as [Float]).filter { !table.labels.contains($0) })
  }

  @Test("a name goes before a position")
  func nameThatIsANumber() throws {
    #expect(try parse("x,y,1\n7,8,9\n", label: "1").labels == [9])
  }

  @Test("a label that is no column is refused with the columns there are", arguments: ["d", "0", "4", "-1", "A", ""])
  func unknownLabel(_ label: String) {
    expectError("table.csv", "'\(label)'", "a, b, c") { _ = try parse("a,b,c\n1,2,3\n", label: label) }
    expectError("table.csv", "'\(label)'", "1 to 3") { _ = try parse("1,2,3\n", label: label) }
  }

  @Test(
    "another number of columns is refused with its line",
    arguments: [
      ("1,2,3\n4,5\n", "line 2: 2 columns"),
      ("1,2,3\n4,5,6,7\n", "line 2: 4 columns"),
      ("a,b,c\n1,2,3\n\n4\n", "line 4: 1 columns"),
      ("1,2,3\n4;5;6\n", "line 2"),
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
      ("nan", "not finite"), ("inf", "not finite"), ("-Infinity", "not finite"), ("1e39", "not finite"),
      ("1 2", "is not a number"), ("1_0", "is not a number"), ("0,5", "is not a number"), ("--1", "is not a number"),
      ("12345678x", "is not a number"), ("?", "is not a number"),
    ])
  func badCell(_ cell: String, _ problem: String) {
    let quoted = cell.contains(",") ? "\"\(cell)\"" : cell
    expectError("table.csv, line 3, column 2 (b)", problem, "'\(cell.trimmingCharacters(in: .whitespaces))'") {
      _ = try parse("a,b,c\n1,2,3\n4,\(quoted),6\n")
    }
    expectError("table.csv, line 2, column 3:", problem) { _ = try parse("1,2,3\r\n4,5,\(quoted)\r\n") }
  }

  @Test("a zero byte is no end of a number: UTF-16 is refused")
  func zeroByte() {
    expectError("table.csv, line 2, column 1", "is not a number") { _ = try parse("1,2\n3\u{0}4,5\n") }
    let wide: [UInt8] = Array("1,2\n3,4\n".utf8).flatMap { [$0, 0] as [UInt8] }
    expectError("utf-16.csv, line 1, column 1", "is not a number") {
      _ = try CSVTable(label: nil) { try ByteReader(bytes: wide, name: "utf-16.csv") }
    }
  }

  @Test("one column is refused", arguments: ["1\n2\n", "a\n1\n", "1"])
  func oneColumn(_ text: String) {
    expectError("table.csv", "one column") { _ = try parse(text) }
  }

  @Test("no records are refused", arguments: ["", "\n\n", "\u{FEFF}", "a,b\n", "a,b\n\n \n"])
  func noRecords(_ text: String) {
    expectError("table.csv", "no records") { _ = try parse(text) }
  }

  @Test(
    "numbers are rounded to the nearest float32",
    arguments: [
      "0.1", "16777217", "9999999", "99999999", "-0.0", "1e-45", "3.4028234e38", "0000000", "123456.789",
    ])
  func precision(_ text: String) throws {
    #expect(try parse("\(text),0\n").features[0].bitPattern == Float(text)!.bitPattern)
  }

  @Test("a file of many buffers reads right, a line longer than a buffer too")
  func large() throws {
    let rows = 100_000
    var text = "first,second,label\n"
    text.reserveCapacity(rows * 24)
    for row in 0..<rows { text += "\(row),-\(row).5,\(row % 10)\n" }
    let table = try parse(text)
    #expect(table.rows == rows)
    #expect(table.features.count == 2 * rows)
    #expect((0..<rows).allSatisfy { table.features[2 * $0] == Float($0) })
    #expect((0..<rows).allSatisfy { table.features[2 * $0 + 1] == -Float($0) - 0.5 })
    #expect((0..<rows).allSatisfy { table.labels[$0] == Float($0 % 10) })

    let wide = (0..<50_000).map { "\($0)" }.joined(separator: ",")
    let record = try parse("\(wide)\n\(wide)")
    #expect(record.columns == 50_000)
    #expect(record.features.count == 2 * 49_999)
    #expect(record.features[49_999 + 12_345] == 12_345)
  }

  @Test("one long line and many short ones take no memory that the file does not fill")
  func longFirstLine() {
    let long = String(repeating: "1,", count: 1 << 19) + "1\n"
    let short = String(repeating: "1\n", count: 1 << 19)
    expectError("table.csv, line 2: 1 columns") { _ = try parse(long + short) }
  }
}
