/// Curves in a terminal, drawn with braille dots. Letters on each curve identify it without colours; those of curves
/// that coincide alternate.
package struct TerminalPlot: Sendable {
  package var title: String
  package var xAxis: Axis
  package var yAxis: Axis
  package var series: [Series]

  package init(_ title: String, x: Axis, y: Axis, _ series: [Series]) {
    self.title = title
    (xAxis, yAxis) = (x, y)
    self.series = series
  }

  /// The lines to print, none longer than `width` columns (40 at least).
  ///
  /// - Parameters:
  ///   - rows: the number of rows for the curves.
  ///   - hasColor: whether to use the terminal's 256 colours.
  package func lines(width: Int = 80, rows: Int = 14, hasColor: Bool) -> [String] {
    let width = max(width, 40)
    let labelWidth = min(yAxis.ticks.map(\.label.count).max() ?? 1, 12)
    let columns = width - labelWidth - 3
    var canvas = Canvas(columns: columns, rows: rows)
    for (index, one) in series.enumerated() {
      canvas.draw(
        one.points.map { point in
          guard let x = xAxis.position(point.x), let y = yAxis.position(point.y) else { return nil }
          return (x, y)
        }, as: index)
    }
    canvas.place(letters: series.indices.map(letter))
    let color: ((Int) -> Int)? =
      hasColor ? { ChartStyle.colors[series[$0].color % ChartStyle.colors.count].terminal } : nil

    var labels = Array(repeating: "", count: rows)
    for tick in yAxis.ticks {
      let row = Int(((1 - (yAxis.position(tick.value) ?? 0)) * Double(rows - 1)).rounded())
      if labels.indices.contains(row) { labels[row] = tick.label }
    }
    var lines = [line(yAxis.title.isEmpty ? title : "\(title): \(yAxis.title)", width)]
    for row in 0..<rows {
      let label = labels[row].prefix(labelWidth)
      lines.append(
        " " + String(repeating: " ", count: labelWidth - label.count) + label + (label.isEmpty ? "│" : "┤")
          + canvas.text(row, color))
    }
    lines += footer(columns, indent: labelWidth + 1)
    return lines + legend(width, color)
  }

  private func letter(_ index: Int) -> Character {
    let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return letters[index % letters.count]
  }

  private func footer(_ columns: Int, indent: Int) -> [String] {
    var rule = Array(repeating: Character("─"), count: columns)
    var labels = Array(repeating: Character(" "), count: columns)
    var free = 0
    for tick in xAxis.ticks {
      let column = Int(((xAxis.position(tick.value) ?? 0) * Double(columns - 1)).rounded())
      guard rule.indices.contains(column) else { continue }
      rule[column] = "┬"
      let start = min(max(column - tick.label.count / 2, 0), columns - tick.label.count)
      guard start >= free else { continue }
      labels.replaceSubrange(start..<start + tick.label.count, with: tick.label)
      free = start + tick.label.count + 1
    }
    let margin = String(repeating: " ", count: indent)
    let title = String(repeating: " ", count: max(0, (columns - xAxis.title.count) / 2)) + xAxis.title
    return [margin + "└" + String(rule), margin + " " + trimmed(labels), margin + " " + line(title, columns)]
  }

  private func trimmed(_ characters: [Character]) -> String {
    var characters = characters
    while characters.last == " " { characters.removeLast() }
    return String(characters)
  }

  private func legend(_ width: Int, _ color: ((Int) -> Int)?) -> [String] {
    var rows: [String] = []
    var column = 0
    func add(_ text: String, painted: String) {
      if !rows.isEmpty && column + 3 + text.count <= width {
        rows[rows.count - 1] += "   " + painted
        column += 3 + text.count
      } else {
        rows.append("  " + painted)
        column = 2 + text.count
      }
    }
    for (index, one) in series.enumerated() {
      let text = line("\(letter(index)) \(one.label)", width - 2)
      add(text, painted: color.map { paint(text, $0(index)) } ?? text)
    }
    for group in Series.coinciding(series) where group.count > 1 {
      let names = group.map { String(letter($0)) }.joined(separator: " = ")
      rows.append(shortened("  \(names): exactly on each other", to: width))
    }
    return rows
  }
}

