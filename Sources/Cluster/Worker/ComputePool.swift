internal import Foundation
internal import Kernels
internal import Synchronization

/// Threads that compute: one queue for all, work that frees memory first.
///
/// Waking a thread costs about as much as a small model's step. So whoever adds work may do some of it itself, by
/// ``help()``, and no thread is woken for as much as that. Of the threads that sleep the last is woken first: what it
/// computes with is still in the cache.
final class ComputePool<Scratch>: @unchecked Sendable {
  // Sendable: `ownScratch` is the adding thread's alone, all else that changes is guarded by the mutex.
  typealias Work = @Sendable (inout Scratch) -> Void

  private struct State {
    var urgent: [Work] = []
    var ordinary: [Work] = []
    var ordinaryStart = 0
    var isClosed = false
    /// Threads that are at work, the helping one counted.
    var active = 0
    /// The numbers of the pool's threads that sleep.
    var sleeping: [Int] = []

    var isEmpty: Bool { urgent.isEmpty && ordinary.isEmpty }

    /// The thread to wake: the last that sleeps, and better none whose core the calling thread is at work on.
    mutating func takeSleeping(_ cores: [Int]?) -> Int? {
      guard let cores, sleeping.count > 1, let current = Cores.current else { return sleeping.popLast() }
      return sleeping.remove(at: sleeping.lastIndex { cores[$0] != current } ?? sleeping.count - 1)
    }

    mutating func take(ofThreads threads: Int) -> Work? {
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
  }

  private let state = Mutex(State())
  private let threads: Int
  /// Each thread's core, where they fill the machine.
  private let cores: [Int]?
  private let wakeUps: [DispatchSemaphore]
  private let running = DispatchGroup()
  private let makeScratch: @Sendable () -> Scratch
  private var ownScratch: Scratch?

  /// Starts `threads` threads, each with scratch memory of its own. No more than that work at a time, the one that
  /// helps counted.
  init(threads: Int, makeScratch: @escaping @Sendable () -> Scratch) {
    self.threads = threads
    self.makeScratch = makeScratch
    let allowed = Cores.allowed
    cores = threads > 1 && allowed.count == threads ? allowed : nil
    wakeUps = (0..<threads).map { _ in DispatchSemaphore(value: 0) }
    for number in 0..<threads {
      running.enter()
      let thread = Thread { [self] in
        if let cores { Cores.bind(to: [cores[number]]) }
        useOneThreadForMatrices()
        var scratch = makeScratch()
        while let work = next(number) {
          work(&scratch)
          state.withLock { $0.active -= 1 }
        }
        running.leave()
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
    let sleeper = state.withLock { state in
      let isFirst = state.isEmpty
      if isUrgent { state.urgent.append(work) } else { state.ordinary.append(work) }
      return willHelp && isFirst ? nil : state.takeSleeping(cores)
    }
    if let sleeper { wakeUps[sleeper].signal() }
  }

  /// Does one piece of what is queued on the calling thread, unless enough threads are at work.
  ///
  /// - Returns: whether there was one.
  func help() -> Bool {
    guard let work = state.withLock({ $0.take(ofThreads: threads) }) else { return false }
    if ownScratch == nil {
      useOneThreadForMatrices()
      ownScratch = makeScratch()
    }
    work(&ownScratch!)
    let sleeper = state.withLock { state in
      state.active -= 1
      return state.isEmpty ? nil : state.takeSleeping(cores)
    }
    if let sleeper { wakeUps[sleeper].signal() }
    return true
  }

  /// Drops what is queued and waits until the threads have ended: a process that exits under a thread that computes
  /// may crash on its way out.
  func close() {
    state.withLock { $0.isClosed = true }
    for wakeUp in wakeUps { wakeUp.signal() }
    running.wait()
  }

  /// The next piece for thread `number`, which sleeps until there is one; nil at the end.
  private func next(_ number: Int) -> Work? {
    while true {
      let (work, isClosed) = state.withLock { state in
        let work = state.take(ofThreads: threads)
        if work == nil && !state.isClosed { state.sleeping.append(number) }
        return (work, state.isClosed)
      }
      if work != nil || isClosed { return work }
      wakeUps[number].wait()
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
