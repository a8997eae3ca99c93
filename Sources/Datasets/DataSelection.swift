internal import Foundation
public import Schema

/// The data options of a job.
public struct DataSelection: Equatable, Sendable {
  /// The value of `--data`: a source's name, a path, or `NAME:PATH`.
  public var data: String
  /// The given options of the source.
  public var options: [String: OptionValue]
  /// The rules by which the data are prepared: ``Recipe/version``, or 0 for jobs of earlier versions of the program.
  package var recipeVersion = Recipe.version

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
      if source == CSVFile.self, let refusal = ForeignFormat.refusal(data) { throw refusal }
      return (source, data)
    }
  }

  /// The files that the options may name.
  package var paths: [String] {
    let location = (try? source.location) ?? ""
    let texts = options.values.compactMap { if case .text(let text) = $0 { text } else { nil } }
    return location.split(separator: ",").map(String.init) + texts
  }

  /// Whether examples may lack labels where these are not wanted.
  package var canLackLabels: Bool {
    get throws { try [NPYFile.name, NPZFile.name].contains(source.type.name) }
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
    absolute.options = source.absolute(options)
    // A file of choices may be missing elsewhere.
    if case .text(let text) = options["columns"], let choices = try? ColumnChoices.reading(text) {
      absolute.options["columns"] = choices.choices.isEmpty ? nil : .text(choices.text)
    }
    return absolute
  }
}

extension DataSelection {
  /// The records of a table.
  ///
  /// - Throws: ``DatasetError`` if the data are no table.
  package func table() throws -> Table {
    let (source, location) = try source
    let values = OptionValues(try Alternative(source.name, options: source.options).values(options))
    var request = DataRequest(location: location, options: values, microBatches: 1)
    request.format = try TableFormat(values, isFormer: false, recipe: nil)
    guard case .records(let table, _) = try source.read(request).content else {
      throw DatasetError("\(data) is no table: a CSV, TSV or JSON Lines file is needed")
    }
    return table
  }
}
