// An update rule of one's own: momentum whose step has the same length for every parameter, with a dead zone.
// It gets the whole command line:
//
//     swift run -c release custom-optimizer train --optimizer sign-momentum --dead-zone 1e-5 --workers 2
import Lockstep

/// uₜ = μ uₜ₋₁ + (1 − μ) gₜ; θₜ = θₜ₋₁ − η sign(uₜ), and nothing where |uₜ| is at most the dead zone.
struct SignMomentum: UpdateRule {
  static let name = "sign-momentum"
  static let equations = "u ← μu + (1−μ)g; θ ← θ − η sign(u) where |u| > dead zone"
  static let paper = "after Bernstein et al. 2018"
  static let options: [OptionDeclaration] = [
    .learningRate(0.001), .real("momentum", default: 0.9, .fraction, "The decay of the velocity."),
    .real("dead-zone", default: 0, .notNegative, "How small a velocity may be without a move."),
  ]

  let momentum, deadZone: Double

  init(_ values: OptionValues) {
    momentum = values["momentum"]
    deadZone = values["dead-zone"]
  }

  let slots = ["velocity"]

  func reference(_ range: UpdateRange, _ step: UpdateStep) {
    let velocity = range.slots[0]
    for i in velocity.indices {
      let u = momentum * Double(velocity[i]) + (1 - momentum) * range.vectors.gradient(i)
      velocity[i] = Float(u)
      range.vectors.move(i, by: abs(u) > deadZone ? (u > 0 ? step.learningRate : -step.learningRate) : 0)
    }
  }
}

LockstepCommands.main(rules: [SignMomentum.self])
