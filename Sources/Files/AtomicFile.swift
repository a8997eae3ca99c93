package import Foundation

/// A file that cannot be read or written.
package struct FileError: Error, Equatable, CustomStringConvertible {
  /// A sentence with the path and the cause.
  package let description: String

  package init(_ description: String) {
    self.description = description
  }

  /// The error for `operation` with the system's text for `errno`.
  package static func system(_ operation: String) -> FileError {
    FileError("\(operation): \(String(cString: strerror(errno)))")
  }
}

/// A file that appears at its path whole or not at all: a temporary file in the same folder is written, synced and
/// renamed. A device or a pipe at the path is written as it is.
package struct AtomicFile: ~Copyable {
  private let path: String
  /// Nil for a device or a pipe.
  private let temporaryPath: String?
  private let descriptor: Int32
  private var isCommitted = false

  /// A file that is already at `path` stays as it is until ``commit()``.
  package init(path: String) throws {
    var status = stat()
    let kind = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
    let parts = FilePath(path)
    let temporary = parts.beside(".\(parts.name).\(ProcessInfo.processInfo.processIdentifier).tmp")
    let isPlain = kind == S_IFREG || kind == S_IFDIR
    self.path = path
    temporaryPath = isPlain ? temporary : nil
    descriptor =
      isPlain
      ? open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) : open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("cannot write \(path)") }
  }

  deinit {
    close(descriptor)
    if let temporaryPath, !isCommitted { unlink(temporaryPath) }
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(bytes, to: descriptor, path: path)
  }

  /// Makes the file durable and renames it to its path.
  package consuming func commit() throws { try commit(isDurable: true) }

  private consuming func commit(isDurable: Bool) throws {
    guard let temporaryPath else { return }
    guard !isDurable || fsync(descriptor) == 0 else { throw FileError.system("cannot write \(path)") }
    guard rename(temporaryPath, path) == 0 else { throw FileError.system("cannot write \(path)") }
    isCommitted = true
    if isDurable { try sync(FilePath(path).folder) }
  }

  /// Replaces the file at `path` at once, though after a crash of the machine it may be the former or an empty one: for what
  /// is written again soon.
  package static func replace(_ data: Data, at path: String) throws {
    let file = try AtomicFile(path: path)
    try data.withUnsafeBytes { try file.write($0) }
    try file.commit(isDurable: false)
  }

  package static func write(_ data: Data, to path: String) throws {
    let file = try AtomicFile(path: path)
    try data.withUnsafeBytes { try file.write($0) }
    try file.commit()
  }

  package static func write(_ text: String, to path: String) throws {
    try write(Data(text.utf8), to: path)
  }
}

/// Makes the content of the file at `path`, or the entries of the folder there, durable. An empty path is the current
/// folder.
package func sync(_ path: String) throws {
  let descriptor = open(path.isEmpty ? "." : path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw FileError.system("cannot open \(path)") }
  defer { close(descriptor) }
  // EINVAL: a device or a pipe cannot be synced.
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileError.system("cannot sync \(path)") }
}

/// Creates the folder at `path` and its missing parents, and makes each durable.
///
/// - Throws: ``FileError`` if one of them cannot be created.
package func makeFolders(_ path: String, mode: mode_t = 0o777) throws {
  if mkdir(path, mode) == 0 {
    try sync(FilePath(path).folder)
    return
  }
  switch errno {
  case EEXIST:
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw FileError("\(path) is a file, where a folder is needed")
    }
  case ENOENT where !FilePath(path).folder.isEmpty && FilePath(path).folder != path:
    try makeFolders(FilePath(path).folder)
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileError.system("cannot make the folder \(path)") }
    try sync(FilePath(path).folder)
  default: throw FileError.system("cannot make the folder \(path)")
  }
}

/// - Parameter path: for the error's text.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
  var written = 0
  try writeAll(bytes, to: descriptor, path: path, counting: &written)
}

/// - Parameter written: the number of bytes written, also if an error is thrown.
private func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String, counting written: inout Int
) throws {
  while written < bytes.count {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
    let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
    if count < 0 {
      if errno == EINTR { continue }
      throw FileError.system("cannot write \(path)")
    }
    written += count
  }
}

/// Creates the file at `path`, writes `text` and syncs it.
///
/// - Throws: ``FileError`` if the file exists or cannot be written.
package func createFile(_ text: String, at path: String, mode: mode_t) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
  guard descriptor >= 0 else {
    if errno == EEXIST { throw FileError("\(path) exists already: choose another name, or remove it") }
    throw FileError.system("cannot write \(path)")
  }
  defer { close(descriptor) }
  try Array(text.utf8).withUnsafeBytes { try writeAll($0, to: descriptor, path: path) }
  guard fsync(descriptor) == 0 else { throw FileError.system("cannot write \(path)") }
}

/// A text file to which lines are appended through a buffer.
package final class LineFile {
  private let path: String
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  var unwritten: [UInt8] { buffer }

  /// Creates the file at `path`. An existing file is emptied, unless `appending`.
  package init(path: String, appending: Bool = false) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | (appending ? O_APPEND : O_TRUNC) | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("cannot write \(path)") }
    buffer.reserveCapacity(1 << 16)
  }

  deinit { close(descriptor) }

  /// Appends `line` and a line feed. Writes the buffer once it holds 32 KiB.
  package func append(_ line: String) throws {
    buffer.append(contentsOf: line.utf8)
    buffer.append(0x0A)
    if buffer.count >= 1 << 15 { try flush() }
  }

  /// Writes the buffer. Bytes that cannot be written stay in it for the next call.
  package func flush() throws {
    var written = 0
    defer { buffer.removeFirst(written) }
    try buffer.withUnsafeBytes { try writeAll($0, to: descriptor, path: path, counting: &written) }
  }
}

/// Calls `body` with each line of the file at `path`, without its line feed. Skips empty lines, and a last line without
/// a line feed. Needs memory for the longest line.
///
/// - Throws: ``FileError`` if the file cannot be read, and what `body` throws.
package func forEachLine(of path: String, _ body: (ArraySlice<UInt8>) throws -> Void) throws {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw FileError.system("\(path) cannot be read") }
  defer { close(descriptor) }
  var unread: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count < 0 {
      if errno == EINTR { continue }
      throw FileError.system("\(path) cannot be read")
    }
    guard count > 0 else { return }
    unread += block[..<count]
    var start = 0
    while let end = unread[start...].firstIndex(of: 0x0A) {
      if end > start { try body(unread[start..<end]) }
      start = end + 1
    }
    unread.removeFirst(start)
  }
}
