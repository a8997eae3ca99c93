internal import Schema

/// Examples without features and targets, for models whose loss depends only on the parameters: one example per
/// micro-batch, and one step per epoch.
enum NoData: DataSource {
  static let name = "none"
  static let summary = "none for a model without data"
  static let options: [OptionDeclaration] = []
  static let stepIsWhole = true

  static func read(_ request: DataRequest) -> DataParts {
    DataParts(
      train: DataTable(
        name: name, count: request.microBatches, features: .floats([]), shape: [0], targets: [], targetCount: 0,
        place: { "example \($0 + 1)" }))
  }
}
