package import Schema

/// What all workers compute together.
package enum StepTask: Hashable, Sendable {
  /// The gradient of step `step`, from 0.
  case train(step: Int)
  /// The part's loss after `step` updates.
  case evaluate(step: Int, part: HeldOutPart)

  /// The task that a header names; nil if it names none.
  package init?(_ kind: TaskKind, step: Int) {
    switch kind {
    case .none: return nil
    case .train: self = .train(step: step)
    case .evaluateTest: self = .evaluate(step: step, part: .test)
    case .evaluateValidation: self = .evaluate(step: step, part: .validation)
    }
  }

  /// As a header names it.
  package var kind: TaskKind {
    switch self {
    case .train: .train
    case .evaluate(_, .test): .evaluateTest
    case .evaluate(_, .validation): .evaluateValidation
    }
  }

  /// The steps that the parameters must have had.
  package var step: Int {
    switch self {
    case .train(let step), .evaluate(let step, _): step
    }
  }

  package var isTraining: Bool {
    if case .train = self { true } else { false }
  }
}
