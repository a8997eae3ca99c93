public import Kernels
public import Schema

/// How a step changes the parameters. A value holds the rule's hyperparameters.
///
/// The rule's state, such as moments, is in its slots: vectors as long as the parameters, zero at first.
public protocol UpdateRule: Sendable {
  /// Its name for `--optimizer`, such as `adam`.
  static var name: String { get }
  /// Its equations in one line, with g for the averaged gradient.
  static var equations: String { get }
  /// Its publication, such as "Kingma & Ba 2015".
  static var paper: String { get }
  /// Its own options, with defaults; `learning-rate` among them.
  static var options: [OptionDeclaration] { get }
  /// What weight decay means for it. The default is ``WeightDecay/either``.
  static var weightDecay: WeightDecay { get }
  /// Whether it can measure the gradient of its learning rate, for `--schedule hypergradient`. The default is false.
  static var hasHypergradient: Bool { get }
  /// Whether each step must use all training examples. The default is false.
  static var stepIsWhole: Bool { get }
  /// Whether ``update(_:_:)`` and ``measure(_:_:into:)`` read slots with ``UpdateRange/slotBefore(_:)`` and only write
  /// ``UpdateRange/slots``. The default is false: slots are copied first, then updated in place.
  static var writesSlotsBeside: Bool { get }
  /// Whether each step changes a direction of each whole tensor by ``transform(_:_:)``. Then ``sums`` must be of each
  /// tensor. The default is false.
  static var transformsTensors: Bool { get }
  /// Whether evaluations read, and a run leaves, averages that ``average(_:into:)`` makes in place of the parameters that it
  /// trains. The default is false.
  static var averages: Bool { get }

  /// Each value has been checked against its range.
  init(_ values: OptionValues)

  /// Checks that values are compatible with each other. The default accepts all.
  ///
  /// - Throws: ``OptionError`` if they are not.
  func check() throws

  /// The names of its slots, in the order of ``UpdateRange/slots``.
  var slots: [String] { get }

  /// The slots that a tensor has beside ``slots``, with sizes that follow from its own. Only ``transform(_:_:)`` reads and
  /// writes them. The default is none.
  ///
  /// - Parameter shape: the tensor's sizes as stored; empty if it has one axis, of `count` values.
  func tensorSlots(shape: [Int], count: Int) -> [TensorSlot]

  /// Those of ``slots`` whose values are never negative, which averaging must not change (`--local-steps`). The default
  /// is those with the built-in rules' names for squares, such as `second-moment` and `mean-square`.
  var squares: Set<String> { get }

  /// The sums that it needs before a step's first update. The default is none.
  var sums: RuleSums { get }

  /// Begins a step, before all else. The default does nothing.
  func begin(_ state: inout OptimizerState, _ step: inout UpdateStep)

  /// Adds the terms of one range to ``sums``. Called for all ranges, in order. May update slots.
  func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum])

  /// Changes what ``measure(_:_:into:)`` has left in ``WholeTensor/direction``. Tensors may come in any order and on any thread.
  /// The default changes nothing.
  func transform(_ tensor: WholeTensor, _ step: UpdateStep)

  /// Adapts the step, such as its learning rate, to the sums of ``RuleSums/overall(_:)``.
  func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double])

  /// Updates one range, elementwise. Ranges may come in any order and on any thread. The default is
  /// ``reference(_:_:)``.
  func update(_ range: UpdateRange, _ step: UpdateStep)

  /// Writes what evaluations read of a range that has been updated: of `updated` and ``UpdateRange/slots``. Called if the rule
  /// ``averages``. The default copies `updated`.
  func average(_ range: UpdateRange, into average: MutableFloats)

  /// The same as ``update(_:_:)`` in plain Swift that reads like the equations. Tests compare the two.
  func reference(_ range: UpdateRange, _ step: UpdateStep)
}

extension UpdateRule {
  /// Default: the user chooses between coupled and decoupled decay.
  public static var weightDecay: WeightDecay { .either }
  /// Default: the rule does not support `--schedule hypergradient`.
  public static var hasHypergradient: Bool { false }
  /// Default: a step may use any number of examples.
  public static var stepIsWhole: Bool { false }
  /// Default: slots are updated in place.
  public static var writesSlotsBeside: Bool { false }
  /// Default: no tensor is needed whole.
  public static var transformsTensors: Bool { false }
  /// Default: evaluations read the parameters.
  public static var averages: Bool { false }
  /// Default: slots with these names.
  public var squares: Set<String> {
    ["second-moment", "largest-second-moment", "mean-square", "mean-square-update", "square-sum"]
  }
  /// Default: the rule needs no sums.
  public var sums: RuleSums { .none }
  /// Default: the plain reference.
  public func update(_ range: UpdateRange, _ step: UpdateStep) { reference(range, step) }
  /// Default: a step needs no beginning.
  public func begin(_ state: inout OptimizerState, _ step: inout UpdateStep) {}
  /// Default: the parameters themselves.
  public func average(_ range: UpdateRange, into average: MutableFloats) {
    average.copy(range.vectors.updated.readOnly)
  }
  /// Default: all values are compatible.
  public func check() throws {}
  /// Default: the rule needs no sums.
  public func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {}
  /// Default: nothing is changed.
  public func transform(_ tensor: WholeTensor, _ step: UpdateStep) {}
  /// Default: all slots are as long as the parameters.
  public func tensorSlots(shape: [Int], count: Int) -> [TensorSlot] { [] }
  /// Default: the rule has no state that depends on all parameters.
  public func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {}
}

