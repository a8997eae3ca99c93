package import Schema

/// AdamW: I. Loshchilov & F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2: ``Adam`` with a
/// weight decay that does not enter the moments, scaled by the learning rate (as in PyTorch):
///
///     θₜ = (1 − η λ) θₜ₋₁ − η m̂ₜ / (√v̂ₜ + ε)
///
/// Defaults: Adam's, and λ 0.01.
package struct AdamW: UpdateRule {
  package static let name = "adamw"
  package static let equations = "m, v as Adam's; θ ← (1 − ηλ)θ − η m̂/(√v̂ + ε)"
  package static let paper = "Loshchilov & Hutter 2019"
  package static let options: [OptionDeclaration] = [
    .learningRate(0.001), .beta1(),
    .beta2(), .epsilon(),
  ]
  package static let weightDecay = WeightDecay.decoupled(0.01)

  package static let writesSlotsBeside = true

  private let adam: Adam

  package init(_ values: OptionValues) {
    adam = Adam(beta1: values["beta1"], beta2: values["beta2"], epsilon: values["epsilon"])
  }

  package var slots: [String] { adam.slots }

  /// The decay is in ``UpdateVectors/shrink``, which Adam's kernel applies.
  package func update(_ range: UpdateRange, _ step: UpdateStep) { adam.update(range, step) }

  package func reference(_ range: UpdateRange, _ step: UpdateStep) { adam.reference(range, step) }
}
