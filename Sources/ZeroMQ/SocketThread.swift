internal import Dispatch
internal import Foundation
internal import Synchronization

/// A socket on its own thread, which handles its messages as they arrive until this object is deallocated.
final class SocketThread: Sendable {
  private final class Shared: Sendable {
    let isClosed = Atomic<Bool>(false)
    let waker = Waker()
    let failure = Mutex<ZeroMQError?>(nil)
    let started = DispatchSemaphore(value: 0)
    let ended = DispatchSemaphore(value: 0)

    func run(
      _ context: consuming Context, _ kind: Socket.Kind, _ open: (Socket) throws(ZeroMQError) -> Void,
      _ take: (Socket, ReceivedFrames) throws(ZeroMQError) -> Void
    ) {
      var isOpen = false
      do throws(ZeroMQError) {
        let socket = try Socket(context, kind)
        try socket.set(.linger(milliseconds: 0))
        try open(socket)
        isOpen = true
        started.signal()
        var poller = Poller(socket, waker)
        while !isClosed.load(ordering: .acquiring) {
          try poller.wait(milliseconds: 60_000)
          waker.clear()
          while let message = try socket.receiveFrames(limit: 9) { try take(socket, message) }
        }
      } catch {
        precondition(!isOpen, "a socket inside this process failed: \(error)")
        failure.withLock { $0 = error }
        started.signal()
      }
    }
  }

  private let shared = Shared()

  /// - Parameters:
  ///   - open: binds or connects the socket, on its thread.
  ///   - take: handles a message, on that thread. At most nine of its frames are kept.
  /// - Throws: what `open` throws.
  init(
    _ context: Context, _ kind: Socket.Kind, open: @escaping @Sendable (Socket) throws(ZeroMQError) -> Void,
    take: @escaping @Sendable (Socket, ReceivedFrames) throws(ZeroMQError) -> Void
  ) throws(ZeroMQError) {
    // The closure may outlive this object, so it must not own the context: the context's deallocation waits for unsent
    // messages, but a process that exits does not wait for this thread.
    let handed = Mutex<Context?>(context)
    Thread.detachNewThread { [shared] in
      shared.run(handed.withLock { $0.take()! }, kind, open, take)
      shared.ended.signal()
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
