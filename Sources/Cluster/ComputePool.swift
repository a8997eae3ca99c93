internal import Foundation
internal import Kernels
internal import Synchronization

/// Compute threads with one queue. Urgent work, which frees memory, goes first.
///
/// Waking a thread takes about as long as a small model's step. So the thread that adds work may do some of it by
/// ``help()``, and fewer threads are woken. Of the sleeping threads the last one is woken first, because its memory is
/// still in the cache.
final class ComputePool<Scratch>: @unchecked Sendable {
  // Sendable: only the adding thread uses `ownScratch`; the mutex guards all other mutable state.
  typealias Work = @Sendable (inout Scratch) -> Void

  private struct State {
    var urgent: [Work] = []
    var ordinary: [Work] = []
    var ordinaryStart = 0
    var isClosed = false
    /// Working threads, including one in ``help()``.
    var active = 0
    /// Numbers of the sleeping threads.
    var sleeping: [Int] = []

    var isEmpty: Bool { urgent.isEmpty && ordinary.isEmpty }

    /// The thread to wake: the last one asleep, but not one on the calling thread's core if there is another.
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
  /// Each thread's core, if there are as many threads as cores.
  private let cores: [Int]?
  private let wakeUps: [DispatchSemaphore]
  private let running = DispatchGroup()
  private let makeScratch: @Sendable () -> Scratch
  private var ownScratch: Scratch?

  /// Starts `threads` threads, each with its own scratch memory. At most that many work at a time, including one in
  /// ``help()``.
  ///
  /// - Parameter yieldsToOthers: whether other threads of the machine that want a core get it first.
  init(threads: Int, yieldsToOthers: Bool = false, makeScratch: @escaping @Sendable () -> Scratch) {
    (self.threads, self.makeScratch) = (threads, makeScratch)
    let allowed = Cores.allowed
    cores = threads > 1 && allowed.count == threads && !yieldsToOthers ? allowed : nil
    wakeUps = (0..<threads).map { _ in DispatchSemaphore(value: 0) }
    for number in 0..<threads {
      running.enter()
      let thread = Thread { [self] in
        if let cores { Cores.bind(to: [cores[number]]) }
        if yieldsToOthers { Cores.yieldToOthers() }
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
  /// - Parameter willHelp: whether the caller will call ``help()`` next, so that no thread is woken for the first
  ///   piece.
  func add(urgent isUrgent: Bool = false, willHelp: Bool = false, _ work: @escaping Work) {
    let sleeper = state.withLock { state in
      let isFirst = state.isEmpty
      if isUrgent { state.urgent.append(work) } else { state.ordinary.append(work) }
      return willHelp && isFirst ? nil : state.takeSleeping(cores)
    }
    if let sleeper { wakeUps[sleeper].signal() }
  }

  /// Does one piece of queued work on the calling thread, unless enough threads work.
  ///
  /// - Returns: whether there was one.
  func help() -> Bool {
    guard let work = state.withLock({ $0.take(ofThreads: threads) }) else { return false }
    if ownScratch == nil { ownScratch = makeScratch() }
    work(&ownScratch!)
    let sleeper = state.withLock { state in
      state.active -= 1
      return state.isEmpty ? nil : state.takeSleeping(cores)
    }
    if let sleeper { wakeUps[sleeper].signal() }
    return true
  }

  /// Drops queued work and waits until the threads have ended: a process that exits while a thread computes may crash.
  func close() {
    state.withLock { $0.isClosed = true }
    for wakeUp in wakeUps { wakeUp.signal() }
    running.wait()
  }

  /// Waits for the next piece for thread `number`; nil at the end.
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
