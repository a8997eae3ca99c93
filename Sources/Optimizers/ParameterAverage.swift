internal import Kernels
package import Schema

/// What evaluations read, and a run leaves, in place of the parameters θ that it trains: an average of those after each
/// update. Statistics, such as running means, are averaged with the parameters.
///
/// The exponential moving average of `--ema` d, with the bias correction of D. P. Kingma & J. Ba, "Adam", ICLR 2015,
/// section 7.2, so that the parameters before the first update have no share in it. After update t, which ends a round
/// of h updates (h is 1 without local steps):
///
///     w = (1 − dʰ) / (1 − dᵗ)
///     a ← a + w (θ − a)
///
/// Or the average of a rule that has one of its own (``UpdateRule/averages``).
package enum ParameterAverage: Sendable, Equatable {
  case exponential(decay: Double)
  case ofRule

  /// Nil if evaluations read θ.
  init?(_ settings: OptimizerSettings, _ rule: any UpdateRule) {
    let decay = settings.values[OptionDeclaration.ema.name]
    if decay > 0 {
      self = .exponential(decay: decay)
    } else if type(of: rule).averages {
      self = .ofRule
    } else {
      return nil
    }
  }

  /// w, of θ in the average after update `number`, the last of `count`.
  func weight(number: Int, count: Int) -> Double {
    guard case .exponential(let decay) = self else { return 1 }
    return count == number
      ? 1 : (1 - Elementary.power(decay, Double(count))) / (1 - Elementary.power(decay, Double(number)))
  }
}

extension OptionDeclaration {
  /// d, of every rule.
  package static let ema = OptionDeclaration.real(
    "ema", default: 0, .fraction,
    "Evaluate and save an exponential moving average of the parameters, with this decay a step; 0 for none.")
}

extension OptimizerSettings {
  /// Whether evaluations read averages of the parameters, which a run leaves in their place.
  package var isAveraged: Bool {
    (try? rule()).flatMap { ParameterAverage(self, $0) } != nil
  }

  /// - Throws: ``OptionError`` if something else would move what the rule averages, or average it again.
  func checkAverage(_ rule: any UpdateRule.Type) throws {
    guard rule.averages else { return }
    let others = [
      (OptionDeclaration.ema.name, values[OptionDeclaration.ema.name] > 0),
      (OptionDeclaration.outerEvery.name, outerEvery > 0),
      (OptionDeclaration.localSteps.name, localSteps != nil),
    ]
    guard let option = others.first(where: \.1)?.0, let value = values.values[option] else { return }
    throw OptionError(
      "--\(option) \(value.description) does not go with --optimizer \(name), which averages the parameters itself, by a sum "
        + "of all steps' weights; leave --\(option) out, or take --optimizer adamw")
  }
}
