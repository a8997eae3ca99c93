package import Datasets
package import Kernels

/// What training makes small.
package enum Loss: String, Codable, Sendable, CaseIterable {
  /// −log softmax(outputs)[class].
  case crossEntropy = "cross-entropy"
  /// The squared error averaged over the outputs.
  case meanSquaredError = "mean-squared-error"

  /// The loss of `outputs`, rows of `columns`, which become its gradient with respect to them.
  ///
  /// - Returns: sums over the rows.
  package func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    switch (self, targets) {
    case (.crossEntropy, .classes(let labels)):
      let sums = Kernels.softmaxCrossEntropy(outputs, labels: labels)
      return Metrics(loss: sums.loss, correct: sums.correct)
    case (.meanSquaredError, .values(let values)):
      let sums = Kernels.meanSquaredError(outputs, targets: values.values, columns: columns)
      return Metrics(loss: sums.loss, squaredError: sums.squaredError)
    case (.crossEntropy, .values), (.meanSquaredError, .classes), (_, .nothing):
      preconditionFailure("\(rawValue) does not go with these targets; jobs are checked for that")
    }
  }
}
