internal import Kernels
internal import Protocol

/// How well a model predicts classes, gathered example by example.
///
/// Its size does not depend on the number of examples, but for two classes, where each takes 4 bytes. Parts that several
/// threads gathered give the same bits as one that saw all examples.
package struct ClassificationScores: Sendable {
  /// What a model gives for an example, a number a class.
  package enum Outputs: Sendable { case logits, probabilities }

  package let classes: Int
  private let outputs: Outputs
  private(set) var examples = 0
  /// The examples of a class that are taken for a class, at [label × classes + prediction]; those that occur.
  private var confusion: [Int: Int] = [:]
  private var support: [Int]
  private var predicted: [Int]
  private var correct: [Int]
  private var loss = ExactSum()
  private var calibration = Calibration()
  private var curve = ReceiverCurve()

  /// The scores of no examples.
  ///
  /// - Parameters:
  ///   - classes: at least 1.
  ///   - outputs: what all examples come with.
  package init(classes: Int, _ outputs: Outputs) {
    precondition(classes > 0)
    (self.classes, self.outputs) = (classes, outputs)
    support = [Int](repeating: 0, count: classes)
    (predicted, correct) = (support, support)
  }

  /// Adds an example. The first of the largest outputs is the prediction.
  ///
  /// - Parameters:
  ///   - row: finite, a number a class. A label's probability of 0 counts as the smallest Float above it in the log loss.
  ///   - label: the class that the example has.
  /// - Throws: ``TrainingError`` for outputs that are not finite, or no probabilities.
  package mutating func add(_ row: ArraySlice<Float>, label: Int) throws {
    precondition(row.count == classes && label >= 0 && label < classes, "label \(label), \(row.count) outputs")
    if let wrong = row.first(where: { !$0.isFinite || (outputs == .probabilities && ($0 < 0 || $0 > 1)) }) {
      throw TrainingError(
        "the model gives \(wrong) as a \(outputs == .logits ? "logit" : "probability"): its parameters or the data are "
          + "out of range")
    }
    func output(_ index: Int) -> Float { row[row.startIndex + index] }
    let prediction = (1..<classes).reduce(0) { output($1) > output($0) ? $1 : $0 }
    examples += 1
    confusion[label * classes + prediction, default: 0] += 1
    support[label] += 1
    predicted[prediction] += 1
    if prediction == label { correct[label] += 1 }
    switch outputs {
    case .logits:
      let softmax = Softmax(row)
      loss.add(softmax.loss(of: output(label)))
      calibration.add(softmax.probabilities[prediction], isCorrect: prediction == label)
      if classes == 2 { curve.add(output(1) - output(0), isPositive: label == 1) }
    case .probabilities:
      loss.add(-Elementary.logarithm(Double(max(output(label), .leastNonzeroMagnitude))))
      calibration.add(Double(output(prediction)), isCorrect: prediction == label)
      if classes == 2 { curve.add(output(1), isPositive: label == 1) }
    }
  }

  /// Adds the examples of `next`.
  package mutating func append(_ next: ClassificationScores) {
    precondition(next.classes == classes && next.outputs == outputs)
    examples += next.examples
    confusion.merge(next.confusion, uniquingKeysWith: +)
    for index in 0..<classes {
      support[index] += next.support[index]
      predicted[index] += next.predicted[index]
      correct[index] += next.correct[index]
    }
    loss.add(next.loss)
    calibration.append(next.calibration)
    curve.append(next.curve)
  }
}

extension ClassificationScores {
  /// The most classes of which a report has the whole confusion matrix.
  package static let mostMatrixClasses = 1000
  /// The most confusions that a report names.
  package static let mostConfusions = 20

  /// The figures of all examples added.
  package var report: ClassificationReport {
    let perClass = (0..<classes).map { index in
      ClassificationReport.ClassFigures(
        precision: ratio(correct[index], predicted[index]), recall: ratio(correct[index], support[index]),
        f1: ratio(2 * correct[index], predicted[index] + support[index]), support: support[index])
    }
    let weights = support.map(Double.init)
    let same = support.map { _ in 1.0 }
    func averages(_ weights: [Double]) -> ClassificationReport.Averages {
      ClassificationReport.Averages(
        precision: mean(perClass.map(\.precision), weights), recall: mean(perClass.map(\.recall), weights),
        f1: mean(perClass.map(\.f1), weights))
    }
    return ClassificationReport(
      examples: examples, accuracy: ratio(correct.reduce(0, +), examples),
      balancedAccuracy: mean(perClass.map(\.recall), same), logLoss: examples > 0 ? loss.value / Double(examples) : nil,
      areaUnderCurve: curve.area, classes: perClass, macroAverage: averages(same), weightedAverage: averages(weights),
      confusionMatrix: matrix, confusions: confusions, calibration: calibration.report,
      calibrationError: calibration.expectedError)
  }

  private var matrix: [[Int]]? {
    guard classes <= ClassificationScores.mostMatrixClasses else { return nil }
    return (0..<classes).map { label in (0..<classes).map { confusion[label * classes + $0] ?? 0 } }
  }

  private var confusions: [ClassificationReport.Confusion] {
    let wrong = confusion.filter { $0.key / classes != $0.key % classes }
    let worst = wrong.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(ClassificationScores.mostConfusions)
    return worst.map {
      ClassificationReport.Confusion(label: $0.key / classes, prediction: $0.key % classes, examples: $0.value)
    }
  }

  private func ratio(_ part: Int, _ all: Int) -> Double? { all > 0 ? Double(part) / Double(all) : nil }

  /// The mean of those values that exist, summed in the order of the classes.
  private func mean(_ values: [Double?], _ weights: [Double]) -> Double? {
    var (sum, weight) = (0.0, 0.0)
    for case (let value?, let own) in zip(values, weights) {
      sum += own * value
      weight += own
    }
    return weight > 0 ? sum / weight : nil
  }
}
