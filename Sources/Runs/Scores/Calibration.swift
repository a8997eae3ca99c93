/// How often the likeliest class is right, by the probability that a model gives it: 10 bins of equal width, each with its
/// lower end, the last with both.
struct Calibration: Sendable {
  static let binCount = 10

  private struct Bin {
    var count = 0
    var correct = 0
    var confidence = ExactSum()
  }

  private var bins = [Bin](repeating: Bin(), count: binCount)

  /// - Parameter confidence: the probability of the likeliest class, from 0 to 1.
  mutating func add(_ confidence: Double, isCorrect: Bool) {
    let index = min(Int(confidence * Double(Calibration.binCount)), Calibration.binCount - 1)
    bins[index].count += 1
    bins[index].correct += isCorrect ? 1 : 0
    bins[index].confidence.add(confidence)
  }

  mutating func append(_ next: Calibration) {
    for index in bins.indices {
      bins[index].count += next.bins[index].count
      bins[index].correct += next.bins[index].correct
      bins[index].confidence.add(next.bins[index].confidence)
    }
  }

  var report: [ClassificationReport.CalibrationBin] {
    bins.enumerated().map { index, bin in
      let count = Double(bin.count)
      return ClassificationReport.CalibrationBin(
        from: Double(index) / Double(Calibration.binCount), to: Double(index + 1) / Double(Calibration.binCount),
        examples: bin.count, confidence: bin.count > 0 ? bin.confidence.value / count : nil,
        accuracy: bin.count > 0 ? Double(bin.correct) / count : nil)
    }
  }

  /// The mean distance of accuracy and confidence, each bin weighted by its examples (Guo et al., "On Calibration of Modern
  /// Neural Networks", ICML 2017, equation 5). Nil without examples.
  var expectedError: Double? {
    let count = bins.reduce(0) { $0 + $1.count }
    guard count > 0 else { return nil }
    return bins.reduce(0) { $0 + abs(Double($1.correct) - $1.confidence.value) } / Double(count)
  }
}
