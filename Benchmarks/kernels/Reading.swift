import Datasets
import Kernels

/// How fast one core reads tables from memory: numbers, numbers and words, and the same as JSON Lines.
func timeReading() throws {
  let random = FloatBuffer(count: 1 << 20)
  Philox(seed: 1, stream: 3).fillUniform(random.all, bound: 100)
  let values = random.array
  func number(_ place: Int) -> String { places(Double(values[place % values.count]), 4) }
  let towns = (0..<300).map { "town number \($0)" }
  let count = 200_000
  var numbers = (1...20).map { "c\($0)" }.joined(separator: ",") + "\n"
  var mixed = "id,a,b,count,price,town,when,answer\n"
  var lines = ""
  for row in 0..<count {
    numbers += (0..<20).map { number(row * 20 + $0) }.joined(separator: ",") + "\n"
    let (a, b, price) = (number(row), number(row + 1), number(row + 2))
    let (town, day) = (towns[row * 7919 % 300], "2024-0\(row % 9 + 1)-1\(row % 10)")
    mixed += "\(row),\(a),\(b),\(row % 100),\(price),\(town),\(day),\(row % 3 == 0 ? "no" : "yes")\n"
    lines +=
      "{\"id\": \(row), \"a\": \(a), \"b\": \(b), \"count\": \(row % 100), \"price\": \(price), \"town\": \"\(town)\", "
    lines += "\"when\": \"\(day)\", \"answer\": \(row % 3 == 0)}\n"
  }
  print("| a table of \(count) records, by one thread | MB | MB/s |\n| --- | ---: | ---: |")
  func time(_ name: String, _ text: String, _ read: (() throws -> ByteReader) throws -> Table) throws {
    let bytes = Array(text.utf8)
    let clock = ContinuousClock()
    let durations = try (0..<5).map { _ in
      try clock.measure { _ = try read { try ByteReader(bytes: bytes, name: name) } } / Duration.seconds(1)
    }
    let seconds = durations.sorted()[2]
    row(name, places(Double(bytes.count) / 1e6, 0), places(Double(bytes.count) / seconds / 1e6, 0))
  }
  try time("CSV of numbers", numbers) { try readDelimited(TableFormat(), threads: 1, $0) }
  try time("CSV of numbers, words and dates", mixed) { try readDelimited(TableFormat(), threads: 1, $0) }
  try time("JSON Lines of the same", lines) { try readJSONLines(TableFormat(), threads: 1, $0) }
}
