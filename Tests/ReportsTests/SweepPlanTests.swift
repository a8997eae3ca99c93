import Schema
import TestSupport
import Testing

@testable import Reports

/// Runs a plan whose trials have the losses of a function, one batch after the other or in pieces.
private struct SimulatedSweep {
  let plan: SweepPlan
  private(set) var losses: [Trial: Double] = [:]
  private(set) var batches: [[Trial]] = []

  init(_ plan: SweepPlan) { self.plan = plan }

  /// - Parameter random: if given, only some trials of a batch end before the plan is asked again.
  mutating func run(random: SeededGenerator? = nil, _ loss: (Trial) -> Double) -> [SweepPlan.Progress] {
    var random = random
    while true {
      let (rules, next) = plan.progress(losses)
      guard !next.isEmpty else { return rules }
      batches.append(next)
      var ended = next
      if random != nil {
        ended.shuffle(using: &random!)
        ended = Array(ended.prefix(Int.random(in: 1...ended.count, using: &random!)))
      }
      for trial in ended {
        precondition(losses[trial] == nil, "\(trial.name) runs twice")
        losses[trial] = loss(trial)
      }
    }
  }
}

@Suite struct SweepPlanTests {
  private func plan(
    _ rules: [String], rates: [Double], _ grids: [String] = [], seeds: [UInt64] = [0, 1, 2], halves: Bool = false
  ) throws -> SweepPlan {
    SweepPlan(
      SweepSpace(rules, rates: rates, .grids(try grids.map { try SweepSpace.Grid($0) })), seeds: seeds, halves: halves)
  }

  /// Smallest at `best`.
  private func distance(_ trial: Trial, from best: Double) -> Double { abs(logarithm(trial.rate / best)) }

  private func logarithm(_ value: Double) -> Double {
    // Without Foundation; enough to compare.
    var (value, sum) = (value, 0.0)
    while value >= 10 { (value, sum) = (value / 10, sum + 1) }
    while value < 1 { (value, sum) = (value * 10, sum - 1) }
    return sum + (value - 1) / 9
  }

