internal import Foundation
internal import Schema

/// Text as bytes: an example is a window, and each byte's target is the one after it. The last tenth is the test part, and the
/// end of what is before it the validation part.
enum TextFile: DataSource {
  static let name = "text"
  static let summary = "text:FILE or text:FILE,FILE"
  static let options: [OptionDeclaration] = [
    .whole(
      "context", default: 64, 1...1 << 20, valueName: "bytes", "The length of a text's examples: what a model sees."),
    .validationFraction,
  ]

  private static func paths(_ location: String) -> [String] {
    FileManager.default.fileExists(atPath: location)
      ? [location] : location.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  static func absolute(_ location: String) -> String {
    paths(location).map { URL(fileURLWithPath: $0).path }.joined(separator: ",")
  }

  /// Every offset of the training part is an example; those of the test part do not overlap.
  static func read(_ request: DataRequest) throws -> DataParts {
    guard !request.location.isEmpty else { throw DatasetError("--data text needs a file: --data text:FILE") }
    var text: [UInt8] = []
    for path in paths(request.location) { text += try ByteReader(path: path).readAll() }
    let context = Int(request.options["context"])
    let cut = text.count - text.count / 10
    // The last byte of the training part is a target of it alone.
    return DataParts(
      train: try DataTable(
        name: "\(request.location), the first nine tenths", text: Array(text[..<cut]), context: context, step: 1),
      test: try DataTable(
        name: "\(request.location), the last tenth", text: Array(text[cut...]), context: context, step: context))
  }
}
