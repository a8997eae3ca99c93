internal import Foundation
public import Schema

/// Which data a job is of: what the data options say.
public struct DataSelection: Equatable, Sendable {
  /// What `--data` says: a source's name, a path, or both with a colon between.
  public var data: String
  /// The values of the source's options that were given.
  public var options: [String: OptionValue]

  /// A selection.
  public init(_ data: String, _ options: [String: OptionValue] = [:]) { (self.data, self.options) = (data, options) }

  /// The source that reads it, and the path or what else it is to read.
  ///
  /// - Throws: ``DatasetError`` where nothing is at the path, or nothing reads it.
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
      // A program's own sources come first.
      guard let source = known.reversed().first(where: { $0.reads(data) }) else {
        throw DatasetError("--data \(data): none of \(known.map { $0.name }.joined(separator: ", ")) reads it")
      }
      return (source, data)
    }
  }

  /// Whether every step takes all examples, as far as the source's name tells.
  package var stepIsWhole: Bool { DataSources.registry.all.first { $0.name == data }?.stepIsWhole == true }

  /// The same with absolute paths, for other folders and other machines.
  func absolute(_ source: any DataSource.Type, _ location: String) -> DataSelection {
    var absolute = self
    func path(_ text: String) -> String { URL(fileURLWithPath: text).path }
    if !location.isEmpty {
      absolute.data = location == data ? path(location) : "\(source.name):\(path(location))"
    }
    for option in source.options where option.kind == .path {
      if case .text(let text) = options[option.name] { absolute.options[option.name] = .text(path(text)) }
    }
    return absolute
  }
}
