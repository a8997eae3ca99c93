import Foundation
import Kernels
import Schema
import Synchronization
import TestSupport
import Testing

@testable import Optimizers

@Suite struct RuleTests {
  private static let fixtures = RuleFixtures.shared

  @Test("200 steps agree with the float64 script", arguments: fixtures.cases, [false, true])
  func agreesWithScript(_ expected: RuleFixtures.Case, isReference: Bool) throws {
    let fixtures = Self.fixtures
    var trajectory = try Trajectory(
      expected.settings(), start: fixtures.start, tensors: fixtures.optimizerTensors, total: expected.totalSteps)
    for (index, sums) in fixtures.gradientSums[expected.gradients]!.prefix(expected.totalSteps).enumerated() {
      trajectory.step(
        sums, examples: fixtures.examples, ranges: [0..<fixtures.start.count], isReference: isReference)
      if let scalar = expected.scalars?["\(index + 1)"] {
        let state = trajectory.optimizer.state
        let got = try #require(state.lambda ?? state.learningRate)
        #expect(abs(got - scalar) <= 1e-5 * max(scalar, 1e-3), "step \(index + 1): \(got) for \(scalar)")
      }
      guard let want = expected.parameters["\(index + 1)"] else { continue }
      for (element, value) in want.enumerated() {
        let got = Double(trajectory.parameters.values[element])
        #expect(
          abs(got - value) <= 2e-6 * max(1, abs(value)), "step \(index + 1), element \(element): \(got) for \(value)")
      }
      for (element, value) in (expected.averages?["\(index + 1)"] ?? []).enumerated() {
        let got = Double(trajectory.averages.values[element])
        #expect(
          abs(got - value) <= 2e-6 * max(1, abs(value)), "step \(index + 1), average \(element): \(got) for \(value)")
      }
    }
    #expect(trajectory.optimizer.state.updates == min(200, expected.totalSteps))
  }

  /// Every rule with its defaults, and every case of the script, on random gradients of another size.
  static let settings: [OptimizerSettings] = fixtures.cases.compactMap { try? $0.settings() }

  @Test func everyRuleHasCases() {
    let covered = Set(Self.settings.map(\.name))
    #expect(Self.settings.count == Self.fixtures.cases.count)
    #expect(covered == Set(UpdateRules.builtIn.map { $0.name }))
  }

  @Test("ragged ranges, in any order, on four threads and beside, give the same bits as one range", arguments: settings)
  func rangesDoNotMatter(_ settings: OptimizerSettings) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let count = 1003
    let tensors = [("0.weight", 0..<600), ("0.bias", 600..<633), ("2.weight", 633..<1000), ("2.bias", 1000..<count)]
      .map {
        Optimizer.Tensor($0.0, $0.1, shape: $0.0 == "0.weight" ? [30, 20] : $0.0 == "2.weight" ? [1, 1, 367] : [])
      }
    let start = FloatBuffer(count: count)
    Philox(seed: seed, stream: 1).fillUniform(start.all, bound: 2)
    var whole = try Trajectory(settings, start: start.array, tensors: tensors, total: 7)
    var ragged = whole.copy
    var threads = whole.copy
    var beside = whole.copy
    for number in 1...7 {
      let gradient = FloatBuffer(count: count)
      Philox(seed: seed, stream: 2).fillUniform(gradient.all, bound: 3, first: UInt64(number) << 32)
      let ranges = [0..<1, 1..<17, 17..<700, 700..<count]
      whole.step(gradient.array, examples: 5, ranges: [0..<count])
      ragged.step(gradient.array, examples: 5, ranges: ranges)
      threads.step(gradient.array, examples: 5, ranges: ranges, isParallel: true)
      beside.step(gradient.array, examples: 5, ranges: ranges, isBeside: true)
      #expect(whole.bits == ragged.bits && whole.bits == threads.bits, "seed \(seed), step \(number)")
      #expect(whole.bits == beside.bits, "seed \(seed), step \(number)")
      #expect(whole.optimizer.state == ragged.optimizer.state, "seed \(seed), step \(number)")
    }
  }

  @Test("a run that is saved and continued ends with the bits of one that is not", arguments: settings)
  func savingDoesNotMatter(_ settings: OptimizerSettings) throws {
    let fixtures = Self.fixtures
    let sums = fixtures.gradientSums["even"]!.prefix(12)
    var whole = try Trajectory(settings, start: fixtures.start, tensors: fixtures.optimizerTensors, total: 12)
    var first = whole.copy
    for gradient in sums { whole.step(gradient, examples: 32, ranges: [0..<24]) }
    for gradient in sums.prefix(5) { first.step(gradient, examples: 32, ranges: [0..<24]) }
    let saved = try JSONEncoder().encode(first.optimizer.state)
    var second = try Trajectory(
      settings, start: first.parameters.array, tensors: fixtures.optimizerTensors, total: 12)
    (second.slots, second.tensorSlots, second.averages) = (first.slots, first.tensorSlots, first.averages)
    second.optimizer.state = try JSONDecoder().decode(OptimizerState.self, from: saved)
    for gradient in sums.dropFirst(5) { second.step(gradient, examples: 32, ranges: [0..<24]) }
    #expect(whole.bits == second.bits)
  }

  /// 5 × 3 values have a basis on the right alone, 3 × 5 on the left.
  @Test("soap does to a transposed matrix what it does to the matrix")
  func soapOfATransposedMatrix() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
      (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
    }
    let settings = try OptimizerSettings("soap", given: ["basis-limit": 3, "basis-every": 4])
    let start = FloatBuffer(count: 15)
    Philox(seed: seed, stream: 1).fillUniform(start.all, bound: 2)
    var tall = try Trajectory(
      settings, start: start.array, tensors: [.init("weight", 0..<15, shape: [5, 3])], total: 60)
    var wide = try Trajectory(
      settings, start: transposed(start.array, rows: 5, columns: 3),
      tensors: [.init("weight", 0..<15, shape: [3, 5])], total: 60)
    #expect(tall.optimizer.tensorSlots.map(\.slot.name).suffix(2) == ["right-factor", "right-basis"])
    #expect(wide.optimizer.tensorSlots.map(\.slot.name).suffix(2) == ["left-factor", "left-basis"])
    for number in 1...60 {
      let gradient = FloatBuffer(count: 15)
      Philox(seed: seed, stream: 2).fillUniform(gradient.all, bound: 1, first: UInt64(number) << 32)
      tall.step(gradient.array, examples: 1, ranges: [0..<15])
      wide.step(transposed(gradient.array, rows: 5, columns: 3), examples: 1, ranges: [0..<15])
      if number == 1 { #expect(tall.parameters.array == start.array, "the first update moves something") }
      let want = transposed(tall.parameters.array, rows: 5, columns: 3)
      for (got, value) in zip(wide.parameters.array, want) {
        #expect(abs(got - value) < 1e-4, "seed \(seed), step \(number)")
      }
    }
    #expect(tall.parameters.array != start.array)
  }

  @Test("the last round ends with the run, however many updates that has", arguments: ["sgd", "adam", "lamb"])
  func lastRound(_ rule: String) throws {
    let fixtures = Self.fixtures
    let sums = fixtures.gradientSums["even"]!
    /// The parameters after updates of which the last is the run's last or not.
    func after(_ updates: Int, of total: Int, every: UInt64, isLast: Bool?) throws -> [[UInt32]] {
      var run = try Trajectory(
        OptimizerSettings(rule, given: ["outer-every": .whole(every)]), start: fixtures.start,
        tensors: fixtures.optimizerTensors, total: total)
      for number in 1...updates {
        run.step(sums[number - 1], examples: 32, ranges: [0..<24], isLast: number == updates ? isLast : nil)
      }
      return run.bits
    }
    let ended = try after(5, of: 5, every: 3, isLast: nil)
    #expect(try after(5, of: 9, every: 3, isLast: true) == ended, "a run that skips four steps")
    let open = try after(5, of: 9, every: 3, isLast: nil)
    #expect(open != ended)
    #expect(try after(5, of: 5, every: 3, isLast: false) == open)
    let whole = try after(6, of: 6, every: 3, isLast: nil)
    #expect(try after(6, of: 9, every: 3, isLast: nil) == whole, "a round that is whole ends in any case")
    // The parameters are those of the rule alone until a round ends.
    #expect(try after(2, of: 9, every: 3, isLast: nil)[0] == after(2, of: 9, every: 0, isLast: nil)[0])
    #expect(try after(3, of: 9, every: 3, isLast: nil)[0] != after(3, of: 9, every: 0, isLast: nil)[0])
  }

  @Test("an auto blend's λ follows the derivative of the loss, as central differences find it")
  func lambdaFollowsItsGradient() throws {
    // A quadratic with curvatures c: L(θ) = ½ Σ c θ², ∇L = c θ.
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let count = 40
    let curvatures = (0..<count).map { _ in Double.random(in: 0.1...3, using: &random) }
    let start = (0..<count).map { _ in Float.random(in: -2...2, using: &random) }
    func loss(_ parameters: [Float]) -> Double {
      zip(curvatures, parameters).reduce(0) { $0 + 0.5 * $1.0 * Double($1.1) * Double($1.1) }
    }
    func gradient(_ parameters: [Float]) -> [Float] { zip(curvatures, parameters).map { Float($0 * Double($1)) } }
    /// θ after two updates, λ of the second being `lambda`.
    func after(_ lambda: Double) throws -> Trajectory {
      let auto: [String: OptionValue] = [
        "blend": "auto", "learning-rate": 0.05, "lambda-rate": 1e-30, "lambda": .real(lambda),
      ]
      var run = try Trajectory(
        OptimizerSettings("blend", given: auto), start: start, tensors: [.init("w", 0..<count)], total: 10)
      run.step(gradient(start), examples: 1, ranges: [0..<count])
      return run
    }
    let h = 1e-2
    let expected =
      try (loss(after(0.5 + h).parameters.array) - loss(after(0.5 - h).parameters.array)) / (2 * h)
    // What λ moves by in the next update is its gradient times the rate.
    let auto: [String: OptionValue] = ["blend": "auto", "learning-rate": 0.05, "lambda-rate": 1e-3, "lambda": 0.5]
    var run = try Trajectory(
      OptimizerSettings("blend", given: auto), start: start, tensors: [.init("w", 0..<count)], total: 10)
    run.step(gradient(start), examples: 1, ranges: [0..<count])
    run.step(gradient(run.parameters.array), examples: 1, ranges: [0..<count])
    let moved = try (0.5 - #require(run.optimizer.state.lambda)) / 1e-3
    #expect(abs(moved - expected) <= 1e-3 * max(abs(expected), 1e-2), "seed \(seed): \(moved) for \(expected)")
  }
}

