internal import Foundation
internal import Kernels
internal import Synchronization

/// Compute threads with one queue. Urgent work, which frees memory, goes first.
///
/// Waking a thread takes about as long as a small model's step. So the thread that adds work may do some of it by
/// ``help()``, and fewer threads are woken. Of the sleeping threads the last one is woken first, because its memory is
/// still in the cache.
final class ComputePool<Scratch>: @unchecked Sendable {
  // Sendable: the mutex guards all mutable state, and says who uses which memory.
  typealias Work = @Sendable (inout Scratch) -> Void

  private struct State {
    var urgent: [Work] = []
    var ordinary: [Work] = []
    var ordinaryStart = 0
    var isClosed = false
    /// Which memories nobody works with: as many are taken as threads work, including one in ``help()``.
    var isFree: [Bool]
    /// Numbers of the sleeping threads.
    var sleeping: [Int] = []

    var isEmpty: Bool { urgent.isEmpty && ordinary.isEmpty }

    /// The thread to wake: the last one asleep, but not one on the calling thread's core if there is another.
    mutating func takeSleeping(_ cores: [Int]?) -> Int? {
      guard let cores, sleeping.count > 1, let current = Cores.current else { return sleeping.popLast() }
      return sleeping.remove(at: sleeping.lastIndex { cores[$0] != current } ?? sleeping.count - 1)
    }

    /// The next piece of work, and a memory for it: number `number`, which is in that thread's cache, if it is free.
    mutating func take(_ number: Int) -> (work: Work, memory: Int)? {
      guard !isClosed, let memory = isFree[number] ? number : isFree.firstIndex(of: true), let work = takeWork() else {
        return nil
      }
      isFree[memory] = false
      return (work, memory)
    }

    private mutating func takeWork() -> Work? {
      if let work = urgent.popLast() { return work }
      guard ordinaryStart < ordinary.count else { return nil }
      let work = ordinary[ordinaryStart]
      ordinaryStart += 1
      if ordinaryStart == ordinary.count {
        ordinary.removeAll(keepingCapacity: true)
        ordinaryStart = 0
      }
      return work
    }
  }

  private final class Memory {
    var scratch: Scratch?
  }

  private let state: Mutex<State>
  /// Each thread's core, if there are as many threads as cores.
  private let cores: [Int]?
  private let wakeUps: [DispatchSemaphore]
  private let running = DispatchGroup()
  private let memories: [Memory]
  private let makeScratch: @Sendable () -> Scratch

  /// Starts `threads` threads. At most that many work at a time, including one in ``help()``, so there are as many
  /// scratch memories. Each is made when it is used first.
  ///
  /// - Parameters:
  ///   - yieldsToOthers: whether other threads of the machine that want a core get it first.
  ///   - first: one that is made already.
  init(
    threads: Int, yieldsToOthers: Bool = false, first: Scratch? = nil, makeScratch: @escaping @Sendable () -> Scratch
  ) {
    self.makeScratch = makeScratch
    state = Mutex(State(isFree: Array(repeating: true, count: threads)))
    memories = (0..<threads).map { _ in Memory() }
    memories[0].scratch = first
    let allowed = Cores.allowed
    cores = threads > 1 && allowed.count == threads && !yieldsToOthers ? allowed : nil
    wakeUps = (0..<threads).map { _ in DispatchSemaphore(value: 0) }
    for number in 0..<threads {
      running.enter()
      let thread = Thread { [self] in
        if let cores { Cores.bind(to: [cores[number]]) }
        if yieldsToOthers { Cores.yieldToOthers() }
        while let (work, memory) = next(number) { perform(work, memory) }
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
    guard let (work, memory) = state.withLock({ $0.take(0) }) else { return false }
    perform(work, memory)
    if let sleeper = state.withLock({ $0.isEmpty ? nil : $0.takeSleeping(cores) }) { wakeUps[sleeper].signal() }
    return true
  }

  private func perform(_ work: Work, _ memory: Int) {
    if memories[memory].scratch == nil { memories[memory].scratch = makeScratch() }
    work(&memories[memory].scratch!)
    state.withLock { $0.isFree[memory] = true }
  }

  /// Drops queued work and waits until the threads have ended: a process that exits while a thread computes may crash.
  func close() {
    state.withLock { $0.isClosed = true }
    for wakeUp in wakeUps { wakeUp.signal() }
    running.wait()
  }

  /// Waits for the next piece for thread `number`; nil at the end.
  private func next(_ number: Int) -> (work: Work, memory: Int)? {
    while true {
      let (work, isClosed) = state.withLock { state in
        let work = state.take(number)
        if work == nil && !state.isClosed { state.sleeping.append(number) }
        return (work, state.isClosed)
      }
      if work != nil || isClosed { return work }
      wakeUps[number].wait()
    }
  }
}
