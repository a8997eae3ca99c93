/// Data that cannot be used.
public struct DatasetError: Error, Equatable, CustomStringConvertible {
  /// A sentence that names the file, the position in it and what is there, and says what to do.
  public let description: String

  /// An error with this sentence.
  public init(_ description: String) {
    self.description = description
  }
}
