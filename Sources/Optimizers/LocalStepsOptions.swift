package import Schema

extension OptionDeclaration {
  /// H, of every rule.
  package static let localSteps = OptionDeclaration.whole(
    "local-steps", default: 1, 1...4096, valueName: "steps",
    "The steps that replicas take apart from each other before they are averaged; 1 sums every step's gradients.")

  /// Options that go only with ``localSteps`` above 1.
  package static let ofLocalSteps: [OptionDeclaration] = [
    .whole(
      "replicas", 1...1 << 20, valueName: "count",
      "How many replicas take --local-steps; each has its share of a step's micro-batches.")
  ]
}

extension OptimizerSettings {
  /// H, above 1; nil without local steps.
  package var localSteps: Int? {
    let steps = values.whole(OptionDeclaration.localSteps.name)
    return steps > 1 ? steps : nil
  }

  /// K; nil without local steps.
  package var replicas: Int? { localSteps.map { _ in values.whole(OptionDeclaration.ofLocalSteps[0].name) } }

  /// The options of local steps and of the outer step after each round, which is there if its learning rate is given.
  ///
  /// - Parameter steps: the given `--local-steps`, above 1.
  /// - Throws: ``OptionError`` if one is missing, or excludes another one.
  static func localValues(
    _ name: String, steps: Int, given: [String: OptionValue], outerEvery: Int
  ) throws -> [String: OptionValue] {
    guard given["replicas"] != nil else {
      throw OptionError("--local-steps \(steps) needs --replicas, how many train apart: a divisor of --micro-batches")
    }
    guard outerEvery == 0 else {
      throw OptionError(
        "--outer-every \(outerEvery) and --local-steps \(steps) exclude each other: with local steps, "
          + "--outer-learning-rate makes an outer step after each round")
    }
    guard given["outer-learning-rate"] != nil || given["outer-momentum"] == nil else {
      throw OptionError("--outer-momentum needs --outer-learning-rate, with which an outer step ends each round")
    }
    let isOuter = given["outer-learning-rate"] != nil
    return try Alternative(
      name, options: OptionDeclaration.ofLocalSteps + (isOuter ? OptionDeclaration.ofOuterSteps : [])
    ).values(given)
  }

  /// Checks that replicas can take steps by the rule.
  ///
  /// - Throws: ``OptionError`` if its state is no vector, or its step needs all examples.
  func checkLocalSteps(_ rule: any UpdateRule, stepIsWhole: Bool) throws {
    guard let localSteps else { return }
    guard !measuresNoise else {
      throw OptionError(
        "--local-steps \(localSteps) does not go with --noise-scale, which compares the gradients of a step's micro-batches at "
          + "the same parameters; leave one of them out")
    }
    guard !stepIsWhole else {
      throw OptionError(
        "--local-steps \(localSteps) does not go with --optimizer \(name), whose step needs all examples: a replica has "
          + "a share of them; take --optimizer sgd")
    }
    guard rule.tensorSlots(shape: [2, 2], count: 4).isEmpty, rule.tensorSlots(shape: [], count: 4).isEmpty else {
      throw OptionError(
        "--local-steps \(localSteps) does not go with --optimizer \(name): its state has sizes of its own, which no chunk "
          + "carries; take --optimizer adamw")
    }
    guard case .overall = rule.sums else { return }
    let isAuto = values.values["blend"] == .text("auto")
    let option =
      schedule == .hypergradient ? "--schedule hypergradient" : isAuto ? "--blend auto" : "--optimizer \(name)"
    throw OptionError(
      "--local-steps \(localSteps) does not go with \(option): its state is a number that follows the gradient of all "
        + "examples, which is no mean of what replicas would have; leave one of them out")
  }
}
