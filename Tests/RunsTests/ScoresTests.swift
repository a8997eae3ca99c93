import Foundation
import Protocol
import TestSupport
import Testing

@testable import Runs

/// What scikit-learn and NumPy compute; Fixtures/scores.py writes it.
struct ScoreFixtures: Decodable {
  struct Classification: Decodable, CustomTestStringConvertible {
    let name: String
    let classes: Int
    let isLogits: Bool
    let labels: [Int]
    let rows: [Float]
    let confusion: [[Int]]
    let accuracy, balancedAccuracy, logLoss: Double
    let areaUnderCurve: Double?
    /// Precision, recall and F1, of each class.
    let perClass: [[Double?]]
    let macro, weighted: [[Double?]]
    /// Examples, mean confidence and accuracy of each bin.
    let calibration: [[Double?]]
    let calibrationError: Double

    var testDescription: String { name }

    func scores(_ range: Range<Int>) throws -> ClassificationScores {
      var scores = ClassificationScores(classes: classes, isLogits ? .logits : .probabilities)
      for row in range { try scores.add(rows[row * classes..<(row + 1) * classes], label: labels[row]) }
      return scores
    }
  }

  struct Regression: Decodable, CustomTestStringConvertible {
    let name: String
    let outputs: Int
    let targets, predictions: [Float]
    let rSquared: [Double?]
    let meanAbsoluteError, rootMeanSquaredError, meanError: [Double]
    /// A row and its error, of each output.
    let largestError: [[Double]]

    var testDescription: String { name }
    var rows: Int { targets.count / outputs }

    func scores(_ range: Range<Int>) throws -> RegressionScores {
      var scores = RegressionScores(outputs: outputs)
      for row in range {
        let own = row * outputs..<(row + 1) * outputs
        try scores.add(record: row, predictions[own], targets: targets[own])
      }
      return scores
    }
  }

  let classification: [Classification]
  let regression: [Regression]

  static let shared: ScoreFixtures = {
    let url = Bundle.module.url(forResource: "scores", withExtension: "json", subdirectory: "Fixtures")!
    // swift-format-ignore: NeverUseForceTry
    return try! JSONDecoder().decode(ScoreFixtures.self, from: Data(contentsOf: url))
  }()
}

@Suite struct ScoresTests {
  private func expectEqual(
    _ found: Double?, _ expected: Double?, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    guard let found, let expected else {
      #expect(found == nil && expected == nil, comment, sourceLocation: sourceLocation)
      return
    }
    #expect(abs(found - expected) <= 1e-11 * max(abs(expected), 1e-3), comment, sourceLocation: sourceLocation)
  }

  /// Sorted, so that equal values have equal texts.
  private func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// Cuts `count` rows into parts, some of them empty.
  private func parts(of count: Int, _ random: inout SeededGenerator) -> [Range<Int>] {
    let cuts = ([0, count] + (0..<4).map { _ in Int.random(in: 0...count, using: &random) }).sorted()
    return zip(cuts, cuts.dropFirst()).map { $0..<$1 }
  }

  // MARK: Classes

  @Test("figures of predicted classes are scikit-learn's", arguments: ScoreFixtures.shared.classification)
  func classification(_ fixture: ScoreFixtures.Classification) throws {
    let report = try fixture.scores(0..<fixture.labels.count).report
    #expect(report.examples == fixture.labels.count)
    #expect(report.confusionMatrix == fixture.confusion)
    expectEqual(report.accuracy, fixture.accuracy, "accuracy")
    expectEqual(report.balancedAccuracy, fixture.balancedAccuracy, "balanced accuracy")
    expectEqual(report.logLoss, fixture.logLoss, "log loss")
    expectEqual(report.areaUnderCurve, fixture.areaUnderCurve, "area")
    for (index, figures) in report.classes.enumerated() {
      expectEqual(figures.precision, fixture.perClass[0][index], "precision of \(index)")
      expectEqual(figures.recall, fixture.perClass[1][index], "recall of \(index)")
      expectEqual(figures.f1, fixture.perClass[2][index], "F1 of \(index)")
      #expect(figures.support == fixture.confusion[index].reduce(0, +))
    }
    for (average, expected) in [(report.macroAverage, fixture.macro), (report.weightedAverage, fixture.weighted)] {
      expectEqual(average.precision, expected[0][0], "average precision")
      expectEqual(average.recall, expected[1][0], "average recall")
      expectEqual(average.f1, expected[2][0], "average F1")
    }
    for (bin, expected) in zip(report.calibration, fixture.calibration) {
      #expect(Double(bin.examples) == expected[0])
      expectEqual(bin.confidence, expected[1], "confidence from \(bin.from)")
      expectEqual(bin.accuracy, expected[2], "accuracy from \(bin.from)")
    }
    expectEqual(report.calibrationError, fixture.calibrationError, "calibration error")
    for confusion in report.confusions {
      #expect(confusion.examples == fixture.confusion[confusion.label][confusion.prediction])
    }
    let wrong = fixture.confusion.indices.flatMap { label in
      fixture.confusion.indices.filter { $0 != label }.map { fixture.confusion[label][$0] }
    }
    #expect(report.confusions.map(\.examples) == wrong.filter { $0 > 0 }.sorted(by: >).prefix(20).map { $0 })
  }

