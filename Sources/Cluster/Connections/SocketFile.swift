internal import Foundation
internal import Protocol

/// The file of a coordinator's socket, and a lock file beside it.
///
/// ZeroMQ removes any file at the path that it binds, and would take over the address of a running coordinator. So only
/// the holder of the lock binds the path, and gives ZeroMQ the socket. Only this user can connect to it.
final class SocketFile {
  let path: String
  /// The listening socket; ZeroMQ closes it.
  let descriptor: Int32
  private let lock: Int32
  private var lockPath: String { "\(path).lock" }

  /// Bytes in the longest path of a socket.
  static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  /// Listens at `path`. Replaces the file of a coordinator that has ended.
  ///
  /// - Throws: ``TrainingError`` if another program has the path, or it cannot be used.
  init(_ path: String) throws {
    self.path = path
    let endpoint = "--bind ipc://\(path)"
    guard path.utf8.count <= SocketFile.longestPath else {
      throw TrainingError(
        "\(endpoint): the path has \(path.utf8.count) bytes, and a socket's can have \(SocketFile.longestPath): choose a shorter one"
      )
    }
    lock = try SocketFile.takeLock("\(path).lock", endpoint)
    do {
      try SocketFile.removeLeftover(path, endpoint)
      descriptor = try SocketFile.listen(path, endpoint)
    } catch {
      unlink("\(path).lock")
      close(lock)
      throw error
    }
  }

  deinit {
    unlink(path)
    // Removed while the lock is held. `takeLock` checks that the file that it locked is still at the path.
    unlink(lockPath)
    close(lock)
  }

  private static func takeLock(_ path: String, _ endpoint: String) throws -> Int32 {
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard descriptor >= 0 else {
        throw TrainingError("\(endpoint): \(path) cannot be made: \(String(cString: strerror(errno)))")
      }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let isHeld = errno == EWOULDBLOCK
        let reason = String(cString: strerror(errno))
        close(descriptor)
        throw TrainingError(
          isHeld
            ? "ipc://\(path.dropLast(".lock".count)) is in use by another coordinator: choose another address with --bind"
            : "\(endpoint): \(path) cannot be locked (\(reason)): choose a path on a local disk with --bind")
      }
      var (mine, present) = (stat(), stat())
      if fstat(descriptor, &mine) == 0, stat(path, &present) == 0, mine.st_ino == present.st_ino { return descriptor }
      close(descriptor)
    }
  }

  private static func removeLeftover(_ path: String, _ endpoint: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw TrainingError("\(endpoint): there is a file already, and it is no socket")
    }
    let descriptor = makeSocket()
    defer { close(descriptor) }
    guard withAddress(of: path, { connect(descriptor, $0, $1) }) != 0 else {
      throw TrainingError("ipc://\(path) is in use by another process: choose another address with --bind")
    }
    unlink(path)
  }

  private static func listen(_ path: String, _ endpoint: String) throws -> Int32 {
    let descriptor = makeSocket()
    // On Linux the file gets the socket's mode; elsewhere chmod sets it.
    guard descriptor >= 0, fchmod(descriptor, 0o600) == 0 || errno == EINVAL,
      withAddress(of: path, { bind(descriptor, $0, $1) }) == 0, chmod(path, 0o600) == 0,
      Foundation.listen(descriptor, 128) == 0
    else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw TrainingError("\(endpoint): \(reason)")
    }
    return descriptor
  }

  private static func makeSocket() -> Int32 {
    #if canImport(Darwin)
      let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
    #else
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    #endif
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
  }

  /// `path` must not be longer than ``longestPath``.
  private static func withAddress(of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }
}
