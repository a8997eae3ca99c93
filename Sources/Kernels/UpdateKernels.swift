internal import CKernels

/// One range of the vectors that every update kernel reads and writes, besides a rule's slots. All views have the same
/// count.
public struct UpdateVectors: Sendable {
  /// θ before the step.
  public var parameters: Floats
  /// The gradient summed over the step's examples.
  public var gradientSum: Floats
  /// θ after the step. Must not overlap `parameters`.
  public var updated: MutableFloats
  /// The factor of the gradient sum: 1 / the step's weight, times the factor of norm clipping.
  public var scale: Double
  /// Each element of the averaged gradient is limited to ± this; infinity for no limit.
  public var clip: Double
  /// λ of coupled decay, which adds λθ to the gradient.
  public var decay: Double
  /// ηλ of decoupled decay, which subtracts ηλθ from the parameters.
  public var shrink: Double
  /// The distance, in values, from each slot to its values before the step, in the same buffer. 0 updates slots in
  /// place.
  public var before = 0

  /// Views of the same range. Without clipping and decay.
  public init(parameters: Floats, gradientSum: Floats, updated: MutableFloats, scale: Double) {
    precondition(parameters.count == gradientSum.count && parameters.count == updated.count)
    (self.parameters, self.gradientSum, self.updated, self.scale) = (parameters, gradientSum, updated, scale)
    clip = .infinity
    decay = 0
    shrink = 0
  }

  /// The gradient of element `index` as rules use it: averaged, clipped, and with coupled decay.
  public func gradient(_ index: Int) -> Double {
    min(max(Double(gradientSum[index]) * scale, -clip), clip) + decay * Double(parameters[index])
  }

  /// θ ← θ − (shrink · θ + `difference`), of element `index`.
  public func move(_ index: Int, by difference: Double) {
    updated[index] = Float(Double(parameters[index]) - (shrink * Double(parameters[index]) + difference))
  }

  fileprivate func call(_ slots: [MutableFloats], _ kernel: (UnsafePointer<lk_update>) -> Void) {
    precondition(slots.allSatisfy { $0.count == parameters.count })
    var update = lk_update(
      parameters: parameters.base, gradient_sum: gradientSum.base, updated: updated.base, count: parameters.count,
      scale: Float(scale), clip: Float(clip), decay: Float(decay), shrink: Float(shrink),
      before: before)
    kernel(&update)
  }
}

/// The decay rates of two running means, as float32.
package struct MomentDecays: Sendable {
  let moments: lk_moments

  package init(_ beta1: Double, _ beta2: Double) {
    moments = lk_moments(
      beta1: Float(beta1), one_minus_beta1: Float(1 - beta1), beta2: Float(beta2), one_minus_beta2: Float(1 - beta2))
  }
}

/// The update kernels. Each averages and clips the gradient, reads the slots from before the step, and writes the slots
/// and the new parameters in one pass. The rules that use them cite the papers.
extension UpdateVectors {
  /// θ − η g.
  package func gradientDescent(rate: Double) {
    call([]) { kernels.gradient_descent($0, Float(rate)) }
  }

  /// u ← μ u + `gradientShare` g; θ − η u.
  package func momentum(_ velocity: MutableFloats, momentum: Double, gradientShare: Double, rate: Double) {
    call([velocity]) { kernels.momentum($0, velocity.base, Float(momentum), Float(gradientShare), Float(rate)) }
  }

  /// u ← μ u + g; θ − η (g + μ u).
  package func nesterov(_ velocity: MutableFloats, momentum: Double, rate: Double) {
    call([velocity]) { kernels.nesterov($0, velocity.base, Float(momentum), Float(rate)) }
  }

  /// m ← μ m + (1 − μ) g, and `updated` ← μ m + (1 − μ) g, with μ: `decay`.
  package func nesterovMean(_ moment: MutableFloats, decay: Double) {
    call([moment]) { kernels.nesterov_mean($0, moment.base, Float(decay), Float(1 - decay)) }
  }

  /// RMSprop. `meanGradient` and `velocity` are nil if its options do not need them.
  package func rmsprop(
    _ meanSquare: MutableFloats, meanGradient: MutableFloats?, velocity: MutableFloats?, rho: Double, momentum: Double,
    epsilon: Double, epsilonInside: Double, rate: Double
  ) {
    let (rho, oneMinusRho, momentum) = (Float(rho), Float(1 - rho), Float(momentum))
    let (epsilon, inside, rate) = (Float(epsilon), Float(epsilonInside), Float(rate))
    call([meanSquare] + [meanGradient, velocity].compactMap { $0 }) {
      kernels.rmsprop(
        $0, meanSquare.base, meanGradient?.base, velocity?.base, rho, oneMinusRho, momentum, epsilon, inside, rate)
    }
  }

  /// θ − `rate` m / (√v `rootScale` + ε), with the largest v so far in place of v if there is a slot for it.
  package func adam(
    _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, largest: MutableFloats?, _ decays: MomentDecays,
    rate: Double, rootScale: Double, epsilon: Double
  ) {
    var moments = decays.moments
    call([firstMoment, secondMoment] + [largest].compactMap { $0 }) {
      kernels.adam(
        $0, firstMoment.base, secondMoment.base, largest?.base, &moments, Float(rate), Float(rootScale), Float(epsilon))
    }
  }

