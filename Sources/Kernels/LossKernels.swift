internal import CKernels

/// Sums over the rows of a cross-entropy.
package struct ClassSums {
  /// Of the labels' weights.
  package let weight: Double
  package let loss: Double
  /// Of −log softmax(logits)[label].
  package let surprise: Double
  /// The rows that are not ignored.
  package let rows: Int
  /// The rows whose label has the largest logit, or one of the five largest; of equal ones, the first counts.
  package let correct, amongFive: Int
}

/// Softmax cross-entropy. Replaces each row of `logits`, one per label, by its gradient.
///
/// - Parameters:
///   - weights: one for each class; empty if all are 1.
///   - smoothing: the part of a target that all classes share, from 0 to 1.
///   - ignored: the label of rows that count for nothing; nil for none.
package func softmaxCrossEntropy(
  _ logits: MutableFloats, labels: Labels, weights: [Float] = [], smoothing: Double = 0, ignored: Int? = nil
) -> ClassSums {
  let columns = labels.count > 0 ? logits.count / labels.count : 0
  precondition(columns * labels.count == logits.count, "\(logits.count) logits for \(labels.count) labels")
  precondition(
    (0..<labels.count).allSatisfy { labels[$0] >= 0 && labels[$0] < columns }, "a label outside 0..<\(columns)")
  precondition(
    weights.isEmpty || weights.count == columns || labels.count == 0, "\(weights.count) weights of \(columns) classes")
  var sums = lk_class_sums()
  weights.withUnsafeBufferPointer { weights in
    var options = lk_cross_entropy(
      weights: weights.isEmpty ? nil : weights.baseAddress, smoothing: smoothing, ignored: Int32(ignored ?? -1))
    kernels.softmax_cross_entropy(logits.base, labels.base, labels.count, columns, &options, &sums)
  }
  return ClassSums(
    weight: sums.weight, loss: sums.loss, surprise: sums.surprise, rows: Int(sums.rows), correct: Int(sums.correct),
    amongFive: Int(sums.among_five))
}

/// What a loss of numbers makes of an error, and the slope where Huber's is a line.
package enum RegressionLoss: Sendable {
  case squaredError
  case absoluteError
  case huber(Float)
}

/// Sums over the rows of a loss of numbers.
package struct RegressionSums {
  /// Averaged over a row's columns.
  package let loss, absoluteError: Double
  package let squaredError: Double
}

/// A loss of the errors, predictions − targets. Replaces `predictions`, rows of `columns`, by its gradient.
package func regressionLoss(
  _ loss: RegressionLoss, _ predictions: MutableFloats, targets: Floats, columns: Int
) -> RegressionSums {
  checkRows(predictions, targets, columns)
  var sums = lk_regression_sums()
  let (kind, bend): (lk_regression, Float) =
    switch loss {
    case .squaredError: (LK_SQUARED_ERROR, 0)
    case .absoluteError: (LK_ABSOLUTE_ERROR, 0)
    case .huber(let bend): (LK_HUBER, bend)
    }
  kernels.regression_loss(predictions.base, targets.base, predictions.count / columns, columns, kind, bend, &sums)
  return RegressionSums(loss: sums.loss, absoluteError: sums.absolute_error, squaredError: sums.squared_error)
}

/// Binary cross-entropy of logits. Replaces them, rows of `columns`, by its gradient, (sigmoid − target) / columns.
///
/// - Returns: the loss summed over the rows, and for each row the share of values on the target's side of ½.
package func binaryCrossEntropy(
  _ logits: MutableFloats, targets: Floats, columns: Int
) -> (loss: Double, correct: Double) {
  checkRows(logits, targets, columns)
  var (loss, correct) = (0.0, 0.0)
  kernels.binary_cross_entropy(logits.base, targets.base, logits.count / columns, columns, &loss, &correct)
  return (loss, correct)
}

private func checkRows(_ outputs: MutableFloats, _ targets: Floats, _ columns: Int) {
  precondition(outputs.count == targets.count, "\(outputs.count) outputs for \(targets.count) targets")
  precondition(columns > 0 && outputs.count % columns == 0, "\(outputs.count) outputs in rows of \(columns)")
}
