internal import Kernels

/// The probabilities of a row of logits, in Double, with the same bits on every processor.
struct Softmax {
  let probabilities: [Double]
  /// log Σ e^(logit − largest).
  private let logOfSum: Double
  private let largest: Double

  /// - Parameter logits: finite, at least one.
  init(_ logits: ArraySlice<Float>) {
    let largest = Double(logits.max()!)
    let powers = logits.map { Elementary.exponential(Double($0) - largest) }
    let sum = powers.reduce(0, +)
    probabilities = powers.map { $0 / sum }
    (self.largest, logOfSum) = (largest, Elementary.logarithm(sum))
  }

  /// −log of the probability that `logit` stands for. Finite even where the probability rounds to 0.
  func loss(of logit: Float) -> Double { logOfSum + (largest - Double(logit)) }
}
