/// Why data cannot be used: the file, the place in it, what is there, and what to do.
public struct DatasetError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  public let description: String

  /// An error with its sentence.
  public init(_ description: String) {
    self.description = description
  }
}
