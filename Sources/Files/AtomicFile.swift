package import Foundation

/// Why a file could not be written or read: its path, and what the system or the content says.
package struct FileError: Error, Equatable, CustomStringConvertible {
  /// A sentence that a user can act on.
  package let description: String

  /// An error with its sentence.
  package init(_ description: String) {
    self.description = description
  }

  /// What the system last said about `operation`.
  package static func system(_ operation: String) -> FileError {
    FileError("\(operation): \(String(cString: strerror(errno)))")
  }
}

/// A file that appears under its name whole or not at all: written beside it, synced, then renamed over it.
package struct AtomicFile: ~Copyable {
  private let path: String
  private let temporaryPath: String
  private let descriptor: Int32
  private var isCommitted = false

  /// Starts to write the file at `path`.
  package init(path: String) throws {
    self.path = path
    let parts = FilePath(path)
    temporaryPath = parts.beside(".\(parts.name).\(ProcessInfo.processInfo.processIdentifier).tmp")
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("cannot write \(path)") }
  }

  deinit {
    close(descriptor)
    if !isCommitted { unlink(temporaryPath) }
  }

  /// Appends `bytes`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(bytes, to: descriptor, path: path)
  }

  /// Makes the file durable and gives it its name.
  package consuming func commit() throws {
    guard fsync(descriptor) == 0 else { throw FileError.system("cannot write \(path)") }
    guard rename(temporaryPath, path) == 0 else { throw FileError.system("cannot write \(path)") }
    isCommitted = true
    try sync(FilePath(path).folder)
  }

  /// Writes a whole file at once.
  package static func write(_ data: Data, to path: String) throws {
    let file = try AtomicFile(path: path)
    try data.withUnsafeBytes { try file.write($0) }
    try file.commit()
  }

  /// Writes a whole text at once.
  package static func write(_ text: String, to path: String) throws {
    try write(Data(text.utf8), to: path)
  }
}

/// Makes what is in the file `path`, or the names in the folder, durable; an empty path is the present folder.
///
/// - Throws: ``FileError`` where the system cannot.
package func sync(_ path: String) throws {
  let descriptor = open(path.isEmpty ? "." : path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw FileError.system("cannot open \(path)") }
  defer { close(descriptor) }
  // A device or a pipe cannot be synced.
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileError.system("cannot sync \(path)") }
}

/// Makes the folder at `path`, and those above it that there are not, each durable in the one above it.
///
/// - Throws: ``FileError`` where one of them cannot be made.
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

/// Writes all of `bytes`; `path` is for the error.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
  var written = 0
  try writeAll(bytes, to: descriptor, path: path, counting: &written)
}

/// Writes all of `bytes`, and counts what is written even where the rest cannot be.
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

/// Writes a file that does not exist yet, synced.
///
/// - Throws: ``FileError`` where there is one, or it cannot be written.
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

/// A file that grows a line at a time, buffered.
package final class LineFile {
  private let path: String
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  /// What has come together.
  var unwritten: [UInt8] { buffer }

  /// Creates the file at `path`, or empties the one that is there, unless it is `appending` to it.
  package init(path: String, appending: Bool = false) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | (appending ? O_APPEND : O_TRUNC) | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("cannot write \(path)") }
    buffer.reserveCapacity(1 << 16)
  }

  deinit { close(descriptor) }

  /// Appends `line` and a line end; written when enough has come together.
  package func append(_ line: String) throws {
    buffer.append(contentsOf: line.utf8)
    buffer.append(0x0A)
    if buffer.count >= 1 << 15 { try flush() }
  }

  /// Writes what has come together. What cannot be written is kept for the next call.
  package func flush() throws {
    var written = 0
    defer { buffer.removeFirst(written) }
    try buffer.withUnsafeBytes { try writeAll($0, to: descriptor, path: path, counting: &written) }
  }
}

/// Calls `body` with each line of the file at `path` that has an end, without it. Takes the memory of the longest line.
///
/// - Throws: ``FileError`` where the file cannot be read, and what `body` throws.
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