@Suite struct ScheduleTests {
  @Test("the learning rate is the float64 script's", arguments: ScheduleFixtures.shared.cases)
  func agreesWithScript(_ expected: ScheduleFixtures.Case) throws {
    var options = given(expected.options)
    options["schedule"] = .text(expected.schedule)
    options["learning-rate"] = .real(expected.baseRate)
    let schedule = Schedule(
      try OptimizerSettings("sgd", given: options), total: expected.totalSteps, stepsPerEpoch: expected.stepsPerEpoch)
    var state = OptimizerState()
    var evaluations = expected.evaluations[...]
    for number in 1...expected.totalSteps {
      if let want = expected.rates["\(number)"] {
        let got = schedule.learningRate(number, state)
        #expect(abs(got - want) <= 1e-12 * max(want, expected.baseRate), "update \(number): \(got) for \(want)")
      }
      while let evaluation = evaluations.first, Int(evaluation[0]) == number {
        schedule.evaluated(evaluation[1], &state)
        evaluations.removeFirst()
      }
    }
    #expect(evaluations.isEmpty)
  }

  @Test func everyScheduleHasCases() {
    let covered = Set(ScheduleFixtures.shared.cases.map(\.schedule) + ["hypergradient"])
    #expect(covered == Set(ScheduleKind.allCases.map(\.rawValue)))
  }
}

