internal import Foundation
package import Schema

/// Options of the rule for the tensors whose names match a pattern, such as `*.bias: weight-decay 0`.
///
/// Each tensor is in the first group whose pattern matches its name, if there is one. Options that the group does not name
/// have the job's values. The learning rate follows the job's schedule.
package struct ParameterGroup: Equatable, Sendable {
  /// As the user wrote it.
  package let text: String
  /// With `*` for any characters, `?` for one, and `[…]` for one of some.
  private let pattern: String
  package let values: [String: OptionValue]
  /// Whether the tensors keep their values.
  let isFrozen: Bool

  /// - Parameters:
  ///   - text: a pattern, a colon, and options with values, separated by commas, or `frozen`.
  ///   - options: those that a group may have.
  private init(_ text: String, of rule: String, _ options: [OptionDeclaration]) throws {
    self.text = text
    func error(_ reason: String) -> OptionError {
      OptionError("--\(OptionDeclaration.parameterGroup.name) '\(text)': \(reason)")
    }
    let parts = text.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw error("a pattern of tensor names, a colon and options are needed, as in '*.bias: weight-decay 0'")
    }
    pattern = parts[0]
    var values: [String: OptionValue] = [:]
    var isFrozen = false
    for assignment in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
      let words = assignment.split(whereSeparator: { $0 == " " || $0 == "=" }).map(String.init)
      if words == ["frozen"] {
        isFrozen = true
        continue
      }
      guard words.count == 2 else {
        throw error(
          "'\(assignment.trimmingCharacters(in: .whitespaces))' is no option with its value, nor frozen")
      }
      guard let option = options.first(where: { $0.name == words[0] }) else {
        let known = options.map(\.name)
        throw error(
          "'\(words[0])' is none of what a group of \(rule) can have: \(known.joined(separator: ", ")), frozen"
            + suggestion(words[0], known))
      }
      guard values[option.name] == nil else { throw error("\(option.name) is given twice") }
      guard let value = (try? option.value(of: words[1])).flatMap(option.check) else {
        throw error("\(option.name) \(words[1]) must be \(option.allowed)")
      }
      values[option.name] = value
    }
    guard !isFrozen || values.isEmpty else { throw error("frozen tensors have no other options") }
    (self.values, self.isFrozen) = (values, isFrozen)
  }

  /// The groups of a value of `--parameter-group`: one, or several with semicolons between them.
  ///
  /// - Throws: ``OptionError`` for a text that is none, an option that the rule does not have, or a wrong value.
  static func groups(_ text: String, of rule: any UpdateRule.Type) throws -> [ParameterGroup] {
    let options = rule.options + rule.weightDecay.options.filter { $0.name == "weight-decay" }
    return try pieces(text).map { try ParameterGroup($0, of: rule.name, options) }
  }

  /// No group, so that a flag can switch off those of a job file.
  static let none = "none"

  private static func pieces(_ text: String) -> [String] {
    text == none
      ? []
      : text.split(separator: ";", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// The groups in `text` for the rule `name`, without the options that it lacks and another rule in `names` has; nil if
  /// nothing is left.
  static func part(of text: String, for name: String, among names: [String]) -> String? {
    let selector = OptimizerSettings.selector
    let left = pieces(text).compactMap { group -> String? in
      let parts = group.split(separator: ":", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { return group }
      let own = parts[1].split(separator: ",", omittingEmptySubsequences: false).filter { assignment in
        guard let option = assignment.split(whereSeparator: { $0 == " " || $0 == "=" }).first else { return true }
        let owners = selector.owners(of: String(option))
        return owners.contains(name) || !owners.contains { names.contains($0) }
      }
      return own.isEmpty ? nil : "\(parts[0]):\(own.joined(separator: ","))"
    }
    return left.isEmpty ? nil : left.joined(separator: "; ")
  }

  private func matches(_ name: String) -> Bool { fnmatch(pattern, name, 0) == 0 }

  /// The group of each of `tensors`, by its index; nil for none.
  ///
  /// - Throws: ``OptionError`` if a group has no tensor, or all tensors are frozen.
  static func assign(_ groups: [ParameterGroup], to tensors: [String]) throws -> [Int?] {
    let assigned = tensors.map { name in groups.firstIndex { $0.matches(name) } }
    for (index, group) in groups.enumerated() where !assigned.contains(index) {
      let isTaken = tensors.contains(where: group.matches)
      let shown = tensors.prefix(12).joined(separator: ", ") + (tensors.count > 12 ? ", …" : "")
      throw OptionError(
        "--\(OptionDeclaration.parameterGroup.name) '\(group.text)': "
          + (isTaken ? "the groups before it have all its tensors" : "no tensor has such a name; they are \(shown)"))
    }
    guard assigned.contains(where: { $0.map { !groups[$0].isFrozen } ?? true }) else {
      throw OptionError(
        "--\(OptionDeclaration.parameterGroup.name): all tensors are frozen, so nothing would be trained")
    }
    return assigned
  }
}

extension OptionDeclaration {
  /// Of every rule.
  package static let parameterGroup = OptionDeclaration.text(
    "parameter-group", valueName: "pattern: options", defaultText: "none", separator: ";",
    "Options of the rule for tensors by name, such as '*.bias: weight-decay 0', 'embedding*: learning-rate 1e-4, beta1 0.8' or '0.*: frozen'; may be repeated."
  )
}
