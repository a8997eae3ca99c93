internal import Files
internal import Foundation
internal import Synchronization
package import ZeroMQ

/// The public keys of workers that may take part: a fixed set, or a file with a key and a comment in each line, which
/// is read again when it changes.
package final class AuthorizedKeys: Sendable {
  /// Changes when the file does.
  private struct Stamp: Equatable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    let seconds: Int
    let nanoseconds: Int

    init(_ status: stat) {
      device = UInt64(truncatingIfNeeded: status.st_dev)
      inode = UInt64(truncatingIfNeeded: status.st_ino)
      size = Int64(status.st_size)
      #if canImport(Darwin)
        (seconds, nanoseconds) = (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec)
      #else
        (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
      #endif
    }
  }

  private struct State {
    var stamp: Stamp?
    var keys: Set<CurveKey> = []
  }

  /// Nil for a fixed set.
  private let path: String?
  private let state: Mutex<State>

  /// A fixed set.
  package init(_ keys: Set<CurveKey>) {
    path = nil
    state = Mutex(State(keys: keys))
  }

  /// Reads the file.
  ///
  /// - Throws: ``FileError`` if the file cannot be read or a line has no key.
  package init(_ path: String) throws {
    self.path = path
    state = Mutex(State())
    _ = try refresh()
  }

  /// Where a key would have to be added, for messages.
  var source: String { path ?? "the keys that this run's workers were given" }

  /// Whether `key` is in the file now. If the file cannot be read, no key is.
  ///
  /// - Parameter problem: gets what is wrong with the file.
  func contains(_ key: CurveKey, problem: (String) -> Void) -> Bool {
    do {
      return try refresh().contains(key)
    } catch {
      problem("\(error): no worker can join until that is mended")
      return false
    }
  }

  /// Reads the keys again if the file has changed.
  private func refresh() throws -> Set<CurveKey> {
    guard let path else { return state.withLock { $0.keys } }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("cannot read the authorized keys in \(path)") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.system("cannot read the authorized keys in \(path)") }
    let stamp = Stamp(status)
    if let keys = state.withLock({ $0.stamp == stamp ? $0.keys : nil }) { return keys }
    state.withLock { $0 = State(stamp: stamp) }
    var keys: Set<CurveKey> = []
    for line in KeyFile.lines(of: try KeyFile.text(of: descriptor, path)) {
      guard let key = line.key else {
        throw FileError("\(path):\(line.number): '\(line.text.prefix(60))' does not start with a public key")
      }
      keys.insert(key)
    }
    state.withLock { $0.keys = keys }
    return keys
  }
}
