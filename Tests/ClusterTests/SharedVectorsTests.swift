import Foundation
import Testing

@testable import Cluster
@testable import Kernels
@testable import Protocol

/// Memory that another process maps; here the same one does, by the same way.
@Suite(.serialized) struct SharedVectorsTests {
  #if os(Linux)
    @Test func whatOneWritesTheOtherReads() throws {
      let vectors = try #require(SharedVectors(vectors: 3, count: 5000))
      let theirs = try #require(SharedVectors(vectors.name, isWritable: false))
      let buffer = try #require(vectors.take())
      let index = try #require(vectors.index(of: buffer))
      #expect(buffer.array.allSatisfy { $0 == 0 })
      for place in 0..<5000 { buffer.all[place] = Float(place) }
      #expect(theirs[index].array == (0..<5000).map { Float($0) })
      #expect(theirs[(index + 1) % 3].array.allSatisfy { $0 == 0 }, "vectors do not overlap")
      let writable = try #require(SharedVectors(vectors.name, isWritable: true))
      writable[2].all.fill(7)
      #expect(vectors[2].array == Array(repeating: 7, count: 5000))
      #expect(writable[2].part(4990..<5000).array == Array(repeating: 7, count: 10))
    }

    @Test func aVectorIsFreeAgainWhenNobodyHoldsIt() throws {
      let vectors = try #require(SharedVectors(vectors: 2, count: 10))
      let first = vectors.take()
      var second = vectors.take()
      #expect(first != nil && second != nil && vectors.take() == nil)
      let index = second.flatMap { vectors.index(of: $0) }
      second = nil
      #expect(vectors.take().flatMap { vectors.index(of: $0) } == index)
      #expect(vectors.index(of: FloatBuffer(count: 10)) == nil)
    }

    @Test("what is not the memory that is named is not mapped")
    func strangers() throws {
      let vectors = try #require(SharedVectors(vectors: 2, count: 10))
      let file = FileHandle(forReadingAtPath: "/dev/zero")!
      let changes: [(inout SharedVectorsName) -> Void] = [
        { $0.token += 1 }, { $0.count = 1 << 20 }, { $0.vectors = 1 << 16 }, { $0.vectors = 0 }, { $0.count = -1 },
        { $0.count = .max }, { $0.process = 0x3FFF_FFFF }, { $0.descriptor = -1 },
        { $0.descriptor = file.fileDescriptor },
      ]
      for (number, change) in changes.enumerated() {
        var name = vectors.name
        change(&name)
        #expect(SharedVectors(name, isWritable: true) == nil, "change \(number)")
      }
      #expect(SharedVectors(vectors.name, isWritable: true) != nil)
    }

    @Test func theMemoryGoesWithItsHolders() throws {
      /// How often this process has mapped the memory with an inode of its own.
      func mappings(_ inode: UInt64) throws -> [Substring] {
        // Foundation reads but a page of a file whose size it cannot tell, unless it is asked for all.
        let maps = try #require(try FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd())
        return String(decoding: maps, as: UTF8.self).split(separator: "\n")
          .filter { $0.contains(" \(inode) ") && $0.contains("/memfd:lockstep") }
      }
      let inode: UInt64
      do {
        let vectors = try #require(SharedVectors(vectors: 2, count: 10))
        var status = stat()
        try #require(fstat(vectors.name.descriptor, &status) == 0)
        inode = UInt64(status.st_ino)
        var theirs = SharedVectors(vectors.name, isWritable: true)
        let both = try mappings(inode)
        #expect(both.count == 2)
        let buffer = try #require(theirs)[0]
        theirs = nil
        let held = try mappings(inode)
        #expect(held.count == 2, "a buffer holds it")
        withExtendedLifetime((vectors, buffer)) {}
      }
      let left = try mappings(inode)
      #expect(left.isEmpty)
    }
  #endif

  @Test("what is made read-only cannot be mapped to write, by its maker's name or another's")
  func readOnly() throws {
    let vectors = try #require(SharedVectors(vectors: 2, count: 10, isReadOnly: true))
    vectors[0].all.fill(3)
    #expect(SharedVectors(vectors.name, isWritable: true) == nil)
    let reader = try #require(SharedVectors(vectors.name, isWritable: false))
    #expect(reader[0].array == Array(repeating: 3, count: 10))
    vectors[0].all.fill(4)
    #expect(reader[0].array[9] == 4)
    // A reader's own descriptor, under which a hostile worker could name them as its own.
    var name = vectors.name
    for descriptor in Int32(3)..<1000 where descriptor != name.descriptor {
      name.descriptor = descriptor
      #expect(SharedVectors(name, isWritable: true) == nil)
    }
  }

  @Test("memory that is known already is not mapped again, by whatever name")
  func others() throws {
    let (mine, theirs) = (SharedVectors(vectors: 1, count: 4), SharedVectors(vectors: 1, count: 4))
    let (first, second) = (try #require(mine), try #require(theirs))
    #expect(SharedVectors(first.name, isWritable: true, otherThan: [second]) != nil)
    #expect(SharedVectors(first.name, isWritable: true, otherThan: [second, first]) == nil)
    let again = try #require(SharedVectors(first.name, isWritable: true))
    #expect(SharedVectors(first.name, isWritable: true, otherThan: [again]) == nil)
  }
}
