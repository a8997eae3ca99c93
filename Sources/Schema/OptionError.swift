/// Why a setting cannot be used: one sentence that names the option, the value and the way out.
public struct OptionError: Error, Equatable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  /// An error with its sentence.
  public init(_ description: String) { self.description = description }
}
