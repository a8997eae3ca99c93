internal import CZeroMQ
internal import Dispatch
internal import Foundation

/// Waits until a socket, a ``Waker`` or a pipe has something.
package struct Poller {
  /// How long it looks again and again before it sleeps. Where there are more threads than cores, each look gives the
  /// core to another that wants it.
  private static let patientNanoseconds: UInt64 = 200_000
  private var items: [zmq_pollitem_t]
  // What the items point into.
  private let socket: Socket
  private let waker: Waker

  /// Watches `socket`, `waker` and, where there is one, the reading end of a `pipe`, which must stay open.
  package init(_ socket: Socket, _ waker: Waker, pipe: Int32? = nil) {
    self.socket = socket
    self.waker = waker
    items = [zmq_pollitem_t(socket: socket.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)]
    for descriptor in [waker.readEnd, pipe].compactMap(\.self) {
      items.append(zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0))
    }
  }

  /// Waits up to `milliseconds`; returns early when one of them is ready, or when a signal interrupts.
  package mutating func wait(milliseconds: Int) throws(ZeroMQError) {
    // Sleeping and waking take longer than most answers in a small model's step.
    if milliseconds > 0 {
      let end = DispatchTime.now().uptimeNanoseconds + Poller.patientNanoseconds
      repeat {
        if zmq_poll(&items, Int32(items.count), 0) > 0 { return }
        sched_yield()
      } while DispatchTime.now().uptimeNanoseconds < end
    }
    guard zmq_poll(&items, Int32(items.count), milliseconds) >= 0 || zmq_errno() == EINTR else {
      throw ZeroMQError("wait for messages")
    }
  }
}

/// Wakes the thread that waits in a ``Poller``, from any thread: a pipe with at most a byte or so in it.
package final class Waker: Sendable {
  let readEnd: Int32
  private let writeEnd: Int32

  /// A waker with nothing pending.
  package init() {
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
  package func wake() {
    var byte: UInt8 = 0
    _ = write(writeEnd, &byte, 1)
  }

  /// Takes back the wake-ups so far; called by the woken thread before it looks for its work.
  package func clear() {
    withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
      while read(readEnd, buffer.baseAddress!, buffer.count) == buffer.count {}
    }
  }
}
