internal import Protocol

/// How well a model predicts numbers, gathered example by example, each output for itself.
///
/// Its size does not depend on the number of examples. Parts that several threads gathered give the same bits as one that
/// saw all examples.
package struct RegressionScores: Sendable {
  fileprivate struct Output {
    var error = ExactSum()
    var absoluteError = ExactSum()
    var squaredError = ExactSum()
    var target = ExactSum()
    var squaredTarget = ExactSum()
    var targets: (least: Float, largest: Float)?
    var worst: RegressionReport.LargestError?
  }

  private(set) var examples = 0
  private var outputs: [Output]

  /// The scores of no examples.
  package init(outputs: Int) {
    precondition(outputs > 0)
    self.outputs = [Output](repeating: Output(), count: outputs)
  }

  /// Adds an example.
  ///
  /// - Parameters:
  ///   - record: what names the example in ``RegressionReport/LargestError``.
  ///   - predictions: finite, a number an output.
  ///   - targets: likewise.
  /// - Throws: ``TrainingError`` for a prediction that is not finite.
  package mutating func add(
    record: Int, _ predictions: ArraySlice<Float>, targets: ArraySlice<Float>
  ) throws {
    precondition(predictions.count == outputs.count && targets.count == outputs.count)
    if let wrong = predictions.first(where: { !$0.isFinite }) {
      throw TrainingError("the model predicts \(wrong): its parameters or the data are out of range")
    }
    examples += 1
    for (index, (prediction, target)) in zip(predictions, targets).enumerated() {
      let error = Double(prediction) - Double(target)
      outputs[index].error.add(error)
      outputs[index].absoluteError.add(abs(error))
      outputs[index].squaredError.add(error * error)
      outputs[index].target.add(Double(target))
      outputs[index].squaredTarget.add(Double(target) * Double(target))
      outputs[index].extend(target, target, RegressionReport.LargestError(record: record, value: error))
    }
  }

  /// Adds the examples of `next`.
  package mutating func append(_ next: RegressionScores) {
    precondition(next.outputs.count == outputs.count)
    examples += next.examples
    for (index, other) in next.outputs.enumerated() {
      outputs[index].error.add(other.error)
      outputs[index].absoluteError.add(other.absoluteError)
      outputs[index].squaredError.add(other.squaredError)
      outputs[index].target.add(other.target)
      outputs[index].squaredTarget.add(other.squaredTarget)
      if let (least, largest) = other.targets, let worst = other.worst { outputs[index].extend(least, largest, worst) }
    }
  }

  /// The figures of all examples added.
  package var report: RegressionReport {
    let count = Double(examples)
    return RegressionReport(
      examples: examples,
      outputs: outputs.map { output in
        guard examples > 0 else { return RegressionReport.Figures() }
        let squaredError = output.squaredError.value
        let variation = output.variation(examples)
        return RegressionReport.Figures(
          rSquared: variation.map { 1 - squaredError / $0 }, meanAbsoluteError: output.absoluteError.value / count,
          rootMeanSquaredError: (squaredError / count).squareRoot(), meanError: output.error.value / count,
          largestError: output.worst)
      })
  }
}

extension RegressionScores.Output {
  /// Takes note of targets from `least` to `largest` and of an error. Of equally large errors the one of the first record
  /// stays.
  mutating func extend(_ least: Float, _ largest: Float, _ error: RegressionReport.LargestError) {
    targets = (min(targets?.least ?? least, least), max(targets?.largest ?? largest, largest))
    if let worst, (abs(error.value), worst.record) <= (abs(worst.value), error.record) { return }
    worst = error
  }

  /// Σ (target − mean)², from the sums in about 100 bits, which targets far from 0 need. Nil if all targets are equal.
  func variation(_ count: Int) -> Double? {
    guard let targets, targets.least < targets.largest else { return nil }
    let (sum, rest) = target.parts
    let square = sum * sum
    let squareRest = (-square).addingProduct(sum, sum) + 2 * sum * rest
    let mean = square / Double(count)
    let meanRest = ((square.addingProduct(-mean, Double(count))) + squareRest) / Double(count)
    let (squares, squaresRest) = squaredTarget.parts
    return (squares - mean) + (squaresRest - meanRest)
  }
}
