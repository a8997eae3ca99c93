import Foundation
import Reports
import Testing

@testable import Monitoring
@testable import Runs

/// A run on a terminal's screen.
@Suite struct RunScreenTests {
  private func status(workers: Int) -> RunStatus {
    var status = RunFolderFixture.status()
    (status.step, status.epoch, status.headline) = (12, 1, String(repeating: "long ", count: 40))
    status.workers = (1...workers).map { number in
      RunStatus.Worker(
        number: number, name: "host/\(number)\u{1B}[31m", host: "host", threads: 1, state: "busy", isSlow: number == 2,
        reason: nil, parent: nil, sharesMemory: true, leaves: 10, busySeconds: 1, busy: 0.5, waiting: 0.3, sending: 0.2,
        lastHeard: status.updated)
    }
    return status
  }

  @Test(
    "it fits any terminal, and holds no control character", arguments: [1, 2, 5, 13, 24, 60], [10, 39, 40, 80, 200])
  func fits(_ height: Int, _ width: Int) {
    var curve = LossHistory()
    for step in 1...5000 { curve.add(step: step, 1 / Double(step)) }
    let screen = RunScreen(
      status(workers: 300), losses: [("train", curve.points), ("validation", []), ("test", [])],
      messages: (1...9).map { "message \($0)" })
    let lines = screen.lines(width: width, height: height, hasColor: false)
    #expect(lines.count <= height && lines.allSatisfy { $0.count <= width })
    #expect(!lines.joined().unicodeScalars.contains { $0.value < 32 || $0.value == 127 })
    if height >= 24 {
      #expect(lines.contains { $0.hasPrefix("message 9") } && lines.contains { $0.hasPrefix("and 2") })
      #expect(lines.contains { $0.hasPrefix("worker 1 (host/1") } || width < 20)
    }
  }

  @Test("a long history keeps its course and its length is bounded")
  func history() {
    var curve = LossHistory()
    for step in 1...100_000 { curve.add(step: step, Double(step)) }
    curve.add(step: 100_001, .nan)
    #expect((500..<1024).contains(curve.points.count))
    let size = curve.points[1].x - curve.points[0].x
    for point in curve.points { #expect(point.y == point.x - (size - 1) / 2) }
  }
}
