package import Schema

package enum UpdateRules {
  /// The built-in rules, and those that the program has added.
  package static let registry = Registry<any UpdateRule.Type>(builtIn) { $0.name }

  package static let builtIn: [any UpdateRule.Type] = [
    GradientDescent.self, SGD.self, Momentum.self, Nesterov.self, RMSprop.self, RMSpropMomentum.self, Adam.self,
    AdamW.self, NAdam.self, AdaGrad.self, AdaDelta.self, Blend.self, LAMB.self, LARS.self, Lion.self, Adan.self,
    StableAdamW.self, Muon.self, ScheduleFreeAdamW.self, Adafactor.self, SOAP.self,
  ]
}
