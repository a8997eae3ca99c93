/// Where processes of one user on one machine find the vectors that one of them shares.
package struct SharedVectorsName: Codable, Equatable, Sendable {
  /// The process that made them, and its descriptor of them.
  package var process, descriptor: Int32
  /// Stands in the memory as well, so that no other is taken for it.
  package var token: UInt64
  /// How many vectors there are, of how many values.
  package var vectors, count: Int

  /// How many vectors there can be.
  package static let vectorCounts = 1...1 << 16
  /// How many values a vector can have.
  package static let lengths = 1...1 << 40

  package init(process: Int32, descriptor: Int32, token: UInt64, vectors: Int, count: Int) {
    (self.process, self.descriptor, self.token) = (process, descriptor, token)
    (self.vectors, self.count) = (vectors, count)
  }
}

/// Where processes of one user on one machine find a pipe of small messages.
package struct PipeName: Codable, Equatable, Sendable {
  /// The process that made it, and its descriptor of the pipe's writing end.
  package var process, descriptor: Int32
  /// The pipe's number in the system, so that no other is taken for it.
  package var inode: UInt64

  package init(process: Int32, descriptor: Int32, inode: UInt64) {
    (self.process, self.descriptor, self.inode) = (process, descriptor, inode)
  }
}
