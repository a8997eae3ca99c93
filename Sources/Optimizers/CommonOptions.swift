public import Schema

/// Options of several rules, each of which sets its own default.
extension OptionDeclaration {
  /// The option `--learning-rate`, η, with the default `value`.
  public static func learningRate(_ value: Double) -> Self {
    .real("learning-rate", default: value, .positive, "The step size.")
  }

  static func momentum(_ value: Double) -> Self {
    .real("momentum", default: value, .fraction, "The decay of the velocity.")
  }

  static func beta1(_ value: Double = 0.9) -> Self {
    .real("beta1", default: value, .fraction, "The decay of the first moment.")
  }

  static func beta2(_ value: Double = 0.999) -> Self {
    .real(
      "beta2", default: value, .fraction,
      "The decay of the second moment; for lion, of the first; for adan, of the gradients' differences.")
  }

  static func rho(_ value: Double = 0.9) -> Self {
    .real("rho", default: value, .fraction, "The decay of the mean square.")
  }

  static func epsilon(_ value: Double = 1e-8) -> Self {
    .real(
      "epsilon", default: value, .positive, "What is added to the root in the update; for adafactor, the least root.")
  }

  static let noiseScale = OptionDeclaration.flag(
    "noise-scale", default: false,
    "Measure the gradient noise scale: about the batch size beyond which larger batches save few steps.")

  static let ofEveryRule: [OptionDeclaration] = [
    .flag("decay-biases", default: true, "Decay biases too."),
    .real(
      "clip-value", default: 0, .notNegative, "Keep each element of the gradient within ± this; 0 for no limit."),
    .real("clip-norm", default: 0, .notNegative, "Scale the gradient down to this norm; 0 for no limit."),
    .noiseScale, .parameterGroup, .ema, .outerEvery, .localSteps,
  ]
}