@Suite struct OptimizerSettingsTests {
  @Test func fillsInTheDefaultsOfThePaper() throws {
    let adam = try OptimizerSettings("adam", given: ["beta1": 0.5])
    #expect(adam.values["learning-rate"] == 0.001 && adam.values["beta1"] == 0.5)
    #expect(adam.values["beta2"] == 0.999 && adam.values["epsilon"] == 1e-8)
    #expect(adam.values.isOn("bias-correction") && adam.values["weight-decay"] == 0 && adam.values["warmup"] == 0)
    #expect(adam.learningRate == 0.001)
  }

  @Test func outerStepsHaveTwoSlotsOfTheirOwnAndDefaults() throws {
    let plain = try OptimizerSettings("adam", given: [:])
    #expect(plain.outerEvery == 0 && plain.values.ifGiven("outer-momentum") == nil)
    #expect(try plain.rule().slots == ["first-moment", "second-moment"])
    let outer = try OptimizerSettings("adam", given: ["outer-every": 8])
    #expect(outer.values["outer-learning-rate"] == 0.4 && outer.values["outer-momentum"] == 0.9)
    #expect(try outer.rule().slots == ["first-moment", "second-moment", "outer-anchor", "outer-momentum"])
    for rule in UpdateRules.builtIn where !rule.averages {
      let wrapped = type(of: try OptimizerSettings(rule.name, given: ["outer-every": 8]).rule())
      #expect(wrapped.name == rule.name && wrapped.stepIsWhole == rule.stepIsWhole)
      #expect(wrapped.weightDecay == rule.weightDecay && wrapped.writesSlotsBeside == rule.writesSlotsBeside)
    }
  }

