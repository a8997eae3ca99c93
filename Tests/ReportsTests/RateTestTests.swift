import Testing

@testable import Reports

@Suite struct RateTestTests {
  @Test func smoothedLossesAndWhatIsReadFromThemAreNumPys() {
    for fixture in StatisticsFixtures.shared.rateTests {
      let steps = zip(fixture.rates, fixture.losses).map { RateTest.Step(rate: $0, loss: $1 ?? .infinity) }
      let test = RateTest(steps, hasEnded: false)
      #expect(test.steps == Array(steps.prefix(fixture.smoothed.count)) && test.hasDiverged == fixture.hasDiverged)
      #expect(zip(test.smoothed, fixture.smoothed).allSatisfy { abs($0 - $1) <= 1e-12 * $1 })
      #expect(test.leastLossRate == fixture.least && test.steepestRate == fixture.steepest)
      #expect((try? test.suggestion.get()) == fixture.suggestion)
    }
  }

  @Test func aRunThatEndedEarlyHasDiverged() {
    let steps = (0..<9).map { RateTest.Step(rate: Double(1 << $0), loss: Double(9 - $0)) }
    #expect(RateTest(steps, hasEnded: false).suggestion == .failure(.stillFalling))
    #expect(RateTest(steps, hasEnded: true).suggestion == .success(26))
    #expect(RateTest([], hasEnded: true).suggestion == .failure(.neverFell))
  }

  @Test func lossesBelowZeroEndNoTest() {
    let losses = [-1.0, -5, -2, 3]
    let test = RateTest(losses.map { RateTest.Step(rate: 1, loss: $0) }, hasEnded: false)
    #expect(test.steps.count == 4 && !test.hasDiverged)
  }
}
