import Testing

@testable import Lockstep

@Suite struct TrialPlaceTests {
  /// How many trials run at a time, and the threads of each.
  private func places(_ trials: Int, cores: Int, bytes: Int, available: Int?) -> [Int] {
    TrialPlace.here(for: trials, cores: cores, bytes: bytes, available: available).map { place in
      guard case .here(let threads) = place else { return 0 }
      return threads
    }
  }

  @Test func asManyAsThereAreCoresAndTrials() {
    #expect(places(21, cores: 4, bytes: 1, available: 100) == [1, 1, 1, 1])
    #expect(places(3, cores: 8, bytes: 1, available: 100) == [2, 2, 2])
    #expect(places(1, cores: 2, bytes: 1, available: nil) == [2])
    #expect(places(0, cores: 2, bytes: 0, available: 100) == [])
  }

  @Test func noMoreThanTheMemoryIsEnoughForButOne() {
    #expect(places(21, cores: 8, bytes: 30, available: 100) == [2, 2, 2])
    #expect(places(21, cores: 8, bytes: 101, available: 100) == [8])
    #expect(places(21, cores: 8, bytes: 100, available: 0) == [8])
  }
}
