/// A setting that cannot be used.
public struct OptionError: Error, Equatable, CustomStringConvertible {
  /// A sentence that names the option and the value, and says what to do.
  public let description: String

  /// An error with this sentence.
  public init(_ description: String) { self.description = description }
}
