import Foundation
import TestSupport
import Testing

@testable import Files
@testable import Protocol
@testable import Runs
@testable import Schema

/// Lines of `metrics.jsonl` that hold a step or several.
@Suite struct StepLineTests {
  private func report(_ step: Int, loss: Double = 0.5, isSkipped: Bool = false, workers: Int = 2) -> StepReport {
    var report = StepReport(
      step: step, epoch: 1, examples: 4, weight: 4, sums: [4 * loss], isSkipped: isSkipped, seconds: 0.25,
      computeSeconds: (0..<workers).map { WorkerSeconds(worker: $0 + 1, seconds: 0.125) }, sumUpdateSeconds: 0.5,
      sendSeconds: 0.0625)
    report.learningRate = 0.001
    return report
  }

  /// The lines of the steps `range`, closed after each of `ends` as well.
  private func lines(_ range: ClosedRange<Int>, ends: Set<Int> = [], loss: (Int) -> Double = { _ in 0.5 }) -> [StepLine]
  {
    var lines: [StepLine] = []
    var open: StepLine?
    for step in range {
      let report = report(step, loss: loss(step))
      if open?.accepts(report) == true {
        open?.add(report)
      } else {
        if let line = open { lines.append(line) }
        open = StepLine(report)
      }
      if open?.isFull == true || ends.contains(step), let line = open {
        lines.append(line)
        open = nil
      }
    }
    return lines + [open].compactMap(\.self)
  }

  @Test(
    "a line spans more steps with each doubling",
    arguments: [
      (1, 1), (8192, 1), (8193, 2), (16_384, 2), (16_385, 4), (32_768, 4), (32_769, 8), (1 << 30, 1 << 17),
      ((1 << 30) + 1, 1 << 18), (1 << 48, 1 << 35),
    ])
  func spans(_ step: Int, _ span: Int) { #expect(StepLine.span(of: step) == span) }

  @Test("the lines of a run hold each of its steps once, and their number hardly grows")
  func everyStepOnce() {
    let all = lines(1...100_000, ends: [9_001, 50_000])
    var next = 1
    for line in all {
      #expect(line.first == next)
      next = line.last + 1
    }
    #expect(next == 100_001)
    #expect(all.count < 8192 + 4 * 4096 + 10)
    // Of any run: half of the single ones for each doubling, and a line is shorter than 500 bytes.
    #expect(8192 + (48 - 13) * 4096 < 152_000)
    let longest = StepLine(report(1 << 48, loss: -1.2345678901234567e-300))
    #expect(longest.text.utf8.count < 450)
  }

  @Test("a line of several steps has their mean, extremes, sums and digest")
  func several() throws {
    let line = try #require(lines(16_385...16_388) { [1, 3, .nan, 2][$0 - 16_385] }.first)
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(line.text.utf8)) as? [String: Any], "\(line.text)")
    #expect(object["event"] as? String == "steps" && object["first"] as? Int == 16_385)
    #expect(object["step"] as? Int == 16_388 && object["examples"] as? Int == 16 && object["skipped"] as? Int == 0)
    #expect(object["loss"] as? Double == 2 && object["loss_min"] as? Double == 1 && object["loss_max"] as? Double == 3)
    #expect(object["seconds"] as? Double == 1 && object["compute_seconds"] as? Double == 1)
    #expect(object["sum_update_seconds"] as? Double == 2 && object["send_seconds"] as? Double == 0.25)
    #expect(object["loss_digest"] as? String == String(line.digest, radix: 16))
  }

  @Test("digests of neighbours add up, wherever lines end, and tell any bit")
  func digests() {
    let loss = { (step: Int) in Double(step % 97) / 7 }
    func sum(_ lines: [StepLine]) -> UInt64 { lines.reduce(0) { $0 &+ $1.digest } }
    let whole = sum(lines(20_001...20_040, loss: loss))
    #expect(sum(lines(20_001...20_040, ends: [20_003, 20_006, 20_017], loss: loss)) == whole)
    #expect(sum((20_001...20_040).map { StepLine(report($0, loss: loss($0))) }) == whole)
    for step in [20_001, 20_022, 20_040] {
      #expect(sum(lines(20_001...20_040) { $0 == step ? loss($0).nextUp : loss($0) }) != whole)
    }
    // Two steps' losses in the other order are other losses.
    #expect(
      sum(lines(20_001...20_040) { $0 == 20_001 ? loss(20_002) : $0 == 20_002 ? loss(20_001) : loss($0) }) != whole)
  }

  @Test("a step of very many workers does not list them all")
  func manyWorkers() {
    #expect(StepLine(report(1, workers: 64)).text.contains("\"64\":0.125"))
    #expect(StepLine(report(1, workers: 65)).text.contains("\"compute_seconds\":8.125,"))
  }

  @Test("lines are read one after the other, also those longer than what is read at once")
  func reading() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).jsonl").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let texts = ["a", String(repeating: "b", count: 200_000), "", "c", "without an end"]
    try Data(texts.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
    var found: [String] = []
    try forEachLine(of: path) { found.append(String(decoding: $0, as: UTF8.self)) }
    #expect(found == [texts[0], texts[1], "c"])
    #expect(throws: FileError.self) { try forEachLine(of: path + "x") { _ in } }
  }

  private func spans(_ lines: [StepLine]) throws -> [LossSpan] {
    try lines.map { try #require(try LossSpan(Data($0.text.utf8))) }
  }

  @Test("runs whose lines end at different steps are equal, and a different loss is within the steps named")
  func difference() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("difference: seed \(seed)")
    var random = SeededGenerator(seed: seed)
    for _ in 0..<20 {
      let range = 8185...Int.random(in: 8190...34_000, using: &random)
      func ends() -> Set<Int> {
        Set((0..<Int.random(in: 0...40, using: &random)).map { _ in Int.random(in: range, using: &random) })
      }
      func loss(_ step: Int) -> Double { 1 / Double(step) }
      let first = try spans(lines(range, ends: ends(), loss: loss))
      let second = try spans(lines(range, ends: ends(), loss: loss))
      let equal = RunDifference(first, second)
      #expect(equal.losses == nil && equal.steps == range.upperBound, "\(String(describing: equal.losses))")

      let changed = Int.random(in: range, using: &random)
      let other = try spans(lines(range, ends: ends()) { $0 == changed ? 2 : loss($0) })
      switch RunDifference(first, other).losses {
      case .differ(_, let step, _, _): #expect(step == changed)
      case .differWithin(_, let steps): #expect(steps.contains(changed) && steps.count <= 8)
      default: Issue.record("step \(changed) differs")
      }
    }
  }

  @Test("steps that could not be compared are not called equal")
  func uncompared() throws {
    let whole = try spans(lines(1...17_000))
    let difference = RunDifference(whole, try spans(lines(1...16_387)))
    #expect(difference.losses == .counts(17_000, 16_387) && difference.steps == 16_384)
    let gap = try spans(lines(1...10_000)).filter { !(5...8 ~= $0.start) }
    #expect(RunDifference(whole, gap).losses == .missing(5...8))
    #expect(RunDifference(gap, whole).losses == .missing(5...8))
  }
}

extension StepLine {
  fileprivate var text: String { text(.loss, time: 1_800_000_000.125) }
}
