internal import Synchronization

/// A queue of notices from other threads to the thread that owns a socket, with a wake-up.
final class Mailbox<Item: Sendable>: Sendable {
  private let items = Mutex<[Item]>([])
  private let wake: @Sendable () -> Void

  init(wake: @escaping @Sendable () -> Void) {
    self.wake = wake
  }

  /// May be called on any thread.
  func post(_ item: Item) {
    items.withLock { $0.append(item) }
    wake()
  }

  func takeAll() -> [Item] {
    var taken: [Item] = []
    items.withLock { swap(&$0, &taken) }
    return taken
  }
}