  /// θ − (`momentRate` m + `gradientRate` g) / (√v `rootScale` + ε).
  package func nadam(
    _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, _ decays: MomentDecays, momentRate: Double,
    gradientRate: Double, rootScale: Double, epsilon: Double
  ) {
    var moments = decays.moments
    call([firstMoment, secondMoment]) {
      kernels.nadam(
        $0, firstMoment.base, secondMoment.base, &moments, Float(momentRate), Float(gradientRate), Float(rootScale),
        Float(epsilon))
    }
  }

  /// θ − (`momentRate` m + `differenceRate` d) / (√v `rootScale` + ε), where m, d and v are means of g, of its difference x
  /// to `lastGradient`, and of (g + β₂ x)². `decays` are β₁ and β₂, and v's is β₃.
  ///
  /// - Parameter hasLast: whether there is a last gradient; otherwise x is 0.
  package func adan(
    _ firstMoment: MutableFloats, _ differenceMoment: MutableFloats, _ secondMoment: MutableFloats,
    lastGradient: MutableFloats, hasLast: Bool, _ decays: MomentDecays, beta3: Double, momentRate: Double,
    differenceRate: Double, rootScale: Double, epsilon: Double
  ) {
    var moments = decays.moments
    call([firstMoment, differenceMoment, secondMoment, lastGradient]) {
      kernels.adan(
        $0, firstMoment.base, differenceMoment.base, secondMoment.base, lastGradient.base, &moments, Float(beta3),
        Float(1 - beta3), hasLast ? 1 : 0, Float(momentRate), Float(differenceRate), Float(rootScale), Float(epsilon))
    }
  }

  /// θ − η m / (√v + ε), where v decays by β₂.
  package func rmspropFirstMoment(
    _ firstMoment: MutableFloats, _ meanSquare: MutableFloats, _ decays: MomentDecays, epsilon: Double, rate: Double
  ) {
    var moments = decays.moments
    call([firstMoment, meanSquare]) {
      kernels.rmsprop_first_moment($0, firstMoment.base, meanSquare.base, &moments, Float(epsilon), Float(rate))
    }
  }

  /// s ← s + g²; θ − η g / (√s + ε).
  package func adagrad(_ squareSum: MutableFloats, epsilon: Double, rate: Double) {
    call([squareSum]) { kernels.adagrad($0, squareSum.base, Float(epsilon), Float(rate)) }
  }

  /// θ − η √(D + ε) / √(E + ε) g.
  package func adadelta(
    _ meanSquare: MutableFloats, _ meanSquareUpdate: MutableFloats, rho: Double, epsilon: Double, rate: Double
  ) {
    call([meanSquare, meanSquareUpdate]) {
      kernels.adadelta(
        $0, meanSquare.base, meanSquareUpdate.base, Float(rho), Float(1 - rho), Float(epsilon), Float(rate))
    }
  }

  /// θ − (λ Δ_adam + (1 − λ) Δ_rmsprop). Stores Δ_rmsprop − Δ_adam if there is a slot for it.
  package func blend(
    _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, _ meanSquare: MutableFloats,
    lastDifference: MutableFloats?, _ decays: MomentDecays, rho: Double, adamRate: Double, rootScale: Double,
    rate: Double, epsilon: Double, lambda: Double
  ) {
    var moments = decays.moments
    let (rho, oneMinusRho) = (Float(rho), Float(1 - rho))
    let (adamRate, rootScale, rate) = (Float(adamRate), Float(rootScale), Float(rate))
    let (epsilon, lambda) = (Float(epsilon), Float(lambda))
    call([firstMoment, secondMoment, meanSquare] + [lastDifference].compactMap { $0 }) {
      kernels.blend(
        $0, firstMoment.base, secondMoment.base, meanSquare.base, lastDifference?.base, &moments, rho, oneMinusRho,
        adamRate, rootScale, rate, epsilon, lambda)
    }
  }

  /// θ − η sign(β₁ m + (1 − β₁) g); m ← β₂ m + (1 − β₂) g.
  package func lion(_ firstMoment: MutableFloats, _ decays: MomentDecays, rate: Double) {
    var moments = decays.moments
    call([firstMoment]) { kernels.lion($0, firstMoment.base, &moments, Float(rate)) }
  }

  /// Schedule-Free AdamW: v ← β v + (1 − β) g²; d = g / (√v `rootScale` + ε) + λ θ; θ ← θ + c (z − θ) + `parameterRate` d;
  /// z ← z − `rate` d. With β: `decay`, c: `toward`, λ: `weightDecay`; `iterate` is the new z.
  package func scheduleFree(
    _ iterateBefore: Floats, _ iterate: MutableFloats, _ secondMoment: MutableFloats, decay: Double, rate: Double,
    parameterRate: Double, toward: Double, rootScale: Double, epsilon: Double, weightDecay: Double
  ) {
    precondition(iterateBefore.count == parameters.count)
    call([iterate, secondMoment]) {
      kernels.schedule_free(
        $0, iterateBefore.base, iterate.base, secondMoment.base, Float(decay), Float(1 - decay), Float(rate),
        Float(parameterRate), Float(toward), Float(rootScale), Float(epsilon), Float(weightDecay))
    }
  }

