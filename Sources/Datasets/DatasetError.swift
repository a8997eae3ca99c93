/// Why data cannot be used: the file, the place in it, what is there, and what to do.
package struct DatasetError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  package let description: String

  /// An error with its sentence.
  package init(_ description: String) {
    self.description = description
  }
}
