public import Kernels
public import Schema

/// How a step changes the parameters: a small value of hyperparameters.
///
/// The rule's state, its moments, is not in it: the slots are vectors as long as the parameters, zero at first.
public protocol UpdateRule: Sendable {
  /// What `--optimizer` calls it.
  static var name: String { get }
  /// Its equations in short, with g for the averaged gradient.
  static var equations: String { get }
  /// Where it was published.
  static var paper: String { get }
  /// Its own options, with defaults; `learning-rate` among them.
  static var options: [OptionDeclaration] { get }
  /// What weight decay means for it. The default is ``WeightDecay/either``.
  static var weightDecay: WeightDecay { get }
  /// Whether `--schedule hypergradient` goes with it: it then measures the hypergradient. The default is no.
  static var hasHypergradient: Bool { get }
  /// Whether its step is the whole training part. The default is no.
  static var stepIsWhole: Bool { get }
  /// Whether ``update(_:_:)`` and ``measure(_:_:into:)`` read the slots by ``UpdateRange/slotBefore(_:)`` and only write
  /// ``UpdateRange/slots``. The default is no: the slots are then copied first and updated in place.
  static var writesSlotsBeside: Bool { get }

  /// A rule with these values; each has been checked against its range.
  init(_ values: OptionValues)

  /// Refuses values that do not go together. The default refuses none.
  ///
  /// - Throws: ``OptionError``.
  func check() throws

  /// The names of its slots.
  var slots: [String] { get }

  /// Which sums it needs before a step's first update. The default is none.
  var sums: RuleSums { get }

  /// Adds a range to those sums; the ranges come in order. May update slots. The default adds nothing.
  func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum])

  /// Draws the consequences of sums over all parameters. The default draws none.
  func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double])

  /// Updates one range of the parameters. Elementwise: ranges may come in any order, on any thread. The default is
  /// ``reference(_:_:)``.
  func update(_ range: UpdateRange, _ step: UpdateStep)

  /// The same in plain Swift, as the equations read, to test ``update(_:_:)`` against.
  func reference(_ range: UpdateRange, _ step: UpdateStep)
}

extension UpdateRule {
  /// Coupled unless said otherwise.
  public static var weightDecay: WeightDecay { .either }
  /// No.
  public static var hasHypergradient: Bool { false }
  /// No.
  public static var stepIsWhole: Bool { false }
  /// No.
  public static var writesSlotsBeside: Bool { false }
  /// None.
  public var sums: RuleSums { .none }
  /// As the equations read.
  public func update(_ range: UpdateRange, _ step: UpdateStep) { reference(range, step) }
  /// Nothing to refuse.
  public func check() throws {}
  /// Nothing to add.
  public func measure(_ range: UpdateRange, _ step: UpdateStep, into sums: inout [OrderedSum]) {}
  /// Nothing to draw.
  public func adapt(_ state: inout OptimizerState, _ step: inout UpdateStep, _ sums: [Double]) {}
}

/// Sums over parameters that a rule needs before it can update any.
public enum RuleSums: Equatable, Sendable {
  /// None: a range can be updated as soon as its gradient is there.
  case none
  /// So many over all parameters.
  case overall(Int)
  /// So many over each tensor.
  case eachTensor(Int)
}

/// What all ranges of one step have in common.
public struct UpdateStep: Equatable, Sendable {
  /// t, counted from 1.
  public var number: Int
  /// T, the updates of the whole run.
  public var total: Int
  /// η, after the schedule.
  public var learningRate: Double
  /// A blend's λ.
  public var lambda = 1.0

  /// A step.
  public init(number: Int, total: Int, learningRate: Double) {
    self.number = number
    self.total = total
    self.learningRate = learningRate
  }
}

/// One range of all that an update reads and writes. All views have the same count.
public struct UpdateRange: Sendable {
  /// θ, the gradient, the new θ.
  public var vectors: UpdateVectors
  /// The rule's slots, in the order of its names; to be updated in place, unless the rule writes them beside.
  public var slots: [MutableFloats]
  /// λ where the rule has a place of its own for weight decay.
  public var ownDecay = 0.0
  /// The sums over the range's tensor, where the rule has asked for them.
  public var tensorSums: [Double] = []

  /// Views of one range.
  public init(_ vectors: UpdateVectors, slots: [MutableFloats]) {
    self.vectors = vectors
    self.slots = slots
  }

  /// Slot `index` as it was before the step.
  public func slotBefore(_ index: Int) -> Floats { slots[index].readOnly.displaced(by: vectors.before) }

  /// Element by element: the reference's loop.
  func each(_ body: (_ index: Int, _ gradient: Double) -> Void) {
    for index in vectors.parameters.indices { body(index, vectors.gradient(index)) }
  }
}

/// What `--weight-decay` λ means for a rule.
public enum WeightDecay: Equatable, Sendable {
  /// Coupled, g + λθ, or decoupled, (1 − ηλ)θ, as the user says.
  case either
  /// Decoupled (Loshchilov & Hutter, ICLR 2019), λ being this unless said.
  case decoupled(Double)
  /// The rule's equations have a place for it, λ being this unless said.
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
  /// The rule with its options, and those that all rules have.
  static var alternative: Alternative {
    Alternative(name, options: options + weightDecay.options + OptionDeclaration.ofEveryRule)
  }
}