  @Test func aRuleIsTriedAtSevenRatesTwoADecade() throws {
    let first = try plan(["adam"], rates: [0.001]).progress([:]).next
    #expect(
      first.map { $0.choices[0].value } == ["3.16e-05", "0.0001", "0.000316", "0.001", "0.00316", "0.01", "0.0316"])
    #expect(first.allSatisfy { $0.seed == 0 && $0.rule == "adam" && $0.choices.count == 1 })
  }

  @Test func theBestRunsWithEverySeedOnce() throws {
    var sweep = SimulatedSweep(try plan(["adam", "sgd"], rates: [0.001, 0.1]))
    let rules = sweep.run { distance($0, from: $0.rule == "adam" ? 0.00316 : 0.0316) }
    #expect(sweep.batches.map(\.count) == [14, 4], "seed 0 is that of the search")
    #expect(rules.map { $0.best?.choices[0].value } == ["0.00316", "0.0316"])
    #expect(rules.allSatisfy { !$0.isAtEdge && $0.finals.map(\.seed) == [0, 1, 2] && $0.tried.count == 7 })
  }

  @Test("while a best rate lies on an edge, all rules get as many more", arguments: [1e-7, 1.0])
  func edges(_ best: Double) throws {
    var sweep = SimulatedSweep(try plan(["adam", "sgd"], rates: [0.001, 0.1]))
    let rules = sweep.run { distance($0, from: $0.rule == "adam" ? best : 0.1) }
    #expect(rules.allSatisfy { !$0.isAtEdge })
    #expect(rules[0].tried.count == rules[1].tried.count && rules[0].tried.count > 7)
    let rates = rules[0].tried.map(\.rate)
    #expect(best < 0.001 ? rates.min()! < best : rates.max()! > best)
    // The other one's are beside its best.
    #expect(rules[1].tried.dropFirst(7).prefix(2).map { $0.choices[0].value } == ["0.0562", "0.178"])
  }

  @Test func anEdgeThatGoesOnIsSaid() throws {
    var sweep = SimulatedSweep(try plan(["adam"], rates: [0.001], seeds: [7]))
    let rules = sweep.run { $0.rate }
    #expect(rules[0].isAtEdge && rules[0].tried.count == 7 + 2 * SweepPlan.mostExtensions)
    #expect(rules[0].finals == [rules[0].best!])
  }

  @Test func aRuleThatAlwaysDivergesIsTriedAtSmallerRates() throws {
    var sweep = SimulatedSweep(try plan(["adam", "sgd"], rates: [0.001, 0.1]))
    let rules = sweep.run { $0.rule == "adam" ? .infinity : distance($0, from: 0.1) }
    #expect(rules[0].best == nil && rules[0].finals.isEmpty && rules[0].tried.map(\.rate).min()! < 1e-8)
    #expect(rules[1].finals.count == 3 && rules[1].tried.count == rules[0].tried.count)
  }

  @Test func gridsMultiplyAndRulesWithoutThemGetAsManyTrials() throws {
    var sweep = SimulatedSweep(try plan(["adam", "sgd"], rates: [0.001, 0.1], ["beta2=0.9,0.99,0.999"]))
    let rules = sweep.run { trial in
      distance(trial, from: trial.rule == "adam" ? 0.001 : 0.1) + (trial.choices.last?.value == "0.99" ? 0 : 1)
    }
    #expect(rules[0].tried.count == 21 && rules[1].tried.count == 21)
    #expect(rules[0].best?.choices.map(\.value) == ["0.001", "0.99"])
    #expect(rules[1].tried.allSatisfy { $0.choices.count == 1 } && Set(rules[1].tried).count == 21)
  }

  @Test func halvingGivesMoreStepsToTheBetterHalf() throws {
    var sweep = SimulatedSweep(try plan(["adam", "sgd"], rates: [0.001, 0.1], halves: true))
    // With more steps, smaller rates are better.
    let rules = sweep.run { trial in
      let best = trial.rule == "adam" ? 0.001 : 0.1
      return distance(trial, from: trial.part == 4 ? best : best / 3.16) * Double(trial.part ?? 1)
    }
    #expect(sweep.batches.map(\.count) == [14, 8, 4, 4])
    #expect(sweep.batches.map { Set($0.map(\.part)) } == [[4], [2], [nil], [nil]])
    #expect(rules.map { $0.best?.choices[0].value } == ["0.000316", "0.0316"])
    #expect(rules.allSatisfy { $0.tried.count == 7 && $0.promoted.count == 6 && !$0.isAtEdge && $0.finals.count == 3 })
    #expect(
      rules[0].promoted.prefix(4).map { $0.choices[0].value }.sorted() == ["0.0001", "0.000316", "0.001", "0.00316"])
  }

  @Test func halvingLeavesOutWhatDiverges() throws {
    var sweep = SimulatedSweep(try plan(["adam"], rates: [0.001], ["learning-rate=0.1,0.2,0.3,0.4"], halves: true))
    let rules = sweep.run { $0.rate > 0.1 ? .infinity : 1 }
    #expect(sweep.batches.map(\.count) == [4, 1, 1, 2] && rules[0].best?.rate == 0.1)
    var none = SimulatedSweep(try plan(["adam"], rates: [0.001], ["learning-rate=0.1,0.2"], halves: true))
    #expect(none.run { _ in .infinity }[0].best == nil && none.batches.count == 1)
  }

  @Test func ratesThatAreGivenAreTakenAsTheyAre() throws {
    var sweep = SimulatedSweep(try plan(["adam"], rates: [0.001], ["learning-rate=0.1,0.2"], seeds: [0]))
    let rules = sweep.run { $0.rate }
    #expect(rules[0].tried.map { $0.choices[0].value } == ["0.1", "0.2"] && rules[0].isAtEdge)
  }

  @Test func samplesAreAHaltonSequence() throws {
    let range = try SweepSpace.Range("weight-decay=1e-4..1e-1:log", of: weightDecay)
    let plan = SweepPlan(SweepSpace(["adam", "sgd"], rates: [0.001, 0.1], .samples(4, [range])), seeds: [0])
    let first = plan.progress([:]).next
    #expect(first.count == 8)
    // 1/2, 1/4, 3/4, 1/8 of three decades from 3.16e-5 on; 1/3, 2/3, 1/9, 4/9 of three from 1e-4 on.
    #expect(first.prefix(4).map { $0.choices[0].value } == ["0.001", "0.000178", "0.00562", "7.5e-05"])
    #expect(first.prefix(4).map { $0.choices[1].value } == ["0.001", "0.01", "0.000215", "0.00215"])
    var sweep = SimulatedSweep(plan)
    let rules = sweep.run { $0.rate }
    #expect(sweep.batches.map(\.count) == [8] && rules.allSatisfy { !$0.isAtEdge }, "no two points share a choice")
  }

  @Test("a sweep that is interrupted anywhere runs the trials of one that is not")
  func interruptions() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let plan = try plan(
        ["adam", "sgd", "lion"], rates: [0.001, 0.1, 0.0001], Bool.random(using: &random) ? ["beta1=0.5,0.9"] : [],
        halves: .random(using: &random))
      let (low, high) = (Double.random(in: 1e-8...1, using: &random), Double.random(in: 0.001...10, using: &random))
      func loss(_ trial: Trial) -> Double { trial.rate > high ? .infinity : distance(trial, from: low) }
      var whole = SimulatedSweep(plan)
      var pieces = SimulatedSweep(plan)
      let expected = whole.run(loss)
      #expect(pieces.run(random: SeededGenerator(seed: random.next()), loss) == expected, "seed \(seed)")
      #expect(pieces.losses == whole.losses, "seed \(seed)")
    }
  }

  private let weightDecay = [OptionDeclaration.real("weight-decay", default: 0, .notNegative, "λ.")]

  @Test(
    "what is no range or grid is refused",
    arguments: [
      ("weight-decay=0.1..0.1", "the range is empty: 0.1 is not below 0.1"),
      ("weight-decay=0.2..0.1", "the range is reversed: 0.2 is not below 0.1"),
      ("weight-decay=0..0.1:log", "a logarithmic range must be above 0"),
      ("weight-decay=-1..0.1", "-1.0 is outside of what --weight-decay may be"),
      ("weight-decay=0.1", "NAME=LOW..HIGH"), ("weight-decay=0..x", "NAME=LOW..HIGH"),
      ("weight-decay=0..1:cubic", "NAME=LOW..HIGH"), ("decay=0..1", "there is no option --decay"),
    ])
  func ranges(_ text: String, _ message: String) {
    let error = #expect(throws: OptionError.self) { try SweepSpace.Range(text, of: weightDecay) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test(
    "what is no grid is refused",
    arguments: [
      ("beta2", "NAME=VALUE"), ("beta2=", "a value is missing"), ("beta2=0.9,", "a value is missing"),
      ("beta2=0.9,0.9", "0.9 is given twice"), ("=1", "NAME=VALUE"),
    ])
  func grids(_ text: String, _ message: String) {
    let error = #expect(throws: OptionError.self) { try SweepSpace.Grid(text) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }
}
