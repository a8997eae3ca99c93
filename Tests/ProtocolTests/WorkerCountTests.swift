import Testing

@testable import Protocol

/// How many workers compute, by the seconds of their steps.
@Suite struct WorkerCountTests {
  /// The numbers of workers that are tried of `available`, and the one that it settles with.
  private func tried(_ available: Int, computing: Double = 0, _ seconds: (Int) -> Double) -> [Int] {
    var count = WorkerCount()
    count.begin(with: available)
    var tried = [count.current]
    for _ in 0..<100 where count.add(seconds: seconds(count.current), computing: computing) {
      tried.append(count.current)
    }
    #expect(count.isSettled)
    return tried
  }

  @Test func itHalvesAsLongAsStepsBecomeShorter() {
    #expect(tried(8) { [8: 8, 4: 4, 2: 2.5, 1: 3][$0]! } == [8, 4, 2, 1, 2])
    #expect(tried(7) { Double($0) } == [7, 4, 2, 1])
    #expect(tried(8) { 1 / Double($0) } == [8, 4, 8])
    #expect(tried(2) { _ in 1 } == [2, 1, 2])
    #expect(tried(1) { _ in 1 } == [1] && tried(0) { _ in 1 } == [0])
  }

  @Test func lessThanATenthIsNoise() {
    #expect(tried(4) { $0 == 4 ? 1 : 0.91 } == [4, 2, 4])
    #expect(tried(4) { $0 == 4 ? 1 : 0.89 } == [4, 2, 1, 2])
  }

  @Test func whereStepsAreMostlyComputingNothingIsTried() {
    #expect(tried(8, computing: 0.5) { _ in 1 } == [8])
    #expect(tried(8, computing: 0.4) { _ in 1 } == [8, 4, 8])
  }

  @Test func whoStandsByIsTriedAgainWhenLinksMayBeFaster() {
    var count = WorkerCount()
    count.begin(with: 4)
    while !count.isSettled { _ = count.add(seconds: Double(count.current), computing: 0) }
    #expect(count.current == 1)
    var steps = 0
    while count.current == 1 {
      _ = count.add(seconds: 1, computing: 0)
      steps += 1
    }
    #expect(steps == SchedulingPolicy.retrialSteps && count.current == 4 && !count.isSettled)
  }

  @Test func oneLongStepDecidesNothing() {
    var count = WorkerCount()
    count.begin(with: 2)
    var step = 0
    while count.current == 2 {
      _ = count.add(seconds: 1, computing: 0)
      step += 1
    }
    #expect(step == SchedulingPolicy.skippedTrialSteps + SchedulingPolicy.trialSteps)
    for index in 0..<SchedulingPolicy.skippedTrialSteps + SchedulingPolicy.trialSteps {
      _ = count.add(seconds: index < SchedulingPolicy.skippedTrialSteps || index % 3 == 0 ? 50 : 0.5, computing: 0)
    }
    #expect(count.isSettled && count.current == 1)
  }
}
