import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct JSONLinesTests {
  private func parse(
    _ text: String, types: [String: ColumnType] = [:], ignoring: Set<String> = [], blockSize: Int = 1 << 20,
    threads: Int = 2
  ) throws -> Table {
    var format = TableFormat()
    (format.types, format.ignored) = (types, ignoring)
    return try readJSONLines(format, blockSize: blockSize, threads: threads) {
      try ByteReader(bytes: Array(text.utf8), name: "table.jsonl")
    }
  }

  @Test("keys are columns in the order in which they appear; objects and lists inside have names with points")
  func columns() throws {
    let table = try parse(
      """
      {"b": 1, "a": {"y": 2.5, "x": "u"}}
      {"b": -3e2, "list": [true, [7, null]], "a": {"x": "v", "z": {}}}

      {"c\\u00e9\\n": null, "a": {"y": 0}}
      """)
    #expect(table.columns.map(\.name) == ["b", "a.y", "a.x", "list.0", "list.1.0", "list.1.1", "cé\n"])
    #expect(
      table.columns.map(\.cells.text) == [
        ["1", "-300", ""], ["2.5", "", "0"], ["u", "v", ""], ["", "true", ""], ["", "7", ""], ["", "", ""],
        ["", "", ""],
      ])
    #expect(table.count == 3 && (0..<3).map(table.place) == ["line 1", "line 2", "line 4"])
  }

  @Test(
    "columns have the type that all their cells have",
    arguments: [
      ("1", "2.50", "numbers", ["1", "2.5"]), ("1", "null", "numbers", ["1", ""]), ("1", "NaN", "numbers", ["1", ""]),
      ("1", "\"NA\"", "numbers", ["1", ""]), ("1.0", "\"x\"", "text", ["1.0", "x"]),
      ("\"5\"", "\"6\"", "text", ["5", "6"]),
      ("1", "true", "text", ["1", "true"]), ("false", "true", "text", ["false", "true"]),
      ("\"2024-01-31\"", "\"2024-02-01\"", "dates", ["2024-01-31", "2024-02-01"]),
      ("\"2024-01-31\"", "7", "text", ["2024-01-31", "7"]), ("null", "\"\"", "numbers", ["", ""]),
      ("\" a\\\"\\\\\\/\\b\"", "\"\\ud83d\\ude00\\ud83d\"", "text", [" a\"\\/\u{8}", "😀\u{FFFD}"]),
    ])
  func types(_ first: String, _ second: String, _ kind: String, _ cells: [String]) throws {
    let text = "{\"a\": \(first)}\n{\"a\": \(second)}"
    for blockSize in [1, 1 << 20] {
      let column = try parse(text, blockSize: blockSize, threads: 1).columns[0]
      #expect(column.cells.kind == kind && column.cells.text == cells)
    }
    let late = try parse(String(repeating: "{\"a\": \(first)}\n", count: 5000) + text, blockSize: 1000)
    #expect(late.columns[0].cells.kind == kind && late.columns[0].cells.text.suffix(2) == cells[...])
  }

  @Test("declared types are kept, and what contradicts them is refused with its place")
  func declared() throws {
    let text = "{\"a\": \"1\"}\n{\"a\": 1.0}\n"
    #expect(try parse(text, types: ["a": .number]).columns[0].cells.text == ["1", "1"])
    #expect(try parse(text, types: ["a": .category]).columns[0].cells.text == ["1", "1.0"])
    expectError("table.jsonl, line 3, column a: 'x' is not a number", "--columns") {
      _ = try parse(text + "{\"a\": \"x\"}\n{", types: ["a": .number])
    }
    expectError("table.jsonl, line 1, column a: '1' is not a date") { _ = try parse(text, types: ["a": .date]) }
    expectError("no column 'b'", "columns are a") { _ = try parse(text, types: ["b": .number]) }
    expectError("no column '1'", "columns are a") { _ = try parse(text, types: ["1": .number]) }
    #expect(try parse("{\"a\": 1, \"b\": 2}", ignoring: ["a"]).columns.map(\.name) == ["b"])
  }

  @Test(
    "a line that is no object is refused",
    arguments: [
      "[1,2]", "1", "\"a\"", "null", "{", "}", "{}{}", "{} x", "{a: 1}", "{\"a\"}", "{\"a\":}", "{\"a\": 1,}", "{,}",
      "{\"a\": 1 \"b\": 2}", "{\"a\": [1,]}", "{\"a\": [1 2]}", "{\"a\": [}", "{\"a\": 01}", "{\"a\": 1.}",
      "{\"a\": .5}",
      "{\"a\": +1}", "{\"a\": -}", "{\"a\": 1e}", "{\"a\": 0x10}", "{\"a\": tru}", "{\"a\": True}", "{\"a\": \"x}",
      "{\"a\": \"\\x\"}", "{\"a\": \"\\u12g4\"}", "{\"a\": \"\\u12\"}", "{\"a\": \"\t\"}", "{\"a\": \"\\\"}",
      "{\"a\": 'x'}",
    ])
  func notAnObject(_ line: String) {
    expectError("table.jsonl, line 2: not a JSON object: '\(line)'") {
      _ = try parse("{\"a\": 1}\n\(line)\n{\"a\": 2}\n")
    }
    expectError("table.jsonl, line 1: not a JSON object: '\(line)'") { _ = try parse(line, blockSize: 1) }
  }

  @Test("other lines that make no record are refused")
  func refused() {
    let deep = "{\"a\": " + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
    expectError("table.jsonl, line 1: more than 64 brackets inside each other: '{\"a\": [[[", "…'") {
      _ = try parse(deep)
    }
    expectError("table.jsonl, line 1: more than 64 brackets") {
      _ = try parse(String(repeating: "{\"a\":", count: 100_000))
    }
    expectError("table.jsonl, line 1: the key 'a' occurs twice") { _ = try parse("{\"a\": 1, \"a\": 2}") }
    expectError("table.jsonl, line 1: the key 'a.b' occurs twice") { _ = try parse("{\"a\": {\"b\": 1}, \"a.b\": 2}") }
    expectError("table.jsonl, line 2, column a: '1e39' is not finite") { _ = try parse("{\"a\": 1}\n{\"a\": 1e39}") }
    expectError("table.jsonl, line 1, column a: '-Infinity' is not finite") { _ = try parse("{\"a\": -Infinity}") }
    expectError("a key of more than 1000 bytes") {
      _ = try parse("{\"\(String(repeating: "k", count: 1001))\": 1}")
    }
    expectError("table.jsonl", "no records") { _ = try parse("\n \n") }
    expectError("table.jsonl", "zero bytes") { _ = try parse("{\"a\": 1}\n\u{0}") }
    expectError("table.jsonl", "two columns of the name") { _ = try parse("{\"e\u{301}\": 1, \"\u{E9}\": 2}") }
    expectError("more than 65536 columns") { _ = try parse("{\"a\": [0\(String(repeating: ",0", count: 1 << 16))]}") }
    let sparse = (0..<5000).map { "{\"k\($0)\": 1}\n" }.joined()
    expectError("5000 records of 5000 columns have 5000 cells") { _ = try parse(sparse) }
  }

  @Test("the object of a line is what Foundation's reader says it is")
  func foundation() throws {
    var mutator = Mutator(seed: newSeed(for: "spoiled JSON"))
    let lines = [
      "{\"a\": 1.5e-3, \"b\": [true, null, {\"c\": \"x\\n\\u00e9\"}], \"d\": \"2024-01-31\"}",
      "{\"a\":-0,\"b\":{},\"c\":[]}",
    ].map { Array($0.utf8) }
    for _ in 0..<randomCases(100_000) {
      let line = mutator.mutated(lines.randomElement(using: &mutator.generator)!, with: lines[0])
      guard !line.contains(where: { $0 == 0x0A || $0 >= 0x80 || $0 == 0 }) else { continue }
      // Foundation lets a comma precede a closing bracket.
      let packed = line.filter { $0 > 0x20 }
      guard !zip(packed, packed.dropFirst()).contains(where: { $0 == UInt8(ascii: ",") && "}]".utf8.contains($1) })
      else {
        continue
      }
      let isObject = (try? JSONSerialization.jsonObject(with: Data(line))) is [String: Any]
      do {
        _ = try readJSONLines(TableFormat()) { try ByteReader(bytes: line + Array("\n{\"0\": 1}".utf8), name: "") }
        #expect(isObject || line.allSatisfy { $0 <= 0x20 }, "\(String(decoding: line, as: UTF8.self))")
      } catch {
        let isOther = !"\(error)".contains("not a JSON object")
        #expect(!isObject || isOther, "\(String(decoding: line, as: UTF8.self)): \(error)")
      }
    }
  }

  @Test("records written at random are read back, in blocks of any size and with any number of threads")
  func writtenAtRandom() throws {
    var random = SeededGenerator(seed: newSeed(for: "records at random"))
    for _ in 0..<randomCases(500) {
      let rows = Int.random(in: 1...60, using: &random)
      var (text, numbers, words) = ("", [String](), [String]())
      for _ in 0..<rows {
        let number = Int.random(in: -999...999, using: &random)
        let word = ["x", "ü\"", "漢\\", "a\nb", "true"].randomElement(using: &random)!
        let parts = [
          "\"n\": \(number)", "\"in\": {\"w\": \(String(decoding: try JSONEncoder().encode(word), as: UTF8.self))}",
        ].filter { _ in Int.random(in: 0...4, using: &random) > 0 }
        text += "{\(parts.shuffled(using: &random).joined(separator: ", "))}\n"
        numbers.append(parts.contains { $0.hasPrefix("\"n") } ? "\(number)" : "")
        words.append(parts.contains { $0.hasPrefix("\"in") } ? word : "")
      }
      text += "{\"n\": 0, \"in\": {\"w\": \"x\"}}"
      let table = try parse(
        text, blockSize: Int.random(in: 1...500, using: &random), threads: Int.random(in: 1...4, using: &random))
      for column in table.columns {
        #expect(column.cells.text == (column.name == "n" ? numbers + ["0"] : words + ["x"]), "\(text)")
      }
      #expect(table.columns.count == 2 && table.count == rows + 1)
    }
  }

  @Test("parts of a file have the cells and lines of the whole table", arguments: [1, 50, 1 << 20])
  func blocks(_ blockSize: Int) throws {
    let lines = (0..<500).map { row in
      "{\"c\": \(row % 3 == 0 ? "null" : "\"w\(row % 7)\""), \"id\": \"00\(row)\""
        + (row % 5 == 0 ? "}" : ", \"a\": \(row).50}")
    }
    var format = TableFormat()
    format.types = ["c": .category, "a": .number]
    format.kept = ["id", "a"]
    let bytes = Array(lines.joined(separator: "\n\n").utf8)
    let blocks = try JSONLinesBlocks(format, blockSize: blockSize, ByteReader(bytes: bytes, name: "t.jsonl"))
    var (a, c, ids, kept, places): ([Float], [String], [String], [String], [String]) = ([], [], [], [], [])
    while let part = try blocks.next() {
      #expect(part.columns.map(\.name) == ["a", "c"])
      guard case .numbers(let numbers) = part.columns[0].cells else {
        Issue.record("a has no numbers")
        return
      }
      a += numbers
      c += part.columns[1].cells.text
      ids += part.kept.first { $0.name == "id" }!.cells.text
      kept += part.kept.first { $0.name == "a" }!.cells.text
      places += (0..<part.count).map(part.place)
    }
    let numbers: [Float] = (0..<500).map { $0 % 5 == 0 ? -1 : Float($0) + 0.5 }
    #expect(a.map { $0.isNaN ? -1 : $0 } == numbers)
    #expect(c == (0..<500).map { $0 % 3 == 0 ? "" : "w\($0 % 7)" })
    #expect(ids == (0..<500).map { "00\($0)" })
    #expect(kept == (0..<500).map { $0 % 5 == 0 ? "" : "\($0).50" })
    #expect(places == (0..<500).map { "line \(2 * $0 + 1)" })
  }
}
