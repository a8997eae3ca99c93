internal import Foundation

/// A regular file that is open for reading.
final class RegularFile: Sendable {
  let path: String
  let descriptor: Int32
  private let opened: State

  /// The size in bytes when it was opened.
  var size: Int { opened.size }

  private struct State: Equatable {
    let size, seconds, nanoseconds: Int

    init?(descriptor: Int32) {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { return nil }
      #if os(Linux)
        let time = status.st_mtim
      #else
        let time = status.st_mtimespec
      #endif
      (size, seconds, nanoseconds) = (Int(status.st_size), time.tv_sec, time.tv_nsec)
    }
  }

  /// - Throws: ``DatasetError`` if there is no such file, or it is not regular.
  init(path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw DatasetError("\(path): \(errno == ENOENT ? "no such file" : String(cString: strerror(errno)))")
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw DatasetError("\(path) is a folder where a file is needed")
    // A pipe or a device blocks, never ends, or can't be read twice.
    default: throw DatasetError("\(path) is not a regular file, and data must be one")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw DatasetError("\(path) cannot be opened: \(String(cString: strerror(errno)))")
    }
    guard let opened = State(descriptor: descriptor) else {
      defer { close(descriptor) }
      throw DatasetError("\(path) cannot be opened: \(String(cString: strerror(errno)))")
    }
    (self.path, self.descriptor, self.opened) = (path, descriptor, opened)
  }

  deinit { close(descriptor) }

  /// The sentence for a file that changes while it is used.
  static func changed(_ path: String) -> String {
    "\(path) changed while it was read: try again when it is complete"
  }

  /// - Throws: ``DatasetError`` if the file has another size or time of change than when it was opened.
  func checkUnchanged() throws {
    guard State(descriptor: descriptor) == opened else { throw DatasetError(RegularFile.changed(path)) }
  }

  /// - Throws: ``DatasetError`` if `next`, which was opened later, has another size or time of change.
  func checkSame(_ next: RegularFile) throws {
    guard next.opened == opened else { throw DatasetError(RegularFile.changed(path)) }
  }
}