/// `text` in at most `width` columns, without control characters.
private func line(_ text: String, _ width: Int) -> String {
  let isControl = { (scalar: Unicode.Scalar) in scalar.properties.generalCategory == .control }
  return shortened(
    String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 })), to: width)
}

private func paint(_ text: String, _ color: Int) -> String { "\u{1B}[38;5;\(color)m\(text)\u{1B}[0m" }

/// Braille dots, 2 across and 4 down in a character.
private struct Canvas {
  private let columns: Int
  private let rows: Int
  private var dots: [UInt8]
  /// The curve last drawn in each character; -1 for none.
  private var owner: [Int]
  private var letters: [Character?]
  /// For each curve, the row in which it leaves each column.
  private var paths: [[Int: Int]] = []

  init(columns: Int, rows: Int) {
    (self.columns, self.rows) = (columns, rows)
    dots = Array(repeating: 0, count: columns * rows)
    owner = Array(repeating: -1, count: columns * rows)
    letters = Array(repeating: nil, count: columns * rows)
  }

  /// Draws a line through positions from 0 to 1; nil interrupts it.
  mutating func draw(_ places: [(x: Double, y: Double)?], as index: Int) {
    paths.append([:])
    var last: (x: Int, y: Int)?
    for place in places {
      guard let place, (-0.001...1.001).contains(place.x), (-0.001...1.001).contains(place.y) else {
        last = nil
        continue
      }
      let here = (
        x: Int((place.x * Double(2 * columns - 1)).rounded()), y: Int(((1 - place.y) * Double(4 * rows - 1)).rounded())
      )
      let from = last ?? here
      let count = max(abs(here.x - from.x), abs(here.y - from.y), 1)
      for step in 0...count {
        let share = Double(step) / Double(count)
        dot(
          from.x + Int((Double(here.x - from.x) * share).rounded()),
          from.y + Int((Double(here.y - from.y) * share).rounded()), index)
      }
      last = here
    }
  }

  private mutating func dot(_ x: Int, _ y: Int, _ index: Int) {
    let (column, row) = (min(max(x / 2, 0), columns - 1), min(max(y / 4, 0), rows - 1))
    let bits: [UInt8] = [0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80]
    dots[row * columns + column] |= bits[x % 2 * 4 + y % 4]
    owner[row * columns + column] = index
    paths[index][column] = row
  }

  /// Places each curve's letter on it, alternating from left to right, at least once if there is room.
  mutating func place(letters names: [Character]) {
    let spacing = max(4, columns / (max(names.count, 1) * 4))
    for (index, path) in paths.enumerated() {
      let wanted = stride(from: spacing / 2 + index * spacing, to: columns, by: spacing * names.count)
      var isPlaced = false
      for column in wanted {
        guard let row = path[column], letters[row * columns + column] == nil else { continue }
        set(names[index], index, at: row * columns + column)
        isPlaced = true
      }
      guard !isPlaced, let free = path.filter({ letters[$1 * columns + $0] == nil }).min(by: { $0.key < $1.key })
      else { continue }
      set(names[index], index, at: free.value * columns + free.key)
    }
  }

  private mutating func set(_ letter: Character, _ index: Int, at place: Int) {
    letters[place] = letter
    owner[place] = index
  }

  func text(_ row: Int, _ color: ((Int) -> Int)?) -> String {
    var text = ""
    var end = columns
    while end > 0 && dots[row * columns + end - 1] == 0 && letters[row * columns + end - 1] == nil { end -= 1 }
    for place in row * columns..<row * columns + end {
      let character =
        letters[place] ?? (dots[place] == 0 ? " " : Character(Unicode.Scalar(0x2800 + UInt32(dots[place]))!))
      text +=
        owner[place] < 0
        ? String(character) : color.map { paint(String(character), $0(owner[place])) } ?? String(character)
    }
    return text
  }
}
