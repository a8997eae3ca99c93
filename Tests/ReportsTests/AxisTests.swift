import Testing

@testable import Reports

@Suite struct AxisTests {
  @Test(
    "ticks are 1, 2 or 5 times a power of ten",
    arguments: [
      ([0.0, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]), ([0, 469], ["0", "100", "200", "300", "400", "500"]),
      ([0.003, 0.0041], ["0.0030", "0.0032", "0.0034", "0.0036", "0.0038", "0.0040", "0.0042"]),
      ([-7, 12], ["−10", "−5", "0", "5", "10", "15"]),
      ([0, 52_000], ["0", "10,000", "20,000", "30,000", "40,000", "50,000", "60,000"]),
      ([0, 4_000_000], ["0", "10⁶", "2×10⁶", "3×10⁶", "4×10⁶"]),
      ([0, 4e-7], ["0", "10⁻⁷", "2×10⁻⁷", "3×10⁻⁷", "4×10⁻⁷"]),
    ])
  func linear(_ values: [Double], _ labels: [String]) {
    #expect(Axis("", covering: values).ticks.map(\.label) == labels)
  }

  @Test(
    "logarithmic ticks are decades, with 2 and 5 where there is room",
    arguments: [
      ([0.1, 2.3], ["0.1", "0.2", "0.5", "1", "2", "5"]), ([1e-9, 1], ["10⁻⁹", "10⁻⁷", "10⁻⁵", "0.001", "0.1"]),
      ([1, 30], ["1", "2", "5", "10", "20", "50"]),
    ])
  func logarithmic(_ values: [Double], _ labels: [String]) {
    let axis = Axis("", covering: values, kind: .automatic)
    #expect(axis.isLogarithmic)
    #expect(axis.ticks.map(\.label) == labels)
  }

  @Test func positionsGoFromEndToEnd() {
    let linear = Axis("", covering: [0, 10])
    #expect(linear.position(0) == 0 && linear.position(2.5) == 0.25 && linear.position(10) == 1)
    let logarithmic = Axis("", covering: [1, 100], kind: .logarithmic)
    #expect(logarithmic.position(1) == 0 && logarithmic.position(100) == 1)
    #expect(abs((logarithmic.position(10) ?? 0) - 0.5) < 1e-12)
    #expect(logarithmic.position(0) == nil && logarithmic.position(-1) == nil)
    #expect(linear.position(.nan) == nil && linear.position(.infinity) == nil)
  }

  @Test func aTightAxisEndsWithTheValues() {
    let axis = Axis("", covering: [3, 469], includesZero: true, isTight: true)
    #expect(axis.domain == 0...469)
    #expect(axis.ticks.map(\.value) == [0, 100, 200, 300, 400])
  }

  @Test func wholeNumbersHaveNoTicksBetween() {
    #expect(Axis("", covering: [1, 2], isTight: true, isWhole: true).ticks.map(\.label) == ["1", "2"])
    #expect(Axis("", covering: [1], isTight: true, isWhole: true).ticks.map(\.label) == ["0", "1", "2"])
  }

  @Test func smallRangesOfClassesStayLinear() {
    #expect(!Axis("", covering: [1, 19], kind: .automatic).isLogarithmic)
    #expect(!Axis("", covering: [0, 1000], kind: .automatic).isLogarithmic)
  }

  @Test(
    "whatever the values, the domain is finite, and has 1 to 15 ascending ticks",
    arguments: [
      [], [.nan], [.infinity, -.infinity], [0], [-3], [1e300], [.leastNonzeroMagnitude], [0, .leastNonzeroMagnitude],
      [1e-300, 1e299], [1e17, 1e17 + 16],
      [-1e299, 1e299], [.nan, 2, .infinity], [0.1, 0.1 + 1e-17], [123456.7, 123456.8], [7, 7.0000001],
    ] as [[Double]], [Axis.Kind.linear, .logarithmic, .automatic])
  func extremes(_ values: [Double], _ kind: Axis.Kind) {
    for isTight in [false, true] {
      for isWhole in [false, true] {
        let axis = Axis("", covering: values, kind: kind, isTight: isTight, isWhole: isWhole)
        #expect(
          axis.domain.lowerBound < axis.domain.upperBound && (axis.domain.upperBound - axis.domain.lowerBound).isFinite)
        let ticks = axis.ticks.map(\.value)
        #expect(ticks.count <= 15 && ticks.allSatisfy(axis.domain.contains), "\(axis)")
        #expect(zip(ticks, ticks.dropFirst()).allSatisfy { $0 < $1 }, "\(ticks)")
        if !isTight { #expect(!ticks.isEmpty, "\(axis)") }
        for value in values where value.isFinite && abs(value) < 1e299 && (value > 1e-299 || !axis.isLogarithmic) {
          #expect((axis.position(value).map { (-1e-6...1.000001).contains($0) }) == true, "\(value) on \(axis)")
        }
      }
    }
  }
}
