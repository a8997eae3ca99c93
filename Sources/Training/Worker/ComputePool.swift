internal import Foundation
internal import Kernels
internal import Synchronization

/// Threads that compute: one queue for all, work that frees memory first.
///
/// Its closures run on threads of its own; `report` is called from them.
final class ComputePool<Scratch>: @unchecked Sendable {
  // Sendable: all that changes is guarded by `condition`.
  typealias Work = @Sendable (inout Scratch) -> Void

  private let condition = NSCondition()
  private var urgent: [Work] = []
  private var ordinary: [Work] = []
  private var ordinaryStart = 0
  private var isClosed = false
  private var running: Int

  /// Starts `threads` threads, each with scratch memory of its own.
  init(threads: Int, makeScratch: @escaping @Sendable () -> Scratch) {
    running = threads
    for index in 0..<threads {
      let thread = Thread { [self] in
        useOneThreadForMatrices()
        var scratch = makeScratch()
        while let work = next() { work(&scratch) }
        condition.lock()
        running -= 1
        condition.unlock()
        condition.broadcast()
      }
      thread.name = "compute-\(index)"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// Queues work; urgent work goes first.
  func add(urgent isUrgent: Bool = false, _ work: @escaping Work) {
    condition.lock()
    if isUrgent { urgent.append(work) } else { ordinary.append(work) }
    condition.unlock()
    condition.signal()
  }

  /// Drops what is queued and waits until the threads have ended: a process that exits under a thread that computes
  /// may crash on its way out.
  func close() {
    condition.lock()
    isClosed = true
    condition.broadcast()
    while running > 0 { condition.wait() }
    condition.unlock()
  }

  private func next() -> Work? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if isClosed { return nil }
      if let work = urgent.popLast() { return work }
      if ordinaryStart < ordinary.count {
        let work = ordinary[ordinaryStart]
        ordinaryStart += 1
        if ordinaryStart == ordinary.count {
          ordinary.removeAll(keepingCapacity: true)
          ordinaryStart = 0
        }
        return work
      }
      condition.wait()
    }
  }
}

/// What other threads say to the thread that owns a socket: a queue and a wake-up.
final class Mailbox<Item: Sendable>: Sendable {
  private let items = Mutex<[Item]>([])
  private let wake: @Sendable () -> Void

  init(wake: @escaping @Sendable () -> Void) {
    self.wake = wake
  }

  /// Adds an item, from any thread.
  func post(_ item: Item) {
    items.withLock { $0.append(item) }
    wake()
  }

  /// Takes all items.
  func takeAll() -> [Item] {
    items.withLock { items in
      defer { items.removeAll(keepingCapacity: true) }
      return items
    }
  }
}