  /// From the anchor a, of which `anchor` is the new one, and θ, which is `updated`: Δ = a − θ; b ← μ b + Δ;
  /// θ ← a − α (Δ + μ b); a ← θ.
  package func outerNesterov(
    _ anchorBefore: Floats, _ anchor: MutableFloats, _ outerMomentum: MutableFloats, momentum: Double, rate: Double
  ) {
    precondition(anchorBefore.count == parameters.count)
    call([anchor, outerMomentum]) {
      kernels.outer_nesterov($0, anchorBefore.base, anchor.base, outerMomentum.base, Float(momentum), Float(rate))
    }
  }

  /// Updates Adam's moments, and adds Σ r² to `sum`: r = `momentScale` m / (√v `rootScale` + ε) + `decay` θ.
  package func lambMoments(
    _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, _ decays: MomentDecays, momentScale: Double,
    rootScale: Double, epsilon: Double, decay: Double, into sum: inout OrderedSum
  ) {
    var moments = decays.moments
    call([firstMoment, secondMoment]) { update in
      sum.add(parameters.count) {
        kernels.lamb_moments(
          update, firstMoment.base, secondMoment.base, &moments, Float(momentScale), Float(rootScale), Float(epsilon),
          Float(decay), $0, $1)
      }
    }
  }

  /// Updates Adam's moments, and adds Σ (g / max(√v `rootScale`, ε))² to `sum`.
  package func stableMoments(
    _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, _ decays: MomentDecays, rootScale: Double,
    epsilon: Double, into sum: inout OrderedSum
  ) {
    var moments = decays.moments
    call([firstMoment, secondMoment]) { update in
      sum.add(parameters.count) {
        kernels.stable_moments(
          update, firstMoment.base, secondMoment.base, &moments, Float(rootScale), Float(epsilon), $0, $1)
      }
    }
  }

  /// θ − `rate` r, with r as in ``lambMoments(_:_:_:momentScale:rootScale:epsilon:decay:into:)``.
  package func lambMove(
    _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, momentScale: Double, rootScale: Double,
    epsilon: Double, decay: Double, rate: Double
  ) {
    call([firstMoment, secondMoment]) {
      kernels.lamb_move(
        $0, firstMoment.base, secondMoment.base, Float(momentScale), Float(rootScale), Float(epsilon), Float(decay),
        Float(rate))
    }
  }
}

/// A float64 sum over a long vector. Its ranges must be added in order; the bits do not depend on where they end.
public struct OrderedSum: Sendable {
  private var lanes = [Double](repeating: 0, count: Int(LK_LANES))
  private var count = 0

  /// A sum of 0.
  public init() {}

  fileprivate mutating func add(_ more: Int, _ kernel: (UnsafeMutablePointer<Double>, Int) -> Void) {
    let first = count
    lanes.withUnsafeMutableBufferPointer { kernel($0.baseAddress!, first) }
    count += more
  }

  /// The sum so far: lane l takes lane l + 8, l + 4, l + 2 and l + 1 in turn.
  public var value: Double {
    var sums = lanes
    while sums.count > 1 {
      let half = sums.count / 2
      sums = (0..<half).map { sums[$0] + sums[$0 + half] }
    }
    return sums[0]
  }

  /// Adds the squares of `values`.
  public mutating func addSquares(_ values: Floats) {
    add(values.count) { kernels.sum_squares(values.base, values.count, $0, $1) }
  }

  /// Adds the squares of ``UpdateVectors/gradient(_:)``.
  public mutating func addGradientSquares(_ vectors: UpdateVectors) {
    add(vectors.parameters.count) { lanes, first in
      vectors.call([]) { kernels.sum_gradient_squares($0, lanes, first) }
    }
  }

  /// Adds the products of ``UpdateVectors/gradient(_:)`` and `values`.
  public mutating func addGradientProducts(_ vectors: UpdateVectors, _ values: Floats) {
    precondition(values.count == vectors.parameters.count)
    add(values.count) { lanes, first in
      vectors.call([]) { kernels.sum_gradient_products($0, values.base, lanes, first) }
    }
  }

  /// Adds the products of ``UpdateVectors/gradient(_:)`` and `momentScale` m / (√v `rootScale` + ε).
  public mutating func addAdamProducts(
    _ vectors: UpdateVectors, _ firstMoment: MutableFloats, _ secondMoment: MutableFloats, momentScale: Double,
    rootScale: Double, epsilon: Double
  ) {
    add(vectors.parameters.count) { lanes, first in
      vectors.call([firstMoment, secondMoment]) {
        kernels.sum_adam_products(
          $0, firstMoment.base, secondMoment.base, Float(momentScale), Float(rootScale), Float(epsilon), lanes, first)
      }
    }
  }
}
