internal import Foundation
internal import Optimizers
package import Schema

/// A run of a sweep: a rule, the options that the sweep chooses for it, and a seed.
package struct Trial: Hashable, Codable, Sendable {
  package struct Choice: Hashable, Codable, Sendable {
    package let option: String
    /// As a user would write it.
    package let value: String

    package init(_ option: String, _ value: String) { (self.option, self.value) = (option, value) }
  }

  package let rule: String
  /// The learning rate first.
  package let choices: [Choice]
  package let seed: UInt64
  /// The run is one of so many equal parts of the whole length, with a schedule of its own; nil for the whole length.
  package let part: Int?

  package init(_ rule: String, _ choices: [Choice], seed: UInt64, part: Int? = nil) {
    (self.rule, self.choices, self.seed, self.part) = (rule, choices, seed, part)
  }

  package var rate: Double { choices.first { $0.option == Trial.rateOption }.flatMap { Double($0.value) } ?? 0 }

  static let rateOption = "learning-rate"

  /// The same choices with another learning rate.
  func with(rate: Double) -> Trial {
    Trial(
      rule, choices.map { $0.option == Trial.rateOption ? Choice($0.option, rateText(rate)) : $0 }, seed: seed,
      part: part)
  }

  func with(seed: UInt64) -> Trial { Trial(rule, choices, seed: seed, part: part) }

  func with(part: Int?) -> Trial { Trial(rule, choices, seed: seed, part: part) }

  /// Such as `adam,learning-rate=0.001,seed=0`; also a file's name.
  package var name: String {
    ([rule] + choices.map { "\($0.option)=\($0.value)" } + ["seed=\(seed)"] + (part.map { ["part=\($0)"] } ?? []))
      .joined(separator: ",").replacing("/", with: "_")
  }
}

/// A number with three significant digits, as a user would write it.
func rateText(_ rate: Double) -> String {
  OptionValue.real(Double(String(format: "%.3g", rate)) ?? rate).description
}

/// What a sweep tries of each rule, before it has any result.
package struct SweepSpace: Equatable, Sendable {
  /// Values that are tried of an option: every one with every value of the others.
  package struct Grid: Equatable, Sendable {
    package let option: String
    package let values: [String]
  }

  /// A range from which an option is sampled.
  package struct Range: Equatable, Sendable {
    package let option: String
    package let bounds: ClosedRange<Double>
    /// Whether equal ratios are equally likely, and not equal differences.
    package let isLogarithmic: Bool
    let isWhole: Bool
  }

  package enum Search: Equatable, Sendable {
    /// ``ratePoints`` learning rates around each rule's, or those of a grid, with every value of the grids.
    case grids([Grid])
    /// So many points of a Halton sequence (J. H. Halton, Numerische Mathematik 2, 1960) in the ranges. The learning rate is
    /// sampled too: within ``rateDecades`` of each rule's, unless a range says otherwise.
    case samples(Int, [Range])
  }

  /// The learning rates that are tried around a rule's, two a decade.
  package static let ratePoints = 7
  /// Decades above and below a rule's learning rate.
  static let rateDecades = 1.5

  package let rules: [String]
  package let search: Search
  /// Of each rule, the learning rate in the middle.
  let rates: [Double]

  /// - Parameters:
  ///   - rates: the learning rate of each rule that a sweep is centred on.
  package init(_ rules: [String], rates: [Double], _ search: Search) {
    precondition(rules.count == rates.count && !rules.isEmpty)
    (self.rules, self.rates, self.search) = (rules, rates, search)
  }

  /// Whether learning rates are added where the best lies on an edge.
  var extendsRates: Bool {
    guard case .grids(let grids) = search else { return false }
    return !grids.contains { $0.option == Trial.rateOption }
  }

  /// The first trials of the rule at `index`.
  func base(_ index: Int, seed: UInt64) -> [Trial] {
    let rule = rules[index]
    switch search {
    case .grids(var grids):
      if let given = grids.firstIndex(where: { $0.option == Trial.rateOption }) {
        grids.insert(grids.remove(at: given), at: 0)
      } else {
        let half = SweepSpace.ratePoints / 2
        let around = (-half...half).map { rateText(rates[index] * pow(10, Double($0) / 2)) }
        grids.insert(Grid(option: Trial.rateOption, values: around), at: 0)
      }
      let own = grids.filter { has(rule, $0.option) }
      let points = own.reduce([[]]) { (points: [[Trial.Choice]], grid) in
        points.flatMap { point in grid.values.map { point + [Trial.Choice(grid.option, $0)] } }
      }
      return points.map { Trial(rule, $0, seed: seed) }
    case .samples(let count, var ranges):
      if let given = ranges.firstIndex(where: { $0.option == Trial.rateOption }) {
        ranges.insert(ranges.remove(at: given), at: 0)
      } else {
        let (lower, upper) = (-SweepSpace.rateDecades, SweepSpace.rateDecades)
        ranges.insert(
          Range(
            option: Trial.rateOption, bounds: rates[index] * pow(10, lower)...rates[index] * pow(10, upper),
            isLogarithmic: true, isWhole: false), at: 0)
      }
      let own = ranges.filter { has(rule, $0.option) }
      return (1...count).map { number in
        let choices = zip(own, SweepSpace.primes).map { range, prime in
          Trial.Choice(range.option, range.text(halton(number, base: prime)))
        }
        return Trial(rule, choices, seed: seed)
      }
    }
  }

  /// As many as a sweep may have ranges.
  package static let primes = [2, 3, 5, 7, 11, 13, 17, 19]

  /// Whether the rule has the option, or it is one of the job.
  private func has(_ rule: String, _ option: String) -> Bool {
    let owners = OptimizerSettings.selector.owners(of: option)
    return owners.isEmpty || owners.contains(rule)
  }
}

