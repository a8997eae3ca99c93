/// One of the values that an option can have, such as an update rule. It has options of its own.
public struct Alternative: Sendable {
  /// The value that selects it, such as `adam`.
  public let name: String
  /// Other values that select it.
  public let aliases: [String]
  /// The options that it accepts.
  public let options: [OptionDeclaration]
  /// The option that the text after a colon sets, as in `mlp:256,128`; nil if it takes no such text.
  public let argument: String?

  /// The properties describe the parameters.
  public init(_ name: String, aliases: [String] = [], options: [OptionDeclaration], argument: String? = nil) {
    (self.name, self.aliases, self.options, self.argument) = (name, aliases, options, argument)
  }
}

/// An option, such as `--optimizer`, whose value selects one of several alternatives.
public struct OptionSelector: Sendable {
  /// Its name without dashes, such as `optimizer`.
  public let name: String
  /// In the order of the help text.
  public let alternatives: [Alternative]

  /// The properties describe the parameters.
  public init(_ name: String, _ alternatives: [Alternative]) { (self.name, self.alternatives) = (name, alternatives) }

  /// All options, one of each name, in the order of the alternatives. A choice has the words of all of them.
  public var options: [OptionDeclaration] {
    alternatives.flatMap(\.options).reduce(into: []) { all, next in
      if let index = all.firstIndex(where: { $0.name == next.name }) {
        all[index] = all[index].accepting(next)
      } else {
        all.append(next)
      }
    }
  }

  /// The alternative whose name or alias is `text`; nil if there is none.
  public func alternative(_ text: String) -> Alternative? {
    alternatives.first { $0.name == text || $0.aliases.contains(text) }
  }

  /// The names of the alternatives that have the option `option`.
  public func owners(of option: String) -> [String] {
    alternatives.filter { $0.options.contains { $0.name == option } }.map(\.name)
  }

  /// The error for `option` given with the alternative `name`, which does not have it.
  public func misplaced(_ option: String, with name: String) -> OptionError {
    let owners = owners(of: option)
    return OptionError(
      "--\(option) does not go with --\(self.name) \(name)"
        + (owners.isEmpty ? "" : "; it belongs to \(owners.joined(separator: ", "))"))
  }
}

extension Alternative {
  /// The options' values: those in `given`, otherwise the defaults. Options without either are left out. Entries of
  /// `given` for other options are ignored.
  ///
  /// - Throws: ``OptionError`` if a value is outside its range.
  public func values(_ given: [String: OptionValue]) throws(OptionError) -> [String: OptionValue] {
    var values: [String: OptionValue] = [:]
    for option in options {
      guard let value = given[option.name] ?? option.defaultValue else { continue }
      guard let checked = option.check(value) else {
        let shown: String = if case .real(let number) = value { "\(number)" } else { value.description }
        throw OptionError("--\(option.name) \(shown): for \(name) it must be \(option.allowed)")
      }
      values[option.name] = checked
    }
    return values
  }
}

/// "; did you mean 'x'?" if `text` is similar to one of `known`, otherwise an empty text.
package func suggestion(_ text: String, _ known: [String]) -> String {
  nearest(text, among: known).map { "; did you mean '\($0)'?" } ?? ""
}

/// The one of `known` that is similar to `text`, apart from upper and lower case; nil if none is.
package func nearest(_ text: String, among known: [String]) -> String? {
  let distances = known.map { (editDistance(text.lowercased(), $0.lowercased()), $0) }
  guard let nearest = distances.min(by: { $0.0 < $1.0 }), nearest.0 <= max(1, text.count / 3), nearest.0 < text.count
  else { return nil }
  return nearest.1
}

/// How many characters must be inserted, removed, replaced or exchanged with the next to make `left` into `right`
/// (F. J. Damerau, 1964).
private func editDistance(_ left: String, _ right: String) -> Int {
  let (left, right) = (Array(left), Array(right))
  var before: [Int] = []
  var row = Array(0...right.count)
  for (i, character) in left.enumerated() {
    var next = [i + 1]
    for (j, other) in right.enumerated() {
      var distance = min(row[j + 1] + 1, next[j] + 1, row[j] + (character == other ? 0 : 1))
      if i > 0, j > 0, character == right[j - 1], left[i - 1] == other { distance = min(distance, before[j - 1] + 1) }
      next.append(distance)
    }
    (before, row) = (row, next)
  }
  return row[right.count]
}
