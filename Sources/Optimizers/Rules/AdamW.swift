package import Schema

/// AdamW: I. Loshchilov & F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2: ``Adam`` with the
/// decay of the weights beside the gradient's moments, scaled by the learning rate (as PyTorch has it):
///
///     θₜ = (1 − η λ) θₜ₋₁ − η m̂ₜ / (√v̂ₜ + ε)
///
/// Defaults: Adam's, and λ 0.01.
package struct AdamW: UpdateRule {
  /// `adamw`.
  package static let name = "adamw"
  /// In short.
  package static let equations = "m, v as Adam's; θ ← (1 − ηλ)θ − η m̂/(√v̂ + ε)"
  /// Where from.
  package static let paper = "Loshchilov & Hutter 2019"
  /// η, β₁, β₂, ε.
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .beta2(), .epsilon(),
  ]
  /// λ.
  package static let weightDecay = WeightDecay.decoupled(0.01)

  /// As Adam's kernels do.
  package static let writesSlotsBeside = true

  private let adam: Adam

  /// A rule with these values.
  package init(_ values: OptionValues) {
    adam = Adam(beta1: values["beta1"], beta2: values["beta2"], epsilon: values["epsilon"])
  }

  /// m and v.
  package var slots: [String] { adam.slots }

  /// Adam's fused kernel; the decay is in what it takes off θ.
  package func update(_ range: UpdateRange, _ step: UpdateStep) { adam.update(range, step) }

  /// Adam's equations.
  package func reference(_ range: UpdateRange, _ step: UpdateStep) { adam.reference(range, step) }
}