/// Sums over parameters that a rule needs before it can update any.
public enum RuleSums: Equatable, Sendable {
  /// None: a range can be updated as soon as its gradient has arrived.
  case none
  /// This many sums over all parameters.
  case overall(Int)
  /// This many sums over each tensor.
  case eachTensor(Int)
}

/// The values that all ranges of one step share.
public struct UpdateStep: Equatable, Sendable {
  /// t, counted from 1.
  public var number: Int
  /// T, the number of updates in the run if it skips no step.
  public var total: Int
  /// Whether the run ends with this update.
  public var isLast: Bool
  /// η, after the schedule.
  public var learningRate: Double
  /// λ of the rule `blend`.
  public var lambda = 1.0
  /// Of a rule that ``UpdateRule/averages``: the share of this step in the average.
  public var averageShare = 1.0

  /// The properties describe the parameters.
  public init(number: Int, total: Int, learningRate: Double) {
    (self.number, self.total, self.learningRate) = (number, total, learningRate)
    isLast = number == total
  }
}

/// One range of the vectors that an update reads and writes. All views have the same count.
public struct UpdateRange: Sendable {
  /// θ, the gradient, the new θ.
  public var vectors: UpdateVectors
  /// The rule's slots, to be updated in place unless the rule has ``UpdateRule/writesSlotsBeside``.
  public var slots: [MutableFloats]
  /// λ for a rule with ``WeightDecay/own(_:)``, otherwise 0.
  public var ownDecay = 0.0
  /// The number of values of the range's tensor, for a rule with ``RuleSums/eachTensor(_:)``.
  public var tensorCount = 0
  /// The sums over the range's tensor, for a rule with ``RuleSums/eachTensor(_:)``.
  public var tensorSums: [Double] = []
  /// The sizes of the range's tensor as stored, for a rule with ``RuleSums/eachTensor(_:)``; empty if it has one axis.
  public var tensorShape: [Int] = []
  /// For a rule that ``UpdateRule/transformsTensors``: what it has measured and transformed.
  public var direction: MutableFloats {
    guard let measured else { preconditionFailure("the rule transforms no tensors") }
    return measured
  }
  var measured: MutableFloats?

  /// The properties describe the parameters.
  public init(_ vectors: UpdateVectors, slots: [MutableFloats]) {
    (self.vectors, self.slots) = (vectors, slots)
  }

  /// Slot `index` as it was before the step.
  public func slotBefore(_ index: Int) -> Floats { slots[index].readOnly.displaced(by: vectors.before) }

  /// Makes ``direction`` the gradient.
  func directAlongGradient() { each { direction[$0] = Float($1) } }

  /// Moves the parameters by `rate` times ``direction``, with the step's decay.
  func moveAlongDirection(rate: Double) {
    var vectors = vectors
    (vectors.gradientSum, vectors.scale, vectors.clip) = (direction.readOnly, 1, .infinity)
    vectors.gradientDescent(rate: rate)
  }

  /// Calls `body` with each index and its ``UpdateVectors/gradient(_:)``.
  func each(_ body: (_ index: Int, _ gradient: Double) -> Void) {
    for index in vectors.parameters.indices { body(index, vectors.gradient(index)) }
  }
}

/// What `--weight-decay` λ means for a rule.
public enum WeightDecay: Equatable, Sendable {
  /// Coupled, g + λθ, or decoupled, (1 − ηλ)θ, as `--weight-decay-kind` says.
  case either
  /// Decoupled (Loshchilov & Hutter, ICLR 2019), with this default for λ.
  case decoupled(Double)
  /// A term in the rule's own equations, with this default for λ.
  case own(Double)

  var options: [OptionDeclaration] {
    func decay(_ value: Double) -> OptionDeclaration {
      .real("weight-decay", default: value, .notNegative, "λ, how strongly parameters are drawn to zero.")
    }
    switch self {
    case .either:
      return [
        decay(0),
        .choice(
          "weight-decay-kind", default: "coupled", ["coupled", "decoupled"], valueName: "kind",
          "coupled adds λθ to the gradient, decoupled takes ηλθ off the parameters (adamw and lion: always decoupled; lamb and lars: a place of their own)."
        ),
      ]
    case .decoupled(let value), .own(let value): return [decay(value)]
    }
  }
}

extension UpdateRule {
  static var alternative: Alternative {
    Alternative(name, options: options + weightDecay.options + OptionDeclaration.ofEveryRule)
  }
}
