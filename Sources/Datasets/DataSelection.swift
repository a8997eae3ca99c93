internal import Foundation
public import Schema

/// The data options of a job.
public struct DataSelection: Equatable, Sendable {
  /// The value of `--data`: a source's name, a path, or `NAME:PATH`.
  public var data: String
  /// The given options of the source.
  public var options: [String: OptionValue]

  /// The properties describe the parameters.
  public init(_ data: String, _ options: [String: OptionValue] = [:]) { (self.data, self.options) = (data, options) }

  /// The source, and the path or other location that it should read; empty if none was given.
  ///
  /// - Throws: ``DatasetError`` if nothing is at the path, or no source reads it.
  package var source: (type: any DataSource.Type, location: String) {
    get throws {
      let known = DataSources.registry.all
      if let source = known.first(where: { $0.name == data }) { return (source, "") }
      let parts = data.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2, let source = known.first(where: { $0.name == parts[0] }) {
        return (source, String(parts[1]))
      }
      guard FileManager.default.fileExists(atPath: data) else {
        let names = known.map { $0.name }
        let isPath = data.contains("/") || data.contains(".")
        let builtIn =
          isPath ? "" : "; the data that need no file are digits and fashion-mnist" + suggestion(data, names)
        throw DatasetError("--data \(data): no such file or folder\(builtIn)")
      }
      // A program's own sources take precedence.
      guard let source = known.reversed().first(where: { $0.reads(data) }) else {
        throw DatasetError("--data \(data): none of \(known.map { $0.name }.joined(separator: ", ")) reads it")
      }
      return (source, data)
    }
  }

  /// Whether the source that ``data`` names requires all examples in every step; false for a path.
  package var stepIsWhole: Bool { DataSources.registry.all.first { $0.name == data }?.stepIsWhole == true }

  /// The same with absolute paths, which are valid in other working folders.
  func absolute(_ source: any DataSource.Type, _ location: String) -> DataSelection {
    var absolute = self
    func path(_ text: String) -> String { URL(fileURLWithPath: text).path }
    if !location.isEmpty {
      absolute.data = location == data ? path(location) : "\(source.name):\(source.absolute(location))"
    }
    for option in source.options where option.kind == .path {
      if case .text(let text) = options[option.name] { absolute.options[option.name] = .text(path(text)) }
    }
    return absolute
  }
}
