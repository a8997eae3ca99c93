internal import Foundation
package import Protocol

/// Pipes for small messages between processes of one user on one machine, which avoid ZeroMQ's threads. The receiver
/// makes a pipe; others open it by its ``PipeName``.
package enum RecordPipe {
  /// Bytes in a record. The system writes up to 4096 bytes to a pipe at once, without other writers' bytes between.
  package static let recordSize = 256
  fileprivate static let recordsAWrite = 4096 / recordSize
}

/// The receiving end, for one thread.
package final class RecordInbox {
  package let name: PipeName
  let readEnd: Int32
  /// Kept open, so that reading never reaches an end.
  private let writeEnd: Int32
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 15, alignment: 8)
  private var unread = 0..<0
  /// Whether a record is already read from the pipe, so that polling does not show it.
  package var hasUnread: Bool { unread.count >= RecordPipe.recordSize }
  private let marker: [UInt8]

  /// Nil if the system has no pipe to give.
  ///
  /// - Parameter marker: the first bytes of every record; may be empty.
  package init?(marker: [UInt8] = []) {
    self.marker = marker
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { return nil }
    (readEnd, writeEnd) = (ends[0], ends[1])
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    #if os(Linux)
      // F_SETPIPE_SZ, which Swift does not import. If it is refused, more records wait at the sender.
      _ = fcntl(writeEnd, 1031, 1 << 20)
    #endif
    name = PipeName(process: getpid(), descriptor: writeEnd, inode: inode(of: writeEnd) ?? 0)
  }

  deinit {
    close(readEnd)
    close(writeEnd)
    buffer.deallocate()
  }

  /// The next record, valid until the next call; nil if none is there. Skips bytes that do not begin a record, which
  /// only a malicious writer writes.
  package func next() -> UnsafeRawBufferPointer? {
    while true {
      while unread.count >= marker.count, !buffer[unread].starts(with: marker) { unread.removeFirst() }
      if hasUnread {
        let record = buffer[unread.prefix(RecordPipe.recordSize)]
        unread.removeFirst(RecordPipe.recordSize)
        return UnsafeRawBufferPointer(rebasing: record)
      }
      // Moves a partial record to the start, to make room for its rest.
      UnsafeMutableRawBufferPointer(rebasing: buffer[..<unread.count]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: buffer[unread]))
      unread = 0..<unread.count
      let room = UnsafeMutableRawBufferPointer(rebasing: buffer[unread.count...])
      let count = read(readEnd, room.baseAddress, room.count)
      guard count > 0 else { return nil }
      unread = 0..<unread.count + count
    }
  }
}

/// A sending end, for one thread; several processes may write to one pipe.
package final class RecordOutbox {
  private let descriptor: Int32
  private var waiting: [UInt8] = []
  package var isEmpty: Bool { waiting.isEmpty }

  /// Opens the pipe of another process of this user; nil if that fails, for example on another machine.
  package init?(_ name: PipeName) {
    let path = "/proc/\(name.process)/fd/\(name.descriptor)"
    // Opened only if it is that pipe: the descriptor may be another file by now.
    guard (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == "pipe:[\(name.inode)]" else {
      return nil
    }
    // For reading too, so that writing does not fail when the reader is gone; that is noticed elsewhere.
    descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    guard inode(of: descriptor) == name.inode else {
      close(descriptor)
      return nil
    }
  }

  deinit { close(descriptor) }

  /// Adds a record of zeros, which `fill` fills in. The next ``flush()`` writes it.
  package func append(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: RecordPipe.recordSize, alignment: 8) { record in
      record.initializeMemory(as: UInt8.self, repeating: 0)
      fill(record)
      waiting.append(contentsOf: record)
    }
  }

  /// Writes waiting records; if the pipe is full, the rest waits for the next call.
  package func flush() {
    guard !waiting.isEmpty else { return }
    var written = 0
    waiting.withUnsafeBytes { bytes in
      while written < bytes.count {
        let part = bytes[written...].prefix(RecordPipe.recordsAWrite * RecordPipe.recordSize)
        let count = write(descriptor, UnsafeRawBufferPointer(rebasing: part).baseAddress, part.count)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { break }
        written += count
      }
    }
    if written == waiting.count {
      waiting.removeAll(keepingCapacity: true)
    } else {
      waiting.removeFirst(written)
    }
  }
}

/// The inode of an open pipe of this user; nil if it is something else.
private func inode(of descriptor: Int32) -> UInt64? {
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFIFO, status.st_uid == geteuid() else {
    return nil
  }
  return UInt64(status.st_ino)
}
