internal import Foundation
internal import Schema

/// A file of numbers between blanks, as `numpy.savetxt` writes it: a line an example, the label last.
enum PlainText: DataSource {
  static let name = "text"
  static let summary = "a file of numbers between blanks"
  static let options: [OptionDeclaration] = [.testFraction, .scale]

  static func reads(_ path: String) -> Bool { path.hasSuffix(".txt") }

  static func read(_ request: DataRequest) throws -> DataParts {
    let path = request.location
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw DatasetError("\(path) cannot be read as text")
    }
    let lines = text.split(whereSeparator: \.isNewline)
    let rows = try lines.enumerated().map { number, line in
      try line.split(separator: " ").map { cell in
        guard let value = Float(cell), value.isFinite else {
          throw DatasetError("\(path), line \(number + 1): '\(cell)' is not a number")
        }
        return value
      }
    }
    let width = (rows.first?.count ?? 0) - 1
    guard width > 0, let labels = rows.map(\.last) as? [Float], rows.allSatisfy({ $0.count == width + 1 }) else {
      throw DatasetError("\(path) has lines without a feature and a label, or of different lengths")
    }
    return DataParts(
      train: DataTable(
        name: path, count: rows.count, features: .floats(rows.flatMap { $0.dropLast() }), shape: [width],
        targets: labels, place: { "\(path), line \($0 + 1)" }))
  }
}
