package import Schema

/// The update rules that this program knows.
package enum UpdateRules {
  /// Those that come with the trainer, and those that a program has added.
  package static let registry = Registry<any UpdateRule.Type>(builtIn) { $0.name }

  /// Those that come with the trainer.
  package static let builtIn: [any UpdateRule.Type] = [
    GradientDescent.self, SGD.self, Momentum.self, Nesterov.self, RMSprop.self, RMSpropMomentum.self, Adam.self,
    AdamW.self, NAdam.self, AdaGrad.self, AdaDelta.self, Blend.self, LAMB.self, LARS.self, Lion.self,
  ]
}
