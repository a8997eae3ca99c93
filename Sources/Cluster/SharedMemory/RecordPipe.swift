internal import Foundation
package import Protocol

/// Small messages between processes of one user on one machine, without ZeroMQ's threads between: whoever receives makes
/// a pipe, others find it by its ``Name``. It is gone with the last process that holds it.
package enum RecordPipe {
  /// How many bytes a record has. Few enough of them make up one write that the system never splits.
  package static let recordSize = 256
  fileprivate static let recordsAWrite = 4096 / recordSize
}

/// The receiving end. One thread reads it.
package final class RecordInbox {
  /// Where others find it.
  package let name: PipeName
  /// To be polled.
  let readEnd: Int32
  /// Held here too, so that the pipe never ends.
  private let writeEnd: Int32
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 15, alignment: 8)
  private var unread = 0..<0
  /// Whether a record has left the pipe, where polling does not see it any more, and was not taken.
  package var hasUnread: Bool { unread.count >= RecordPipe.recordSize }
  private let marker: [UInt8]

  /// A pipe with nothing in it; nil where the system has none to give.
  ///
  /// - Parameter marker: what every record begins with; empty for anything.
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
      // F_SETPIPE_SZ, which Swift does not import. What does not fit waits at the sender: a refusal costs but time.
      _ = fcntl(writeEnd, 1031, 1 << 20)
    #endif
    name = PipeName(process: getpid(), descriptor: writeEnd, inode: inode(of: writeEnd) ?? 0)
  }

  deinit {
    close(readEnd)
    close(writeEnd)
    buffer.deallocate()
  }

  /// The next record, valid until the next call; nil where none is waiting. Bytes before a record's first ones are skipped:
  /// writers write whole records, but for one that means harm.
  package func next() -> UnsafeRawBufferPointer? {
    while true {
      while unread.count >= marker.count, !buffer[unread].starts(with: marker) { unread.removeFirst() }
      if hasUnread {
        let record = buffer[unread.prefix(RecordPipe.recordSize)]
        unread.removeFirst(RecordPipe.recordSize)
        return UnsafeRawBufferPointer(rebasing: record)
      }
      // A part of a record goes to the start, where the rest has room behind it.
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

/// A sending end. One thread writes it; others may write to the same pipe.
package final class RecordOutbox {
  private let descriptor: Int32
  /// Records that are not written yet.
  private var waiting: [UInt8] = []
  /// Whether all is written.
  package var isEmpty: Bool { waiting.isEmpty }

  /// Opens the pipe that another process of this user has made; nil where that cannot be, on another machine for one.
  package init?(_ name: PipeName) {
    let path = "/proc/\(name.process)/fd/\(name.descriptor)"
    // Only what is that pipe is opened: a number may mean any file of any process.
    guard (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == "pipe:[\(name.inode)]" else {
      return nil
    }
    // To write and to read, so that writing is no error where the reader is gone; that is found out otherwise.
    descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    guard inode(of: descriptor) == name.inode else {
      close(descriptor)
      return nil
    }
  }

  deinit { close(descriptor) }

  /// Adds a record, of zeros but for what `fill` puts there; it goes with the next ``flush()``.
  package func append(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: RecordPipe.recordSize, alignment: 8) { record in
      record.initializeMemory(as: UInt8.self, repeating: 0)
      fill(record)
      waiting.append(contentsOf: record)
    }
  }

  /// Writes what is waiting; where the pipe is full, the rest waits for the next call.
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

/// The number in the system of a pipe of this user that is open; nil for what is none.
private func inode(of descriptor: Int32) -> UInt64? {
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFIFO, status.st_uid == geteuid() else {
    return nil
  }
  return UInt64(status.st_ino)
}
