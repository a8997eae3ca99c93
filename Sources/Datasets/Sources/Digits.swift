internal import Schema

/// The embedded digits, 8×8 pixels each: every fifth example, counted from the fifth, is the test part (359 of 1,797).
enum Digits: DataSource {
  static let name = "digits"
  static let summary = "digits"
  static let options: [OptionDeclaration] = [.validationFraction, .imageScale]

  static func read(_ request: DataRequest) throws -> DataParts {
    var format = TableFormat()
    format.isFormer = true
    let all = try readDelimited(format) { try ByteReader(bytes: PackageResources.digits_csv_gz, name: name) }
      .numbers(label: nil)
    let width = all.shape[0]
    func part(_ belongs: (Int) -> Bool) -> DataTable {
      let rows = (0..<all.count).filter(belongs)
      guard case .floats(let features) = all.features else { preconditionFailure("digits are floats") }
      return DataTable(
        name: name, count: rows.count, features: .floats(rows.flatMap { features[$0 * width..<($0 + 1) * width] }),
        shape: [8, 8, 1], targets: rows.map { all.targets[$0] }, place: { "digits, example \(rows[$0] + 1)" })
    }
    return DataParts(train: part { $0 % 5 != 4 }, test: part { $0 % 5 == 4 })
  }
}
