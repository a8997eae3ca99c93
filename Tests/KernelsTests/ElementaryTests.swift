import Foundation
import Kernels
import Testing

/// Elementary functions beside what mpmath computes with 60 digits; Fixtures/elementary.py writes the table.
@Suite struct ElementaryTests {
  private struct Point {
    let function: String
    let arguments: [UInt64]
    let value: UInt64
  }

  private func points() throws -> [Point] {
    let path = try #require(Bundle.module.path(forResource: "Fixtures/elementary", ofType: "txt"))
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
      let words = line.split(separator: " ")
      let numbers = try words.dropFirst().map { try #require(UInt64($0, radix: 16)) }
      return Point(function: String(words[0]), arguments: Array(numbers.dropLast()), value: numbers.last!)
    }
  }

  /// The distance in units of the last place of `exact`; 0 for two NaNs and for equal zeros and infinities.
  private func error<Number: BinaryFloatingPoint>(_ found: Number, _ exact: Number) -> Double {
    if found.isNaN && exact.isNaN || found == exact { return 0 }
    guard found.isFinite, exact.isFinite else { return .infinity }
    return abs(Double(found) - Double(exact)) / Double(exact.ulp)
  }

  @Test func floatFunctionsAreWithinTheirErrors() throws {
    // GELU's derivative has a zero, near which only its absolute error is small.
    let functions: [String: (function: Elementary.Map, ulps: Double, absolute: Double)] = [
      "exponential": (.exponential, 1, 0), "sigmoid": (.sigmoid, 3, 0), "hyperbolicTangent": (.hyperbolicTangent, 2, 0),
      "gelu": (.gelu, 10, 0), "geluDerivative": (.geluDerivative, 0, 2e-7),
    ]
    var seen: Set<String> = []
    for point in try points() {
      guard let (function, ulps, absolute) = functions[point.function] else { continue }
      let x = Float(bitPattern: UInt32(point.arguments[0])), exact = Float(bitPattern: UInt32(point.value))
      let (input, output) = (FloatBuffer([x]), FloatBuffer(count: 1))
      Elementary.map(function, input.values, into: output.all)
      let found = output.values[0]
      seen.insert(point.function)
      #expect(
        error(found, exact) <= ulps || abs(found - exact) <= Float(absolute),
        "\(point.function)(\(x)) = \(found), and is \(exact)")
    }
    #expect(seen.count == functions.count)
  }

  @Test func doubleFunctionsAreWithinTheirErrors() throws {
    var seen: Set<String> = []
    for point in try points() where point.function.hasSuffix("64") {
      let x = point.arguments.map(Double.init(bitPattern:)), exact = Double(bitPattern: point.value)
      let found =
        switch point.function {
        case "exponential64": Elementary.exponential(x[0])
        case "logarithm64": Elementary.logarithm(x[0])
        case "sineOfPi64": Elementary.sineOfPi(x[0])
        case "cosineOfPi64": Elementary.cosineOfPi(x[0])
        default: Elementary.power(x[0], x[1])
        }
      seen.insert(point.function)
      #expect(error(found, exact) <= 1, "\(point.function)\(x) = \(found), and is \(exact)")
    }
    #expect(seen.count == 5)
  }
}
