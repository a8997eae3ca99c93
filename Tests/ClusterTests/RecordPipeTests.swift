import Foundation
import Testing

@testable import Cluster
@testable import Protocol
@testable import ZeroMQ

#if os(Linux)
  @Suite struct RecordPipeTests {
    private func append(_ sender: UInt64, _ number: UInt64, to outbox: RecordOutbox) {
      outbox.append {
        $0.storeBytes(of: sender, as: UInt64.self)
        $0.storeBytes(of: number, toByteOffset: 120, as: UInt64.self)
      }
    }

    private func content(_ record: UnsafeRawBufferPointer) -> (sender: Int, number: UInt64) {
      (Int(record.load(as: UInt64.self)), record.load(fromByteOffset: 120, as: UInt64.self))
    }

    /// Ends a test whose condition does not come true within half a minute.
    private struct Limit {
      private let end = ContinuousClock.now + .seconds(30)
      func check(_ what: String) throws { try #require(ContinuousClock.now < end, "waits for \(what) in vain") }
    }

    @Test func aPipeThatIsFullLosesNothing() throws {
      let inbox = try #require(RecordInbox())
      let outbox = try #require(RecordOutbox(inbox.name))
      let count: UInt64 = 20_000
      for number in 0..<count { append(1, number, to: outbox) }
      outbox.flush()
      #expect(!outbox.isEmpty, "a pipe of \(count) records is not full")
      var received: [UInt64] = []
      let limit = Limit()
      while UInt64(received.count) < count {
        try limit.check("\(count) records after \(received.count)")
        while let record = inbox.next() { received.append(content(record).number) }
        outbox.flush()
      }
      #expect(received == Array(0..<count))
      #expect(outbox.isEmpty && inbox.next() == nil)
    }

    @Test func recordsOfSeveralSendersComeWholeAndInTheirOrder() throws {
      let inbox = try #require(RecordInbox())
      let (senders, count) = (4, 5000 as UInt64)
      let name = inbox.name
      for sender in 0..<senders {
        Thread {
          guard let outbox = RecordOutbox(name) else { return }
          for number in 0..<count {
            append(UInt64(sender), number, to: outbox)
            if number % 7 == 0 { outbox.flush() }
          }
          while !outbox.isEmpty { outbox.flush() }
        }.start()
      }
      var next = [UInt64](repeating: 0, count: senders)
      let limit = Limit()
      while next.contains(where: { $0 < count }) {
        guard let record = inbox.next() else {
          try limit.check("\(count) records of each sender after \(next)")
          continue
        }
        let (sender, number) = content(record)
        try #require(number == next[sender])
        next[sender] += 1
      }
    }

    @Test("what a hostile writer puts between records is skipped, wherever reads cut it")
    func strangeBytes() throws {
      let marker = Array("LKST".utf8)
      let inbox = try #require(RecordInbox(marker: marker))
      let outbox = try #require(RecordOutbox(inbox.name))
      let raw = open("/proc/self/fd/\(inbox.name.descriptor)", O_WRONLY)
      defer { close(raw) }
      var expected: [UInt32] = []
      var found: [UInt32] = []
      for number in 0..<2000 as Range<UInt32> {
        let strange = [UInt8](repeating: 0x4C, count: [0, 1, 3, 64, 127, 128, 129][Int(number) % 7])
        if !strange.isEmpty { #expect(write(raw, strange, strange.count) == strange.count) }
        outbox.append { record in
          record.copyBytes(from: marker)
          record.storeBytes(of: number, toByteOffset: 8, as: UInt32.self)
        }
        outbox.flush()
        expected.append(number)
        if number % 5 == 0 {
          while let record = inbox.next() { found.append(record.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) }
        }
      }
      while let record = inbox.next() { found.append(record.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) }
      #expect(found == expected && !inbox.hasUnread)
    }

    @Test func aWaitEndsWhenARecordComes() throws {
      let inbox = try #require(RecordInbox())
      let name = inbox.name
      let waker = Waker()
      var poller = Poller(try Socket(Context(), .dealer), waker, pipe: inbox.readEnd)
      try poller.wait(milliseconds: 0)
      #expect(inbox.next() == nil)
      Thread {
        let outbox = RecordOutbox(name)
        outbox?.append { $0.storeBytes(of: 7, as: UInt64.self) }
        outbox?.flush()
      }.start()
      let limit = Limit()
      while true {
        try poller.wait(milliseconds: 60_000)
        // A wait that only its end ended comes after the limit.
        try limit.check("a record")
        guard let record = inbox.next() else { continue }
        #expect(record.load(as: UInt64.self) == 7)
        break
      }
    }

    @Test func whatIsNotThePipeThatIsNamedIsNotOpened() throws {
      let inbox = try #require(RecordInbox())
      let file = try #require(FileHandle(forReadingAtPath: "/dev/zero"))
      let changes: [(inout PipeName) -> Void] = [
        { $0.inode += 1 }, { $0.process = 0x3FFF_FFFF }, { $0.descriptor = -1 },
        { $0.descriptor = file.fileDescriptor },
      ]
      for (number, change) in changes.enumerated() {
        var name = inbox.name
        change(&name)
        #expect(RecordOutbox(name) == nil, "change \(number)")
      }
      #expect(RecordOutbox(inbox.name) != nil)
    }

    @Test func whatIsSentToAnEndedReceiverIsNoError() throws {
      var inbox = RecordInbox()
      let outbox = try #require(inbox.flatMap { RecordOutbox($0.name) })
      inbox = nil
      append(1, 1, to: outbox)
      outbox.flush()
      #expect(outbox.isEmpty)
    }
  }
#endif
