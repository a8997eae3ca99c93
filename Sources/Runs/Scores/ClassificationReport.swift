/// Figures of a model that predicts classes.
///
/// A value that is not defined is nil, and has no key in JSON: precision of a class that is never predicted, recall of a
/// class without examples, F1 of a class with neither.
package struct ClassificationReport: Codable, Equatable, Sendable {
  package var examples: Int
  package var accuracy: Double?
  /// The mean recall of the classes that have examples.
  package var balancedAccuracy: Double?
  /// The mean of −log of the label's probability.
  package var logLoss: Double?
  /// Of the receiver operating characteristic of class 1; for two classes only.
  package var areaUnderCurve: Double?
  package var classes: [ClassFigures]
  /// Means over the classes whose value is defined.
  package var macroAverage: Averages
  /// The same, each class weighted by its support.
  package var weightedAverage: Averages
  /// A row for each class that examples have, a column for each that is predicted; nil for more than
  /// ``ClassificationScores/mostMatrixClasses``.
  package var confusionMatrix: [[Int]]?
  /// The most frequent ones first, at most ``ClassificationScores/mostConfusions``.
  package var confusions: [Confusion]
  package var calibration: [CalibrationBin]
  /// The expected distance of confidence and accuracy, over the bins.
  package var calibrationError: Double?

  /// Of one class.
  package struct ClassFigures: Codable, Equatable, Sendable {
    package var name: String?
    package var precision: Double?
    package var recall: Double?
    package var f1: Double?
    /// The examples that have the class.
    package var support: Int
  }

  /// Of all classes.
  package struct Averages: Codable, Equatable, Sendable {
    package var precision: Double?
    package var recall: Double?
    package var f1: Double?
  }

  /// Examples of one class that are taken for another.
  package struct Confusion: Codable, Equatable, Sendable {
    package var label: Int
    package var prediction: Int
    package var examples: Int
  }

  /// Examples whose likeliest class has a probability from `from`, below `to` (or up to 1).
  package struct CalibrationBin: Codable, Equatable, Sendable {
    package var from: Double
    package var to: Double
    package var examples: Int
    /// The mean probability of the likeliest class.
    package var confidence: Double?
    /// How often that class is right.
    package var accuracy: Double?
  }

  private enum CodingKeys: String, CodingKey {
    case examples, accuracy, classes, confusions, calibration
    case balancedAccuracy = "balanced_accuracy"
    case logLoss = "log_loss"
    case areaUnderCurve = "area_under_curve"
    case macroAverage = "macro_average"
    case weightedAverage = "weighted_average"
    case confusionMatrix = "confusion_matrix"
    case calibrationError = "calibration_error"
  }
}
