internal import Foundation

/// An axis of a chart: the values that it covers, its ticks and its title.
package struct Axis: Equatable, Sendable {
  /// How values are mapped to positions.
  package enum Kind: Sendable {
    case linear
    case logarithmic
    /// Logarithmic where all values are positive and the largest is at least 20 times the smallest.
    case automatic
  }

  package struct Tick: Equatable, Sendable {
    package var value: Double
    package var label: String
  }

  /// The quantity, with its unit.
  package let title: String
  package let domain: ClosedRange<Double>
  package let isLogarithmic: Bool
  /// In ascending order, all within the domain.
  package let ticks: [Tick]

  /// An axis that covers the finite ones of `values`; from 0 to 1 if there are none.
  ///
  /// - Parameters:
  ///   - kind: a logarithmic axis ignores values that are not positive.
  ///   - includesZero: whether a linear axis starts at 0.
  ///   - isTight: whether it ends at the last value instead of the next tick.
  ///   - isWhole: whether all ticks are whole numbers.
  ///   - tickCount: about how many ticks.
  package init(
    _ title: String, covering values: some Sequence<Double>, kind: Kind = .linear, includesZero: Bool = false,
    isTight: Bool = false, isWhole: Bool = false, tickCount: Int = 5
  ) {
    self.title = title
    // Beyond these bounds, sums and quotients would not be finite.
    var finite = values.filter { $0.isFinite && abs($0) < 1e300 }.map { abs($0) < 1e-300 ? 0 : $0 }
    let positive = finite.filter { $0 > 0 }
    isLogarithmic =
      switch kind {
      case .linear: false
      case .logarithmic: !positive.isEmpty
      case .automatic: positive.count == finite.count && (positive.max() ?? 1) >= 20 * (positive.min() ?? 1)
      }
    if isLogarithmic { finite = positive }
    if includesZero && !isLogarithmic { finite.append(0) }
    let (low, high) = (finite.min() ?? 0, finite.max() ?? 1)
    if isLogarithmic {
      (domain, ticks) = Axis.logarithmic(low, high, isTight: isTight, tickCount: tickCount)
    } else {
      (domain, ticks) = Axis.linear(low, high, isTight: isTight, isWhole: isWhole, tickCount: tickCount)
    }
  }

  /// The position of `value`: 0 at the lower end, 1 at the upper end, less or more beyond them. nil if it has none.
  package func position(_ value: Double) -> Double? {
    guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
    let (low, high) = (domain.lowerBound, domain.upperBound)
    return isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  private static func linear(
    _ low: Double, _ high: Double, isTight: Bool, isWhole: Bool, tickCount: Int
  ) -> (ClosedRange<Double>, [Tick]) {
    var (low, high) = (low, high)
    // A single value gets a margin.
    if high - low <= 1e-9 * max(abs(low), abs(high)) || high == low {
      let room = high == 0 || (isWhole && abs(high) < 1e6) ? 1 : abs(high) / 2
      (low, high) = low == 0 ? (0, room) : (low - room, high + room)
    }
    let step = max(roundStep((high - low) / Double(max(tickCount, 1))), isWhole ? 1 : 0)
    if !isTight { (low, high) = ((low / step).rounded(.down) * step, (high / step).rounded(.up) * step) }
    // The tolerance keeps ticks at the ends in spite of rounding.
    let first = (low / step - 1e-9).rounded(.up)
    let last = (high / step + 1e-9).rounded(.down)
    let values = first <= last ? stride(from: first, through: last, by: 1).map { $0 * step } : []
    return (low...high, values.map { Tick(value: min(max($0, low), high), label: label($0, step: step)) })
  }

  private static func logarithmic(
    _ low: Double, _ high: Double, isTight: Bool, tickCount: Int
  ) -> (ClosedRange<Double>, [Tick]) {
    let (low, high) = low == high ? (low / 2, high * 2) : (low, high)
    let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
    // Ticks at 1, 2 and 5 in every decade, or at every n-th decade if those were too many.
    let isFine = log10(high / low) * 3 <= Double(2 * tickCount)
    let every = isFine ? 1 : max(1, (decades.count + tickCount - 1) / (tickCount + 1))
    let values = stride(from: decades.lowerBound, through: decades.upperBound, by: every).flatMap { decade in
      (isFine ? [1.0, 2, 5] : [1]).map { decade < 0 ? $0 / pow(10, Double(-decade)) : $0 * pow(10, Double(decade)) }
    }
    let below = values.last { $0 <= low * (1 + 1e-9) } ?? low
    let above = values.first { $0 >= high * (1 - 1e-9) } ?? high
    let domain = isTight ? low...high : min(below, low)...max(above, high)
    return (domain, values.filter(domain.contains).map { Tick(value: $0, label: label($0, step: $0)) })
  }

  /// The nearest of 1, 2 and 5 times a power of ten that is not much below `step`.
  static func roundStep(_ step: Double) -> Double {
    guard step.isFinite, step > 1e-300 else { return 1 }
    let exponent = log10(step).rounded(.down)
    let power = exponent < 0 ? 1 / pow(10, -exponent) : pow(10, exponent)
    let factor: Double =
      switch step / power {
      case ..<1.4: 1
      case ..<3.2: 2
      case ..<7.1: 5
      default: 10
      }
    return exponent < 0 ? factor / pow(10, -exponent) : factor * power
  }

  /// A tick's label, with as many decimal places as `step` needs.
  static func label(_ value: Double, step: Double) -> String {
    if value == 0 { return "0" }
    guard abs(value) < 1e6, step >= 0.9999e-4 else {
      let exponent = Int(log10(abs(value) * (1 + 1e-12)).rounded(.down))
      let mantissa = (value / pow(10, Double(exponent)) * 1000).rounded() / 1000
      let factor = mantissa == mantissa.rounded() ? "\(Int(mantissa))" : "\(mantissa)"
      let power = "10" + superscript(exponent)
      return factor == "1" ? power : "\(factor)×\(power)"
    }
    let places = max(0, Int((-log10(step) - 1e-9).rounded(.up)))
    let text = String(format: "%.\(places)f", abs(value))
    let whole = text.prefix { $0 != "." }
    var grouped = ""
    for (index, digit) in whole.enumerated() {
      if index > 0 && whole.count >= 4 && (whole.count - index) % 3 == 0 { grouped += "," }
      grouped.append(digit)
    }
    return (value < 0 ? "−" : "") + grouped + text.dropFirst(whole.count)
  }

  /// `value` in superscript digits.
  package static func superscript(_ value: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return String("\(value)".map { $0 == "-" ? "⁻" : digits[$0.wholeNumberValue!] })
  }
}
