internal import Synchronization

/// The update rules that this program knows.
package enum RuleRegistry {
  private static let added = Mutex<[any UpdateRule.Type]>([])

  /// The rules that come with the trainer, and those that were added.
  package static var all: [any UpdateRule.Type] { builtInRules + added.withLock { $0 } }

  /// Adds a rule of one's own, before the command line is read. One that is there already stays.
  package static func add(_ rule: any UpdateRule.Type) {
    precondition(!builtInRules.contains { $0.name == rule.name }, "there is a rule '\(rule.name)' already")
    added.withLock { added in
      if !added.contains(where: { $0.name == rule.name }) { added.append(rule) }
    }
  }
}

/// The rules that come with the trainer.
package let builtInRules: [any UpdateRule.Type] = [
  GradientDescent.self, SGD.self, Momentum.self, Nesterov.self, RMSprop.self, RMSpropMomentum.self, Adam.self,
  AdamW.self, NAdam.self, AdaGrad.self, AdaDelta.self, Blend.self, LAMB.self, LARS.self, Lion.self,
]
