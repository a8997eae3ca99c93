internal import CKernels

/// What one step of Adam needs besides its vectors, rounded to float32 once a step.
public struct AdamCoefficients: Equatable, Sendable {
  /// 1 / (examples in the step).
  public var gradientScale: Float
  /// β₁ and 1 − β₁.
  public var beta1, oneMinusBeta1: Float
  /// β₂ and 1 − β₂.
  public var beta2, oneMinusBeta2: Float
  /// η / (1 − β₁ᵗ).
  public var stepSize: Float
  /// 1 / √(1 − β₂ᵗ).
  public var rootScale: Float
  /// ε.
  public var epsilon: Float

  /// Rounds `beta1` and the others, given in double, to float32.
  public init(
    gradientScale: Double, beta1: Double, beta2: Double, stepSize: Double, rootScale: Double, epsilon: Double
  ) {
    self.gradientScale = Float(gradientScale)
    self.beta1 = Float(beta1)
    self.oneMinusBeta1 = Float(1 - beta1)
    self.beta2 = Float(beta2)
    self.oneMinusBeta2 = Float(1 - beta2)
    self.stepSize = Float(stepSize)
    self.rootScale = Float(rootScale)
    self.epsilon = Float(epsilon)
  }
}

/// One step of Adam over vectors of the same count: averages the gradient sum, updates both moments in place, and
/// writes the new parameters to `updated`.
public func adamStep(
  _ coefficients: AdamCoefficients, parameters: Floats, gradientSum: Floats, firstMoment: MutableFloats,
  secondMoment: MutableFloats, updated: MutableFloats
) {
  let count = parameters.count
  precondition(gradientSum.count == count && updated.count == count)
  precondition(firstMoment.count == count && secondMoment.count == count)
  lk_adam(
    parameters.base, updated.base, gradientSum.base, firstMoment.base, secondMoment.base, count,
    coefficients.gradientScale, coefficients.beta1, coefficients.oneMinusBeta1, coefficients.beta2,
    coefficients.oneMinusBeta2, coefficients.stepSize, coefficients.rootScale, coefficients.epsilon)
}

/// What one step of RMSprop needs besides its vectors, rounded to float32 once a step.
public struct RMSpropCoefficients: Equatable, Sendable {
  /// 1 / (examples in the step).
  public var gradientScale: Float
  /// ρ and 1 − ρ.
  public var rho, oneMinusRho: Float
  /// η.
  public var learningRate: Float
  /// ε.
  public var epsilon: Float

  /// Rounds `rho` and the others, given in double, to float32.
  public init(gradientScale: Double, rho: Double, learningRate: Double, epsilon: Double) {
    self.gradientScale = Float(gradientScale)
    self.rho = Float(rho)
    self.oneMinusRho = Float(1 - rho)
    self.learningRate = Float(learningRate)
    self.epsilon = Float(epsilon)
  }
}

/// One step of RMSprop over vectors of the same count: averages the gradient sum, updates the mean square in place, and
/// writes the new parameters to `updated`.
public func rmspropStep(
  _ coefficients: RMSpropCoefficients, parameters: Floats, gradientSum: Floats, meanSquare: MutableFloats,
  updated: MutableFloats
) {
  let count = parameters.count
  precondition(gradientSum.count == count && updated.count == count && meanSquare.count == count)
  lk_rmsprop(
    parameters.base, updated.base, gradientSum.base, meanSquare.base, count, coefficients.gradientScale,
    coefficients.rho, coefficients.oneMinusRho, coefficients.learningRate, coefficients.epsilon)
}
