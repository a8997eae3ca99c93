internal import ArgumentParser
internal import Schema

/// A section of a command's options; each is declared once.
protocol OptionSection {
  /// In the order of the help.
  static var options: [OptionDeclaration] { get }
  /// Checks combinations of options. The default checks nothing.
  ///
  /// - Throws: `ValidationError`.
  static func check(_ given: DeclaredOptions<Self>) throws
  /// Whether values are checked while they are parsed, or later.
  static var isChecked: Bool { get }
}

extension OptionSection {
  static func check(_ given: DeclaredOptions<Self>) throws {}
  static var isChecked: Bool { true }
}

/// The given options of a section on the command line.
///
/// The parser finds a group's flags by reflection. This group's mirror has a flag for each declaration, so that options
/// added by a program are flags with help like all others.
struct DeclaredOptions<Section: OptionSection>: ParsableArguments, CustomReflectable {
  /// In the order of the declarations; "yes" for a toggle.
  private(set) var given: [(name: String, value: String)] = []

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    for option in Section.options {
      let key = AnyKey(stringValue: option.name)
      if option.kind == .toggle {
        if try container.decode(Flag<Bool>.self, forKey: key).wrappedValue { given.append((option.name, "yes")) }
      } else if let separator = option.separator {
        let texts = try container.decode(Option<[String]>.self, forKey: key).wrappedValue
        if !texts.isEmpty { given.append((option.name, texts.joined(separator: "\(separator) "))) }
      } else if let text = try container.decode(Option<String?>.self, forKey: key).wrappedValue {
        given.append((option.name, text))
      }
    }
  }

  var customMirror: Mirror {
    Mirror(
      self,
      children: Section.options.map { option -> Mirror.Child in
        let help = ArgumentHelp(OptionHelp.text(of: option), valueName: option.valueName)
        let name = NameSpecification.customLong(option.name)
        if option.kind == .toggle { return (option.name, Flag<Bool>(wrappedValue: false, name: name, help: help)) }
        return option.separator == nil
          ? (option.name, Option<String?>(name: name, parsing: .unconditional, help: help))
          : (
            option.name,
            Option<[String]>(wrappedValue: [], name: name, parsing: .unconditionalSingleValue, help: help)
          )
      })
  }

  func validate() throws {
    guard Section.isChecked else { return }
    for option in Section.options {
      guard let text = self[text: option] else { continue }
      do {
        let value = try option.value(of: text)
        if option.check(value) == nil { throw OptionError("--\(option.name) \(text): it must be \(option.allowed)") }
      } catch let error as OptionError {
        throw ValidationError(error.description)
      }
    }
    try Section.check(self)
  }

  private subscript(text option: OptionDeclaration) -> String? { given.first { $0.name == option.name }?.value }

  /// The given value, or else the default.
  private func value(_ option: OptionDeclaration) -> OptionValue? {
    self[text: option].flatMap { try? option.value(of: $0) } ?? option.defaultValue
  }

  func has(_ option: OptionDeclaration) -> Bool { self[text: option] != nil }

  func isOn(_ option: OptionDeclaration) -> Bool { has(option) }

  /// The value of a whole-number option, which must have a default.
  func whole(_ option: OptionDeclaration) -> Int { Int(real(option)) }

  /// The value of a number option, which must have a default.
  func real(_ option: OptionDeclaration) -> Double {
    guard let number = value(option)?.number else { preconditionFailure("--\(option.name) has no default") }
    return number
  }

  /// Nil if the option is not given and has no default.
  func text(_ option: OptionDeclaration) -> String? { value(option)?.description }
}

/// A group of declared options of any section.
protocol DeclaredGroup {
  static var declared: [OptionDeclaration] { get }
}

extension DeclaredOptions: DeclaredGroup {
  static var declared: [OptionDeclaration] { Section.options }
}

extension OptionGroup: DeclaredGroup where Value: DeclaredGroup {
  static var declared: [OptionDeclaration] { Value.declared }
}

extension ParsableCommand {
  /// The options of the command's sections.
  static var declared: [OptionDeclaration] {
    Mirror(reflecting: Self()).children.flatMap { (type(of: $0.value) as? any DeclaredGroup.Type)?.declared ?? [] }
  }
}
