package import Datasets
internal import Files
internal import Foundation

/// What a saved model's predictions are worth on examples with labels.
package enum Scores: Sendable {
  case classification(ClassificationReport, classes: [String])
  case regression(RegressionReport, labels: [String])

  /// Computes the predictions for `examples` on all cores, and their scores.
  ///
  /// - Throws: ``TrainingError`` for a prediction that is not finite.
  package init(_ predictor: Predictor, _ examples: Examples) throws {
    let width = predictor.outputs
    let names = predictor.classes
    let (step, ignored) = (min(predictor.mostRecords, 1 << 14), predictor.ignoredClass)
    var classes = ClassificationScores(classes: width, .logits)
    var numbers = RegressionScores(outputs: width)
    for first in stride(from: 0, to: examples.count, by: step) {
      let range = first..<min(first + step, examples.count)
      let outputs =
        names == nil ? predictor.predictions(for: examples, in: range) : predictor.logits(for: examples, in: range)
      for (place, index) in range.enumerated() {
        let values = outputs[place * width..<(place + 1) * width]
        if let label = examples.label(index) {
          if label != ignored { try classes.add(values, label: label) }
        } else {
          let targets = predictor.inUnits(examples.values(index) ?? [])
          try numbers.add(record: examples.record(index), values, targets: targets[...])
        }
      }
    }
    if let names {
      var report = classes.report
      for (index, name) in names.enumerated() { report.classes[index].name = name }
      self = .classification(report, classes: names)
    } else {
      self = .regression(numbers.report, labels: predictor.labelNames)
    }
  }
}

/// The figures of an evaluation, as JSON.
package struct EvaluationFile: Encodable {
  private var data: String
  private var examples: Int
  /// The loss and the model's figures by name.
  private var test: [String: Double]
  private var classNames: [String]?
  private var classification: ClassificationReport?
  private var labels: [String]?
  private var regression: RegressionReport?

  private enum CodingKeys: String, CodingKey {
    case data, examples, test, classification, labels, regression
    case classNames = "class_names"
  }

  /// - Parameter scores: nil for models without outputs for each example.
  package init(data: String, examples: Int, test: [String: Double], _ scores: Scores?) {
    (self.data, self.examples, self.test) = (data, examples, test)
    switch scores {
    case .classification(let report, let names): (classification, classNames) = (report, names)
    case .regression(let report, let names): (regression, labels) = (report, names)
    case nil: break
    }
  }

  /// Writes the file, whole or not at all.
  package func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: path)
  }
}
