internal import Dispatch
internal import Foundation
internal import Synchronization

/// A socket on a thread of its own, which takes its messages as they come, until this object is let go.
final class SocketThread: Sendable {
  private final class Shared: Sendable {
    let isClosed = Atomic<Bool>(false)
    let waker = Waker()
    let failure = Mutex<ZeroMQError?>(nil)
    let started = DispatchSemaphore(value: 0)
    let ended = DispatchSemaphore(value: 0)
  }

  private let shared = Shared()

  /// Opens a socket on a new thread.
  ///
  /// - Parameters:
  ///   - open: makes it ready, on that thread.
  ///   - take: called there with each message, of which no more than nine frames are kept.
  /// - Throws: what `open` throws.
  init(
    _ context: Context, _ kind: Socket.Kind, open: @escaping @Sendable (Socket) throws(ZeroMQError) -> Void,
    take: @escaping @Sendable (Socket, ReceivedFrames) throws(ZeroMQError) -> Void
  ) throws(ZeroMQError) {
    Thread.detachNewThread { [shared] in
      defer { shared.ended.signal() }
      var isOpen = false
      do throws(ZeroMQError) {
        let socket = try Socket(context, kind)
        try socket.set(.linger(milliseconds: 0))
        try open(socket)
        isOpen = true
        shared.started.signal()
        var poller = Poller(socket, shared.waker)
        while !shared.isClosed.load(ordering: .acquiring) {
          try poller.wait(milliseconds: 60_000)
          shared.waker.clear()
          while let message = try socket.receiveFrames(limit: 9) { try take(socket, message) }
        }
      } catch {
        precondition(!isOpen, "a socket inside this process failed: \(error)")
        shared.failure.withLock { $0 = error }
        shared.started.signal()
      }
    }
    shared.started.wait()
    if let error = shared.failure.withLock({ $0 }) { throw error }
  }

  deinit {
    shared.isClosed.store(true, ordering: .releasing)
    shared.waker.wake()
    shared.ended.wait()
  }
}
