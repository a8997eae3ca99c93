import Dispatch
import Kernels
import TestSupport
import Testing

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

@Suite struct ChunkSumsTests {
  private static let layout = {
    var layout = ParameterLayout()
    layout.append("a", shape: [500])
    layout.append("b", shape: [1500])
    return layout
  }()

  /// Takes answers until there are `count`, for at most a minute.
  private func answers(of sums: ChunkSums, _ count: Int, _ woken: DispatchSemaphore) -> [ChunkSums.Answer] {
    var answers: [ChunkSums.Answer] = []
    while answers.count < count, woken.wait(timeout: .now() + 60) == .success { answers += sums.takeAnswers() }
    return answers
  }

  private func make(chunkSize: Int) -> (sums: ChunkSums, chunks: ChunkLayout, woken: DispatchSemaphore) {
    let woken = DispatchSemaphore(value: 0)
    let chunks = ChunkLayout(parameterCount: 2000, size: chunkSize)
    return (ChunkSums(chunks, Self.layout, nil) { woken.signal() }, chunks, woken)
  }

  @Test("each chunk's sums are added in the order of the calls, whoever does it", arguments: [64, 300])
  func order(_ chunkSize: Int) {
    let (sums, chunks, woken) = make(chunkSize: chunkSize)
    defer { sums.close() }
    var seed = SystemRandomNumberGenerator()
    let gradients = (0..<8).map { _ in (0..<2000).map { _ in Float.random(in: -1e6...1e6, using: &seed) } }
    let result = FloatBuffer(count: 2000)
    func pair(_ left: [Float], _ right: [Float]) -> [Float] { zip(left, right).map { $0 + $1 } }
    let quarters = stride(from: 0, to: 8, by: 2).map { pair(gradients[$0], gradients[$0 + 1]) }
    for round in 1...20 {
      for chunk in 0..<chunks.count {
        for leaf in 0..<8 {
          let gradient = FloatBuffer(Array(gradients[leaf][chunks[chunk]]))
          #expect(sums.apply(.keep(Node(leaf..<leaf + 1), gradient), to: chunk, step: round) == nil)
        }
        for width in [1, 2, 4] {
          for start in stride(from: 0, to: 8, by: 2 * width) {
            let (left, right) = (Node(start..<start + width), Node(start + width..<start + 2 * width))
            #expect(sums.apply(.combine(left: left, right: right), to: chunk, step: round) == nil)
          }
        }
        #expect(sums.apply(.check, to: chunk, step: round) == nil)
        let range = chunks[chunk]
        let update: @Sendable (Floats) -> Floats = { sum in
          result.all[range].copy(sum)
          return result.values[range]
        }
        #expect(sums.apply(.update(update), to: chunk, step: round) == nil)
      }
      let answers = answers(of: sums, 2 * chunks.count, woken)
      var checked: Set<Int> = []
      var updated: Set<Int> = []
      for answer in answers {
        switch answer.event {
        case .checked(let chunk, nil): #expect(!updated.contains(chunk) && checked.insert(chunk).inserted)
        case .updated(let chunk, nil): #expect(checked.contains(chunk) && updated.insert(chunk).inserted)
        default: Issue.record("\(answer.event)")
        }
      }
      #expect(updated.count == chunks.count)
      let sum = pair(pair(quarters[0], quarters[1]), pair(quarters[2], quarters[3]))
      #expect(zip(result.array, sum).allSatisfy { $0.bitPattern == $1.bitPattern })
    }
  }

  @Test func aSingleChunkIsAnsweredAtOnce() throws {
    let (sums, _, _) = make(chunkSize: 2000)
    defer { sums.close() }
    let gradient = FloatBuffer(count: 2000)
    gradient.all[499..<500].fill(.infinity)
    #expect(sums.apply(.keep(Node(0..<1), gradient), to: 0, step: 0) == nil)
    let answer = try #require(sums.apply(.check, to: 0, step: 0))
    guard case .checked(chunk: 0, nonFinite: 0) = answer.event else {
      Issue.record("\(answer.event)")
      return
    }
    #expect(answer.seconds > 0 && sums.takeAnswers().isEmpty)
  }

  @Test("roots and new parameters that are not finite are named by their tensor")
  func nonFinite() {
    let (sums, chunks, woken) = make(chunkSize: 400)
    defer { sums.close() }
    for chunk in 0..<chunks.count {
      let gradient = FloatBuffer(count: chunks[chunk].count)
      // The values 400 to 800, which both tensors have a part of.
      if chunk == 1 { gradient.all[99..<101].fill(.nan) }
      _ = sums.apply(.keep(Node(0..<1), gradient), to: chunk, step: 0)
      _ = sums.apply(.check, to: chunk, step: 0)
      _ = sums.apply(.update { _ in gradient.values }, to: chunk, step: 0)
    }
    for answer in answers(of: sums, 2 * chunks.count, woken) {
      switch answer.event {
      case .checked(let chunk, let tensor), .updated(let chunk, let tensor): #expect(tensor == (chunk == 1 ? 1 : nil))
      default: Issue.record("\(answer.event)")
      }
    }
  }

  @Test func finishWaitsForAllThatWasQueued() {
    let (sums, chunks, _) = make(chunkSize: 100)
    for chunk in 0..<chunks.count {
      for leaf in 0..<16 {
        let gradient = FloatBuffer(count: chunks[chunk].count)
        gradient.all.fill(1)
        _ = sums.apply(.keep(Node(leaf..<leaf + 1), gradient), to: chunk, step: 0)
        if leaf > 0 { _ = sums.apply(.combine(left: Node(0..<leaf), right: Node(leaf..<leaf + 1)), to: chunk, step: 0) }
      }
    }
    sums.finish()
    #expect(sums.roots.allSatisfy { $0.array.allSatisfy { $0 == 16 } })
    sums.close()
  }
}
