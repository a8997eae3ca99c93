import Datasets
import Kernels
import Schema
import Testing

@testable import Models

/// What a model reports as final while it computes a gradient, with copies of the gradient at each report.
struct FinalReports {
  /// A NaN whose bits no computation gives.
  private static let unwritten = Float(bitPattern: 0x7FD5_A5A5)

  private(set) var ranges: [Range<Int>] = []
  /// The bits of the whole gradient at each report.
  private(set) var copies: [[UInt32]] = []
  private(set) var gradient: [UInt32] = []
  private(set) var metrics: [Metrics] = []

  init<M: Model>(
    of model: M, _ batch: Batch, _ microBatches: [Range<Int>], at parameters: FloatBuffer,
    using workspace: inout M.Workspace
  ) {
    let buffer = FloatBuffer(count: parameters.count)
    buffer.all.fill(Self.unwritten)
    var scratch = ScratchVectors()
    metrics = model.gradient(
      of: batch, microBatches: microBatches, at: parameters.values, into: buffer.all, using: &workspace,
      scratch: &scratch
    ) { range, _ in
      ranges.append(range)
      copies.append(buffer.array.bits)
    }
    gradient = buffer.array.bits
  }

  /// Expects each value to be reported once, with its final bits.
  func expectFinal(_ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation) {
    var reported = RangeSet<Int>()
    for (range, copy) in zip(ranges, copies) {
      #expect(!range.isEmpty, comment, sourceLocation: sourceLocation)
      #expect(!reported.intersects(range), "\(comment): \(range) is reported twice", sourceLocation: sourceLocation)
      reported.insert(contentsOf: range)
      // Compared outside of the expectation, which would print both arrays.
      let isSame = copy[range] == gradient[range]
      #expect(isSame, "\(comment): \(range) changed after its report", sourceLocation: sourceLocation)
    }
    #expect(reported == RangeSet(gradient.indices), comment, sourceLocation: sourceLocation)
  }

  /// Expects that at each report, what is reported only after more was written has not been written.
  func expectPrompt(_ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation) {
    var waiting = RangeSet(gradient.indices)
    for (index, range) in ranges.enumerated() {
      waiting.remove(contentsOf: range)
      // One operation may complete several ranges, which are reported one after the other.
      if index + 1 < copies.count, copies[index + 1] == copies[index] { continue }
      let isWritten = waiting.ranges.joined().contains { copies[index][$0] != Self.unwritten.bitPattern }
      #expect(!isWritten, "\(comment): written, but not reported with \(range)", sourceLocation: sourceLocation)
    }
  }
}

extension RangeSet<Int> {
  fileprivate func intersects(_ range: Range<Int>) -> Bool { !isDisjoint(RangeSet(range)) }
}