  private static let known =
    "gradient-descent, sgd, momentum, nesterov, rmsprop, rmsprop-momentum, adam, adamw, nadam, adagrad, adadelta, "
    + "blend, lamb, lars, lion, adan, stable-adamw, muon, schedule-free, adafactor, soap"

  @Test(
    "refuses what makes no sense, by name",
    arguments: [
      ("sgdd", [:], "--optimizer sgdd: unknown optimizer; known are " + known),
      ("sgd", ["beta1": 0.9], "--beta1 does not go with --optimizer sgd; it belongs to rmsprop-momentum, adam, adamw"),
      ("adam", ["rho": 0.9], "--rho does not go with --optimizer adam; it belongs to rmsprop, rmsprop-momentum"),
      ("adam", ["beta2": 1.0], "--beta2 1.0: for adam it must be at least 0 and below 1"),
      (
        "adam", ["learning-rate": -1.0],
        "--learning-rate -1.0: for adam it must be above 0, and representable in float32"
      ),
      (
        "adam", ["learning-rate": .real(.infinity)],
        "--learning-rate inf: for adam it must be above 0, and representable in float32"
      ),
      ("adam", ["epsilon": 1e-50], "--epsilon 1e-50: for adam it must be above 0, and representable in float32"),
      ("rmsprop", ["epsilon": 0.0], "--epsilon 0.0: for rmsprop it must be above 0, and representable in float32"),
      ("rmsprop", ["rho": .real(.nan)], "--rho nan: for rmsprop it must be at least 0 and below 1"),
      ("blend", ["lambda": 1.5], "--lambda 1.5: for blend it must be from 0 to 1"),
      ("adam", ["epsilon-hat": true, "bias-correction": false], "--epsilon-hat yes needs --bias-correction yes"),
      (
        "adamw", ["weight-decay-kind": "coupled"],
        "--weight-decay-kind does not go with --optimizer adamw; it belongs to"
      ),
      ("sgd", ["weight-decay": -1.0], "--weight-decay -1.0: for sgd it must be at least 0"),
      ("sgd", ["clip-value": 1, "clip-norm": 1], "--clip-value and --clip-norm exclude each other"),
      ("sgd", ["schedule-power": 2], "--schedule-power does not go with --schedule constant; it belongs to polynomial"),
      ("rmsprop", ["schedule": "hypergradient"], "--schedule hypergradient goes with sgd and adam, not with rmsprop"),
      ("sgd", ["schedule": "hypergradient", "warmup": 5], "--warmup does not go with --schedule hypergradient"),
      ("sgd", ["warmup": 1.5], "--warmup 1.5: for sgd it must be a whole number from 0 to 281474976710656"),
      (
        "sgd", ["schedule": "cosine", "schedule-growth": 1e17], "--schedule-growth 1e+17: for sgd it must be from 1 to"
      ),
      (
        "sgd", ["outer-momentum": 0.5],
        "--outer-momentum needs --outer-every, the updates from an outer step to the next"
      ),
      ("adam", ["outer-every": 0, "outer-learning-rate": 0.4], "--outer-learning-rate needs --outer-every"),
      (
        "adam", ["outer-every": -1.0],
        "--outer-every -1.0: for adam it must be a whole number from 0 to 281474976710656"
      ),
      ("adam", ["outer-every": 1.5], "--outer-every 1.5: for adam it must be a whole number from 0"),
      (
        "lamb", ["outer-every": 8, "outer-momentum": 1.0],
        "--outer-momentum 1.0: for lamb it must be at least 0 and below"
      ),
      (
        "lamb", ["outer-every": 8, "outer-learning-rate": 0.0], "--outer-learning-rate 0.0: for lamb it must be above 0"
      ),
      // No option can say these, but a message can.
      ("sgd", ["schedule": 10.0], "--schedule 10.0: for sgd it must be one of constant"),
      ("adam", ["weight-decay-kind": -1.0], "--weight-decay-kind -1.0: for adam it must be one of coupled, decoupled"),
      ("blend", ["blend": .real(.infinity)], "--blend inf: for blend it must be one of constant"),
      ("adam", ["bias-correction": .real(.nan)], "--bias-correction nan: for adam it must be yes or no"),
    ] as [(String, [String: OptionValue], String)])
  func refuses(_ name: String, _ given: [String: OptionValue], _ message: String) {
    let error = #expect(throws: OptionError.self) { try OptimizerSettings(name, given: given) }
    #expect(error?.description.hasPrefix(message) == true, "\(String(describing: error))")
  }

