internal import Foundation
internal import Kernels
internal import Synchronization

/// Threads that compute: one queue for all, work that frees memory first.
///
/// Waking a thread costs about as much as a small model's step. So whoever adds work may do some of it itself, by
/// ``help()``, and no thread is woken for as much as that.
final class ComputePool<Scratch>: @unchecked Sendable {
  // Sendable: all that changes is guarded by `condition`; `ownScratch` is the adding thread's.
  typealias Work = @Sendable (inout Scratch) -> Void

  private let condition = NSCondition()
  private let threads: Int
  private let makeScratch: @Sendable () -> Scratch
  private var urgent: [Work] = []
  private var ordinary: [Work] = []
  private var ordinaryStart = 0
  private var isClosed = false
  private var running: Int
  /// Threads that are at work, the helping one counted.
  private var active = 0
  private var ownScratch: Scratch?

  /// Starts `threads` threads, each with scratch memory of its own. No more than that work at a time, the one that
  /// helps counted.
  init(threads: Int, makeScratch: @escaping @Sendable () -> Scratch) {
    self.threads = threads
    self.makeScratch = makeScratch
    running = threads
    for _ in 0..<threads {
      let thread = Thread { [self] in
        useOneThreadForMatrices()
        var scratch = makeScratch()
        while let work = next() {
          work(&scratch)
          finish()
        }
        condition.lock()
        running -= 1
        condition.unlock()
        condition.broadcast()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// Queues work; urgent work goes first.
  ///
  /// - Parameter willHelp: whether the caller is about to call ``help()``, and so the first of what it adds needs no
  ///   other thread.
  func add(urgent isUrgent: Bool = false, willHelp: Bool = false, _ work: @escaping Work) {
    condition.lock()
    let isFirst = urgent.isEmpty && ordinary.isEmpty
    if isUrgent { urgent.append(work) } else { ordinary.append(work) }
    condition.unlock()
    if !(willHelp && isFirst) { condition.signal() }
  }

  /// Does one piece of what is queued on the calling thread, unless enough threads are at work.
  ///
  /// - Returns: whether there was one.
  func help() -> Bool {
    condition.lock()
    let work = take()
    condition.unlock()
    guard let work else { return false }
    if ownScratch == nil {
      useOneThreadForMatrices()
      ownScratch = makeScratch()
    }
    work(&ownScratch!)
    finish()
    return true
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
    while !isClosed {
      if let work = take() { return work }
      condition.wait()
    }
    return nil
  }

  private func take() -> Work? {
    guard active < threads, !isClosed else { return nil }
    if let work = urgent.popLast() {
      active += 1
      return work
    }
    guard ordinaryStart < ordinary.count else { return nil }
    let work = ordinary[ordinaryStart]
    ordinaryStart += 1
    if ordinaryStart == ordinary.count {
      ordinary.removeAll(keepingCapacity: true)
      ordinaryStart = 0
    }
    active += 1
    return work
  }

  private func finish() {
    condition.lock()
    active -= 1
    let isMore = !urgent.isEmpty || !ordinary.isEmpty
    condition.unlock()
    if isMore { condition.signal() }
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
