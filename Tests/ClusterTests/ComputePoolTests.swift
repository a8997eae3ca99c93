import Foundation
import Synchronization
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

@Suite struct ComputePoolTests {
  /// The threads that did something.
  private final class Threads: Sendable {
    private let list = Mutex<[ObjectIdentifier]>([])
    func note() { list.withLock { $0.append(ObjectIdentifier(Thread.current)) } }
    var all: [ObjectIdentifier] { list.withLock { $0 } }
  }

  private func pool(_ threads: Int) -> ComputePool<Int> { ComputePool(threads: threads) { 0 } }

  @Test func whoeverAddsWorkCanDoTheFirstOfIt() {
    let pool = pool(1)
    defer { pool.close() }
    let threads = Threads()
    for _ in 0..<100 {
      pool.add(willHelp: true) { _ in threads.note() }
      while pool.help() {}
    }
    #expect(threads.all.count == 100)
    // Now and then a thread of the pool's wakes up by itself.
    #expect(threads.all.count { $0 == ObjectIdentifier(Thread.current) } > 90)
  }

  @Test("there are as many scratch memories as threads, whoever works, and one that is given is the first")
  func memories() {
    let made = Atomic(0)
    let pool = ComputePool(threads: 2, first: 1) { made.add(1, ordering: .relaxed).newValue + 1 }
    defer { pool.close() }
    let used = Mutex<Set<Int>>([])
    let ended = DispatchSemaphore(value: 0)
    for round in 0..<200 {
      let willHelp = round % 2 == 0
      for _ in 0..<3 {
        pool.add(willHelp: willHelp) { number in
          used.withLock { _ = $0.insert(number) }
          ended.signal()
        }
      }
      if willHelp { while pool.help() {} }
      for _ in 0..<3 { ended.wait() }
    }
    #expect(made.load(ordering: .relaxed) <= 1)
    #expect(used.withLock { $0.isSubset(of: [1, 2]) && $0.contains(1) })
  }

  @Test func noMoreThreadsWorkThanThereShouldBe() {
    let pool = pool(1)
    defer { pool.close() }
    let (started, mayEnd, ended) = (
      DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
    )
    let first = Threads()
    pool.add { _ in
      first.note()
      started.signal()
      mayEnd.wait()
    }
    started.wait()
    let second = Threads()
    pool.add(willHelp: true) { _ in
      second.note()
      ended.signal()
    }
    #expect(!pool.help(), "the only thread is at work")
    // What nobody was woken for is done by the thread that ends its own.
    mayEnd.signal()
    ended.wait()
    #expect(second.all == first.all && second.all.count == 1)
  }

  @Test func severalPiecesAreSharedWithTheOthers() {
    let pool = pool(2)
    defer { pool.close() }
    let threads = Threads()
    let meeting = [DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)]
    let ended = DispatchSemaphore(value: 0)
    for index in 0..<2 {
      pool.add(willHelp: true) { _ in
        // Each waits for the other, so that both must be under way at once.
        meeting[index].signal()
        meeting[1 - index].wait()
        threads.note()
        ended.signal()
      }
    }
    while pool.help() {}
    for _ in 0..<2 { ended.wait() }
    #expect(Set(threads.all).count == 2)
  }

  @Test func urgentWorkGoesFirst() {
    let pool = pool(1)
    defer { pool.close() }
    let (started, mayEnd, ended) = (
      DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
    )
    pool.add { _ in
      started.signal()
      mayEnd.wait()
    }
    started.wait()
    let order = Mutex<[String]>([])
    pool.add { _ in
      order.withLock { $0.append("ordinary") }
      ended.signal()
    }
    pool.add(urgent: true) { _ in
      order.withLock { $0.append("urgent") }
      ended.signal()
    }
    mayEnd.signal()
    for _ in 0..<2 { ended.wait() }
    #expect(order.withLock { $0 } == ["urgent", "ordinary"])
  }
}
