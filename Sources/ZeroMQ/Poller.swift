internal import CZeroMQ
internal import Dispatch
internal import Foundation

/// Waits until a socket, a ``Waker`` or a pipe is readable.
package struct Poller {
  /// How long it polls before it sleeps. Each poll yields the core, for machines with more threads than cores.
  private static let patientNanoseconds: UInt64 = 200_000
  private var items: [zmq_pollitem_t]
  // Keep alive what the items point to.
  private let sockets: [Socket]
  private let waker: Waker

  /// - Parameter pipe: the reading end of a pipe, which must stay open.
  package init(_ socket: Socket, _ waker: Waker, pipe: Int32? = nil) { self.init([socket], waker, pipe: pipe) }

  /// Waits for any of several sockets.
  package init(_ sockets: [Socket], _ waker: Waker, pipe: Int32? = nil) {
    (self.sockets, self.waker) = (sockets, waker)
    items = sockets.map { zmq_pollitem_t(socket: $0.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0) }
    for descriptor in [waker.readEnd, pipe].compactMap(\.self) {
      items.append(zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0))
    }
  }

  /// Waits up to `milliseconds`. Returns early if one of them is readable, or a signal interrupts.
  ///
  /// - Parameter polls: whether it polls for a moment before it sleeps.
  package mutating func wait(milliseconds: Int, polls: Bool = true) throws(ZeroMQError) {
    // In a small model's step, most answers arrive sooner than a thread could sleep and wake.
    if milliseconds > 0, polls {
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

/// Wakes the thread that waits in a ``Poller``, from any thread.
package final class Waker: Sendable {
  let readEnd: Int32
  private let writeEnd: Int32

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

  /// Ends the current wait, or the next one. If the pipe is full, a wake-up is already pending, so a failed write is
  /// ignored.
  package func wake() {
    var byte: UInt8 = 0
    _ = write(writeEnd, &byte, 1)
  }

  /// Removes the pending wake-ups. The woken thread calls it before it checks for work.
  package func clear() {
    withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
      while read(readEnd, buffer.baseAddress!, buffer.count) == buffer.count {}
    }
  }
}