  @Test(
    "parts of the examples give the same bits, however they are cut", arguments: ScoreFixtures.shared.classification)
  func mergedClassification(_ fixture: ScoreFixtures.Classification) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let whole = try json(fixture.scores(0..<fixture.labels.count).report)
    for _ in 0..<5 {
      var merged = try fixture.scores(0..<0)
      for part in parts(of: fixture.labels.count, &random) { merged.append(try fixture.scores(part)) }
      #expect(try json(merged.report) == whole, "seed \(seed)")
    }
  }

  @Test("without examples nothing is defined, and JSON has no key for it")
  func noExamples() throws {
    let report = ClassificationScores(classes: 2, .logits).report
    #expect(report.accuracy == nil && report.balancedAccuracy == nil && report.logLoss == nil)
    #expect(report.areaUnderCurve == nil && report.calibrationError == nil && report.macroAverage.f1 == nil)
    let text = try json(report)
    #expect(!text.contains("log_loss") && text.contains(#""confusion_matrix":[[0,0],[0,0]]"#))
    #expect(try JSONDecoder().decode(ClassificationReport.self, from: Data(text.utf8)) == report)
    #expect(try json(RegressionScores(outputs: 1).report) == #"{"examples":0,"outputs":[{}]}"#)
  }

  @Test("JSON has these keys, in snake case")
  func keys() throws {
    var scores = ClassificationScores(classes: 2, .probabilities)
    try scores.add([0.25, 0.75], label: 1)
    try scores.add([0.75, 0.25], label: 1)
    try scores.add([1, 0], label: 0)
    let text = try json(scores.report)
    for key in [
      #"{"accuracy":0.6666666666666666,"area_under_curve":1,"balanced_accuracy":0.75,"calibration":[{"examples":0,"#,
      #"{"accuracy":0.5,"confidence":0.75,"examples":2,"from":0.7,"to":0.8}"#, #""calibration_error":0.16"#,
      #""classes":[{"f1":0.66"#, #""confusion_matrix":[[1,0],[1,1]],"confusions":[{"examples":1,"label":1,"#,
      #""log_loss":0.5"#, #""macro_average":{"f1":"#, #""weighted_average":{"f1":"#,
    ] { #expect(text.contains(key), "\(text)") }
    var regression = RegressionScores(outputs: 1)
    try regression.add(record: 3, [1], targets: [2])
    try regression.add(record: 4, [4], targets: [4])
    #expect(
      try json(regression.report)
        == #"{"examples":2,"outputs":[{"largest_error":{"record":3,"value":-1},"mean_absolute_error":0.5,"#
        + #""mean_error":-0.5,"r_squared":0.5,"root_mean_squared_error":0.7071067811865476}]}"#)
  }

  @Test("many classes take no square of memory, and have confusions but no matrix")
  func manyClasses() throws {
    let classes = 100_000
    var scores = ClassificationScores(classes: classes, .logits)
    var row = [Float](repeating: 0, count: classes)
    row[99_999] = 20
    try scores.add(row[...], label: 99_999)
    try scores.add(row[...], label: 7)
    let report = scores.report
    #expect(report.confusionMatrix == nil && report.accuracy == 0.5)
    #expect(report.confusions.map { [$0.label, $0.prediction, $0.examples] } == [[7, 99_999, 1]])
  }

  @Test("a label's probability of 0 has a finite loss; outputs that are no numbers are refused")
  func extremes() throws {
    var scores = ClassificationScores(classes: 2, .probabilities)
    try scores.add([1, 0], label: 1)
    expectEqual(scores.report.logLoss, 149 * log(2.0), "of 2^-149")
    var logits = ClassificationScores(classes: 2, .logits)
    try logits.add([1e5, -1e5], label: 1)
    expectEqual(logits.report.logLoss, 2e5, "of logits")
    for row: ArraySlice<Float> in [[.nan, 0], [0, .infinity]] {
      #expect(throws: TrainingError.self) { try scores.add(row, label: 0) }
      #expect(throws: TrainingError.self) { try logits.add(row, label: 0) }
    }
    #expect(throws: TrainingError.self) { try scores.add([1.5, -0.5], label: 0) }
    #expect(scores.report.examples == 1 && logits.report.examples == 1)
    var numbers = RegressionScores(outputs: 1)
    #expect(throws: TrainingError.self) { try numbers.add(record: 0, [.nan], targets: [0]) }
  }

  @Test("the area counts each pair of examples once, equal scores half")
  func area() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<50 {
      let examples = (0..<60).map { _ in
        (score: Float(Int.random(in: 0...10, using: &random)), isPositive: Bool.random(using: &random))
      }
      var curve = ReceiverCurve()
      for example in examples { curve.add(example.score, isPositive: example.isPositive) }
      var (won, pairs) = (0.0, 0.0)
      for positive in examples where positive.isPositive {
        for negative in examples where !negative.isPositive {
          won += positive.score > negative.score ? 1 : positive.score == negative.score ? 0.5 : 0
          pairs += 1
        }
      }
      #expect(curve.area == (pairs > 0 ? won / pairs : nil), "seed \(seed)")
    }
  }

  // MARK: Numbers

  @Test("figures of predicted numbers are scikit-learn's", arguments: ScoreFixtures.shared.regression)
  func regression(_ fixture: ScoreFixtures.Regression) throws {
    let report = try fixture.scores(0..<fixture.rows).report
    #expect(report.examples == fixture.rows)
    for (index, output) in report.outputs.enumerated() {
      expectEqual(output.rSquared, fixture.rSquared[index], "R² of \(index)")
      expectEqual(output.meanAbsoluteError, fixture.meanAbsoluteError[index], "absolute error of \(index)")
      expectEqual(output.rootMeanSquaredError, fixture.rootMeanSquaredError[index], "squared error of \(index)")
      expectEqual(output.meanError, fixture.meanError[index], "mean error of \(index)")
      let largest = try #require(output.largestError)
      #expect([Double(largest.record), largest.value] == fixture.largestError[index])
    }
  }

  @Test("parts of the rows give the same bits, however they are cut", arguments: ScoreFixtures.shared.regression)
  func mergedRegression(_ fixture: ScoreFixtures.Regression) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let whole = try json(fixture.scores(0..<fixture.rows).report)
    for _ in 0..<5 {
      var merged = RegressionScores(outputs: fixture.outputs)
      for part in parts(of: fixture.rows, &random).shuffled(using: &random) { merged.append(try fixture.scores(part)) }
      #expect(try json(merged.report) == whole, "seed \(seed)")
    }
  }

  @Test("errors of very different sizes give the same bits too, in any parts")
  func mergedSizes() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let values = (0..<400).map { _ in
      Float(sign: .plus, exponent: [0, -35].randomElement(using: &random)!, significand: 1)
        * Float.random(in: -1...1, using: &random)
    }
    func scores(_ rows: Range<Int>) throws -> RegressionScores {
      var scores = RegressionScores(outputs: 1)
      for row in rows {
        try scores.add(record: row, values[2 * row..<2 * row + 1], targets: values[2 * row + 1..<2 * row + 2])
      }
      return scores
    }
    let whole = try json(scores(0..<200).report)
    for _ in 0..<20 {
      var merged = RegressionScores(outputs: 1)
      for part in parts(of: 200, &random).shuffled(using: &random) { merged.append(try scores(part)) }
      #expect(try json(merged.report) == whole, "seed \(seed)")
    }
  }

  // MARK: Sums

  @Test("a sum is the exact one, whatever its terms' sizes, signs and order")
  func exactSum() {
    func sum(_ terms: [Double]) -> Double {
      var sum = ExactSum()
      for term in terms { sum.add(term) }
      return sum.value
    }
    #expect(sum([1e300, 1, -1e300]) == 1)
    #expect(
      sum([.greatestFiniteMagnitude, -.leastNonzeroMagnitude, -.greatestFiniteMagnitude]) == -.leastNonzeroMagnitude)
    #expect(sum([0x1p-1074, 0x1p-1022, -0x1p-1022]) == 0x1p-1074)
    #expect(sum([-3, 1]) == -2 && sum([]) == 0 && sum([0.1, -0.1]) == 0)
    #expect(
      sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude / 2, -.greatestFiniteMagnitude])
        == .greatestFiniteMagnitude / 2)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      // Multiples of 2^-40 below 2^40, whose sums an Int has.
      let numbers = (0..<50).map { _ in
        Int.random(in: -(1 << 52)...1 << 52, using: &random) >> Int.random(in: 0...50, using: &random)
      }
      let terms = numbers.map { Double($0) * 0x1p-40 }
      #expect(sum(terms) == Double(numbers.reduce(0, +)) * 0x1p-40, "seed \(seed)")
      let wide = terms.map {
        $0 * Double(sign: .plus, exponent: Int.random(in: -900...900, using: &random), significand: 1)
      }
      let found = sum(wide)
      #expect(sum(wide.shuffled(using: &random)).bitPattern == found.bitPattern, "seed \(seed)")
      #expect(sum(wide + wide.map { -$0 }.shuffled(using: &random)) == 0, "seed \(seed)")
      var (left, right) = (ExactSum(), ExactSum())
      for term in wide[..<20] { left.add(term) }
      for term in wide[20...] { right.add(term) }
      right.add(left)
      #expect(right.value.bitPattern == found.bitPattern, "seed \(seed)")
    }
  }

  @Test("probabilities of logits have NumPy's bits, and sum up where they are far apart")
  func softmax() {
    let softmax = Softmax([1, 2, 0.5])
    let bits = softmax.probabilities.map(\.bitPattern)
    #expect(
      bits == [0x3FCD_98BE_A32B_9EC2, 0x3FE4_1CEE_8D50_6BED, 0x3FC1_F387_2792_B189],
      "\(bits.map { String($0, radix: 16) })")
    #expect(Softmax([-1000, 1000]).probabilities == [0, 1])
  }
}
