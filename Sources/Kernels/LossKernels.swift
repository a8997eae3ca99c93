internal import CKernels

/// Softmax cross-entropy. Replaces each row of `logits`, one per label, by its gradient, softmax − one-hot.
///
/// - Returns: the loss summed over the rows, and how many rows have their largest logit at the label.
package func softmaxCrossEntropy(_ logits: MutableFloats, labels: Labels) -> (loss: Double, correct: Int) {
  guard labels.count > 0 else { return (0, 0) }
  let columns = logits.count / labels.count
  precondition(columns * labels.count == logits.count, "\(logits.count) logits for \(labels.count) labels")
  precondition(
    (0..<labels.count).allSatisfy { labels[$0] >= 0 && labels[$0] < columns }, "a label outside 0..<\(columns)")
  var loss = 0.0
  var correct: Int64 = 0
  kernels.softmax_cross_entropy(logits.base, labels.base, labels.count, columns, &loss, &correct)
  return (loss, Int(correct))
}

/// Squared error. Replaces `predictions`, rows of `columns`, by its gradient, 2 (prediction − target) / columns.
///
/// - Returns: the loss (the squared error averaged over a row's columns) summed over the rows, and the plain sum of
///   squared errors.
package func meanSquaredError(
  _ predictions: MutableFloats, targets: Floats, columns: Int
) -> (loss: Double, squaredError: Double) {
  precondition(predictions.count == targets.count, "\(predictions.count) predictions for \(targets.count) targets")
  precondition(
    columns > 0 && predictions.count % columns == 0, "\(predictions.count) predictions in rows of \(columns)")
  var loss = 0.0
  var squaredError = 0.0
  kernels.mean_squared_error(
    predictions.base, targets.base, predictions.count / columns, columns, &loss, &squaredError)
  return (loss, squaredError)
}