/// Element `number` of the van der Corput sequence to `base`: its digits mirrored at the point.
func halton(_ number: Int, base: Int) -> Double {
  var (rest, value, unit) = (number, 0.0, 1.0)
  while rest > 0 {
    unit /= Double(base)
    value += unit * Double(rest % base)
    rest /= base
  }
  return value
}

extension SweepSpace.Grid {
  /// Reads `NAME=VALUE,VALUE…`; the job checks the values.
  ///
  /// - Throws: ``OptionError`` if it is of another form or repeats a value.
  package init(_ text: String) throws {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty else {
      throw OptionError("--grid \(text): NAME=VALUE,VALUE is needed, such as beta2=0.9,0.99")
    }
    option = parts[0]
    values = parts[1].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard values.allSatisfy({ !$0.isEmpty }) else {
      throw OptionError("--grid \(text): a value is missing between or beside commas")
    }
    if let twice = values.enumerated().first(where: { index, value in values[..<index].contains(value) }) {
      throw OptionError("--grid \(text): \(twice.element) is given twice")
    }
  }
}

extension SweepSpace.Range {
  /// Reads `NAME=LOW..HIGH` or `NAME=LOW..HIGH:log`, for an option that is a number.
  ///
  /// - Throws: ``OptionError`` if it is of another form, or if the range is empty or reversed, or not above 0 and
  ///   logarithmic.
  package init(_ text: String, of declarations: [OptionDeclaration]) throws {
    let form = "NAME=LOW..HIGH, or NAME=LOW..HIGH:log, is needed, such as weight-decay=1e-4..1e-1:log"
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else { throw OptionError("--sample \(text): \(form)") }
    let scale = parts[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let ends = scale[0].components(separatedBy: "..")
    guard scale.count <= 2, scale.dropFirst().allSatisfy({ $0 == "log" || $0 == "linear" }), ends.count == 2,
      let low = Double(ends[0]), let high = Double(ends[1]), low.isFinite, high.isFinite
    else { throw OptionError("--sample \(text): \(form)") }
    guard let declaration = declarations.first(where: { $0.name == parts[0] }) else {
      throw OptionError("--sample \(text): there is no option --\(parts[0])")
    }
    switch declaration.kind {
    case .real: isWhole = false
    case .whole: isWhole = true
    default: throw OptionError("--sample \(text): --\(parts[0]) is no number; give its values by --grid")
    }
    guard low < high else {
      throw OptionError(
        "--sample \(text): the range is \(low == high ? "empty" : "reversed"): \(low) is not below \(high)")
    }
    isLogarithmic = scale.last == "log"
    guard !isLogarithmic || low > 0 else {
      throw OptionError("--sample \(text): a logarithmic range must be above 0")
    }
    for end in [low, high]
    where declaration.check(isWhole ? .whole(UInt64(exactly: max(end, 0).rounded()) ?? .max) : .real(end)) == nil {
      throw OptionError("--sample \(text): \(end) is outside of what --\(parts[0]) may be")
    }
    (option, bounds) = (parts[0], low...high)
  }

  /// The value at `share`, 0…1, of the range.
  func text(_ share: Double) -> String {
    let (low, high) = (bounds.lowerBound, bounds.upperBound)
    let value = isLogarithmic ? low * pow(high / low, share) : low + share * (high - low)
    return isWhole ? "\(Int(value.rounded()))" : rateText(value)
  }
}
