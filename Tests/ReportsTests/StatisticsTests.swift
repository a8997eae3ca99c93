import Foundation
import Testing

@testable import Reports

/// What Fixtures/make-statistics.py has computed.
struct StatisticsFixtures: Decodable {
  struct Quantiles: Decodable {
    let values, shares, quantiles: [Double]
  }

  struct Interval: Decodable {
    let values: [Double]
    let level, low, high: Double
  }

  /// Null is infinite.
  struct BestOf: Decodable {
    let losses, best: [Double?]
  }

  /// A null loss is infinite.
  struct RateTest: Decodable {
    let rates, smoothed: [Double]
    let losses: [Double?]
    let hasDiverged: Bool
    let least: Double
    let steepest, suggestion: Double?
  }

  let quantiles: [Quantiles]
  let intervals: [Interval]
  let bestOf: [BestOf]
  let rateTests: [RateTest]

  static let shared: StatisticsFixtures = {
    let url = Bundle.module.url(forResource: "statistics", withExtension: "json", subdirectory: "Fixtures")!
    // swift-format-ignore: NeverUseForceTry
    return try! JSONDecoder().decode(StatisticsFixtures.self, from: Data(contentsOf: url))
  }()
}

@Suite struct StatisticsTests {
  private static let fixtures = StatisticsFixtures.shared

  @Test func quantilesAreNumPys() {
    for fixture in Self.fixtures.quantiles {
      for (share, expected) in zip(fixture.shares, fixture.quantiles) {
        let got = Statistics.quantile(share, of: fixture.values)
        #expect(abs(got - expected) <= 1e-12 * max(abs(expected), 1), "\(share) of \(fixture.values)")
      }
    }
    #expect(Statistics.quantile(0.5, of: [1, .infinity, 2]) == 2)
    #expect(Statistics.quantile(0.75, of: [1, .infinity, 2]) == .infinity)
    #expect(Statistics.quantile(0.5, of: [.infinity, .infinity]) == .infinity)
  }

  @Test func intervalsAreThoseOfAllResamples() throws {
    for fixture in Self.fixtures.intervals {
      let got = try #require(Statistics.meanInterval(fixture.values, level: fixture.level))
      let tolerance = 1e-12 * fixture.values.map(abs).max()!
      #expect(abs(got.lowerBound - fixture.low) <= tolerance && abs(got.upperBound - fixture.high) <= tolerance)
    }
    #expect(Statistics.meanInterval([1]) == nil && Statistics.meanInterval([1, .infinity]) == nil)
  }

  @Test func intervalsOfManyValuesAreDrawn() throws {
    // Of n equal shares of 0 and 1, the mean's deviation is 1 / (2 √n), here 0.05: the interval is about ±1.96 of it.
    let values = (0..<100).map { Double($0 % 2) }
    let interval = try #require(Statistics.meanInterval(values))
    #expect(
      abs(interval.lowerBound - 0.402) < 0.011 && abs(interval.upperBound - 0.598) < 0.011,
      Comment(rawValue: "\(interval)"))
    #expect(Statistics.meanInterval(values) == interval, "no chance enters")
  }

  @Test func theBestOfNIsCounted() {
    for fixture in Self.fixtures.bestOf {
      let expected = fixture.best.map { $0 ?? .infinity }
      #expect(Statistics.bestOf(fixture.losses.map { $0 ?? .infinity }) == expected)
    }
  }

  @Test func sharesBetterCountTiesHalf() {
    #expect(Statistics.shareBetter([(1, 2), (2, 1), (1, 1), (0, 1)]) == 0.625)
    #expect(Statistics.shareBetter([(1, .infinity), (.infinity, .infinity)]) == 0.75)
  }

  @Test func profilesAreRatiosToTheBest() {
    let profiles = Statistics.profiles([[10, 20, .infinity, .infinity], [20, 10, 5, .infinity]])
    #expect(profiles == [[1, 2, .infinity, .infinity], [1, 1, 2, .infinity]])
  }
}