  @Test("copies of an optimizer step at the same time, each as it would alone", arguments: ["muon", "lamb", "adam"])
  func copies(_ rule: String) throws {
    let fixtures = RuleFixtures.shared
    let sums = fixtures.gradientSums["even"]!.suffix(8).map { $0 }
    func start() throws -> Trajectory {
      try Trajectory(
        OptimizerSettings(rule, given: [:]), start: fixtures.start, tensors: fixtures.optimizerTensors, total: 1)
    }
    let alone = try sums.map { sum in
      var run = try start()
      run.step(sum, examples: 32, ranges: [0..<24])
      return run.bits
    }
    let original = try start()
    let together = Mutex(alone)
    for _ in 0..<50 {
      DispatchQueue.concurrentPerform(iterations: sums.count) { index in
        var run = original.copy
        run.step(sums[index], examples: 32, ranges: [0..<24])
        together.withLock { $0[index] = run.bits }
      }
      #expect(together.withLock { $0 } == alone)
    }
  }

  @Test("a value is written as it is read", arguments: OptimizerSettings.options.map(\.name))
  func texts(_ name: String) throws {
    let option = OptimizerSettings.options.first { $0.name == name }!
    for value in [option.defaultValue, 0, 1].compactMap(\.self) {
      guard let checked = option.check(value) else { continue }
      #expect(try option.value(of: checked.description) == checked)
    }
    #expect(throws: OptionError.self) { try option.value(of: "") }
    // Any text is one of groups, until the rule is known.
    for text in ["x", "nan", "inf"] where option.kind != .text {
      #expect(throws: OptionError.self) { try option.value(of: text) }
    }
  }

  @Test("choices and flags of former files are read by position")
  func formerFiles() throws {
    let blend = try OptimizerSettings("blend", given: ["blend": 2, "schedule": 4, "decay-biases": 0])
    #expect(blend.values.text("blend") == "to-adam" && blend.schedule == .cosine && !blend.values.isOn("decay-biases"))
  }

  @Test("waves that grow fast do not outgrow the numbers that count them")
  func growth() throws {
    let settings = try OptimizerSettings(
      "sgd", given: ["schedule": "cosine", "schedule-growth": 1e6, "schedule-steps": .whole(1 << 48)])
    let schedule = Schedule(settings, total: 1 << 48, stepsPerEpoch: 1)
    for number in [1, 1 << 47, 1 << 48] {
      #expect((0...0.01).contains(schedule.learningRate(number, OptimizerState())))
    }
    let short = try OptimizerSettings(
      "sgd", given: ["schedule": "cosine", "schedule-growth": 1e6, "schedule-steps": 1])
    #expect(Schedule(short, total: 1 << 48, stepsPerEpoch: 1).learningRate(1 << 48, OptimizerState()).isFinite)
  }
}
