internal import Foundation
internal import Schema
internal import Yams

/// Job files.
extension JobOptions {
  /// Reads a YAML file of options. Options that are set already stay.
  ///
  /// - Throws: ``OptionError`` that names the file, the line and the key.
  package mutating func merge(file path: String) throws {
    let text: String
    do {
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      let exists = FileManager.default.fileExists(atPath: path)
      throw OptionError("--job \(path): \(exists ? "cannot be read as text" : "no such file")")
    }
    try merge(yaml: text, of: path)
  }

  mutating func merge(yaml text: String, of path: String) throws {
    let root: Yams.Node?
    do {
      // Explicit, because Yams would read the encoding from the environment.
      root = try Yams.compose(yaml: text, .default, .default, .utf8)
    } catch let error as YamlError {
      throw OptionError(
        "\(path) is not YAML: \(String(describing: error).split(separator: "\n").joined(separator: " "))")
    }
    var fromFile = JobOptions()
    guard let root else { return }
    guard let mapping = root.mapping else {
      throw OptionError("\(path): options are needed, one a line, as in 'batch-size: 256'")
    }
    for (key, value) in mapping {
      let location = "\(path), line \(key.mark?.line ?? 0)"
      guard let name = key.string else { throw OptionError("\(location): an option's name is needed before the colon") }
      do {
        try fromFile.set(name, to: JobOptions.text(of: value, for: name))
      } catch let error as OptionError {
        throw OptionError("\(location): \(error.description)")
      }
    }
    overlay(on: &fromFile)
    self = fromFile
  }

  /// The value of the option `name` in a job file, where those of an option that may be repeated may be a list.
  private static func text(of node: Yams.Node, for name: String) throws -> String {
    if let text = node.scalar?.string { return text }
    let separator = JobOptions.declarations.first { $0.name == name }?.separator
    guard let separator, let list = node.sequence, list.allSatisfy({ $0.scalar != nil }) else {
      throw OptionError("\(name) needs one value" + (separator == nil ? "" : ", or a list of them, each in quotes"))
    }
    return list.compactMap { $0.scalar?.string }.joined(separator: "\(separator) ")
  }
}

extension Job {
  /// The job as YAML with every option. Running it again gives the same bits.
  package func yaml() throws -> String {
    try Yams.serialize(node: Yams.Node(options.map { (Yams.Node($0.name), Yams.Node($0.value)) }))
  }
}
