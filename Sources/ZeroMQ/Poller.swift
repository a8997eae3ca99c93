internal import CZeroMQ
internal import Foundation

/// Waits until a socket or a ``Waker`` has something.
public struct Poller {
  private var items: [zmq_pollitem_t]
  // What the items point into.
  private let socket: Socket
  private let waker: Waker

  /// Watches `socket` and `waker`.
  public init(_ socket: Socket, _ waker: Waker) {
    self.socket = socket
    self.waker = waker
    items = [
      zmq_pollitem_t(socket: socket.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0),
      zmq_pollitem_t(socket: nil, fd: waker.readEnd, events: Int16(ZMQ_POLLIN), revents: 0),
    ]
  }

  /// Waits up to `milliseconds`; returns early when either is ready, or when a signal interrupts.
  public mutating func wait(milliseconds: Int) throws(ZeroMQError) {
    guard zmq_poll(&items, Int32(items.count), milliseconds) >= 0 || zmq_errno() == EINTR else {
      throw ZeroMQError("wait for messages")
    }
  }
}

/// Wakes the thread that waits in a ``Poller``, from any thread: a pipe with at most a byte or so in it.
public final class Waker: Sendable {
  let readEnd: Int32
  private let writeEnd: Int32

  /// A waker with nothing pending.
  public init() {
    var ends: [Int32] = [0, 0]
    let status = pipe(&ends)
    precondition(status == 0, "no file descriptor left for a pipe")
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Makes the next or present wait return. A full pipe has a wake-up pending already, so its refusal is no loss.
  public func wake() {
    var byte: UInt8 = 0
    _ = write(writeEnd, &byte, 1)
  }

  /// Takes back the wake-ups so far; called by the woken thread before it looks for its work.
  public func clear() {
    withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
      while read(readEnd, buffer.baseAddress!, buffer.count) == buffer.count {}
    }
  }
}
