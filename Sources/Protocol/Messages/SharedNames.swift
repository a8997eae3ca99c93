/// The name by which other processes of the same user on the same machine open shared vectors.
package struct SharedVectorsName: Codable, Equatable, Sendable {
  /// The owner, and its file descriptor.
  package var process, descriptor: Int32
  /// Also at the start of the memory, so that no other memory is mistaken for it.
  package var token: UInt64
  package var vectors, count: Int

  package static let vectorCounts = 1...1 << 16
  package static let lengths = 1...1 << 40

  package init(process: Int32, descriptor: Int32, token: UInt64, vectors: Int, count: Int) {
    (self.process, self.descriptor, self.token) = (process, descriptor, token)
    (self.vectors, self.count) = (vectors, count)
  }
}

/// The name by which other processes of the same user on the same machine open a pipe of records.
package struct PipeName: Codable, Equatable, Sendable {
  /// The owner, and its descriptor of the writing end.
  package var process, descriptor: Int32
  /// The inode, so that no other pipe is mistaken for it.
  package var inode: UInt64

  package init(process: Int32, descriptor: Int32, inode: UInt64) {
    (self.process, self.descriptor, self.inode) = (process, descriptor, inode)
  }
}
