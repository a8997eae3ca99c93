public import Kernels

/// How a step changes the parameters: a small value of hyperparameters.
///
/// The rule's state, its moments, is not in it: the slots are vectors as long as the parameters, zero at first.
public protocol UpdateRule: Sendable {
  /// What `--optimizer` calls it.
  static var name: String { get }
  /// Its hyperparameters, with defaults.
  static var hyperparameters: [Hyperparameter] { get }

  /// A rule with these values; they have been checked against ``hyperparameters``.
  init(_ values: HyperparameterValues)

  /// The names of its slots.
  static var slots: [String] { get }

  /// Updates one range of the parameters. Elementwise: ranges may come in any order, on any thread.
  func update(_ range: UpdateRange, _ step: UpdateStep)

  /// The same in plain Swift, as the equations read, to test ``update(_:_:)`` against.
  func reference(_ range: UpdateRange, _ step: UpdateStep)
}

/// What all ranges of one step have in common.
public struct UpdateStep: Equatable, Sendable {
  /// t, counted from 1.
  public var number: Int
  /// How many examples the gradient sums are over.
  public var examples: Int
  /// η.
  public var learningRate: Double

  /// A step.
  public init(number: Int, examples: Int, learningRate: Double) {
    self.number = number
    self.examples = examples
    self.learningRate = learningRate
  }
}

/// One range of all the vectors that an update reads and writes. All views have the same count.
public struct UpdateRange {
  /// θ before the step.
  public var parameters: Floats
  /// The gradient summed over the step's examples.
  public var gradientSum: Floats
  /// The rule's slots, in the order of its names; updated in place.
  public var slots: [MutableFloats]
  /// θ after the step; another vector than `parameters`.
  public var updated: MutableFloats

  /// Views of one range.
  public init(parameters: Floats, gradientSum: Floats, slots: [MutableFloats], updated: MutableFloats) {
    self.parameters = parameters
    self.gradientSum = gradientSum
    self.slots = slots
    self.updated = updated
  }
}
