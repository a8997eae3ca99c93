// A file format of one's own: the sparse text files of LIBSVM and SVMlight, a line an example:
//
//     1 3:0.5 17:2.25        # the label, then the positions and values of what is not zero, positions from 1
//
// The program gets all commands, and its data are given by their path or as svm:PATH:
//
//     swift run -c release custom-data train --data heart.svm --dimensions 13
import Foundation
import Lockstep

/// Reads `*.svm` files. Labels −1 and +1 become the classes 0 and 1.
enum SVMFile: DataSource {
  static let name = "svm"
  static let summary = "an .svm file"
  static let options: [OptionDeclaration] = [
    .whole("dimensions", 1...1 << 20, "How many features an example has; of an .svm file, the largest position in it."),
    .testFraction, .scale,
  ]

  static func reads(_ path: String) -> Bool { path.hasSuffix(".svm") }

  static func read(_ request: DataRequest) throws -> DataParts {
    guard let text = try? String(contentsOfFile: request.location, encoding: .utf8) else {
      throw DatasetError("\(request.location) cannot be read as text")
    }
    var (labels, rows): ([Float], [[Int: Float]]) = ([], [])
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let cells = line.prefix { $0 != "#" }.split(separator: " ")
      guard let first = cells.first else { continue }
      let place = "\(request.location), line \(number + 1)"
      guard let label = Float(first) else { throw DatasetError("\(place): '\(first)' is no label") }
      var row: [Int: Float] = [:]
      for cell in cells.dropFirst() {
        let parts = cell.split(separator: ":")
        guard parts.count == 2, let position = Int(parts[0]), position >= 1, let value = Float(parts[1]) else {
          throw DatasetError("\(place): '\(cell)' is not POSITION:VALUE")
        }
        row[position - 1] = value
      }
      labels.append(label == -1 ? 0 : label)
      rows.append(row)
    }
    let largest = rows.compactMap { $0.keys.max() }.max().map { $0 + 1 } ?? 0
    let width = request.options.ifGiven("dimensions").map { Int($0) } ?? largest
    guard width >= largest, width > 0 else {
      throw DatasetError("\(request.location) has \(largest) features, more than --dimensions \(width)")
    }
    let features = rows.flatMap { row in (0..<width).map { row[$0] ?? 0 } }
    let table = DataTable(
      name: request.location, count: rows.count, features: .floats(features), shape: [width], targets: labels,
      place: { "\(request.location), example \($0 + 1)" })
    return DataParts(train: table)
  }
}

LockstepCommands.main(sources: [SVMFile.self])
