public import Datasets
public import Kernels
public import Schema

/// A function of a model's outputs and the examples' targets, which training minimizes.
public protocol Loss: Sendable {
  /// Its name for `--loss`, such as `cross-entropy`.
  static var name: String { get }
  /// Other names for `--loss`. The default is none.
  static var aliases: [String] { get }
  /// Whether targets are classes; otherwise they are numbers.
  static var classifies: Bool { get }

  /// Its options. The default is none. Flags, help and keys in job files follow from them.
  static var options: [OptionDeclaration] { get }
  /// The numbers that targets may be. The default is all.
  static var targets: ClosedRange<Float> { get }

  init()
  /// The loss of a job. The default is ``init()``.
  ///
  /// - Parameters:
  ///   - options: a value for each of ``options`` that is given or has a default.
  ///   - target: what the data need.
  /// - Throws: ``OptionError`` if the options do not suit the target.
  init(_ options: OptionValues, for target: Target) throws

  /// What it measures, the loss first.
  var metrics: MetricSchema { get }

  /// Computes the loss, and replaces `outputs` by the gradient of the loss **summed** (not averaged) over the rows.
  ///
  /// - Parameters:
  ///   - outputs: rows × `columns`.
  ///   - columns: the number of classes, or of numbers in a target.
  ///   - targets: one per row.
  /// - Returns: sums over the rows.
  func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics

  /// This loss for targets that were divided by `deviation`, their mean being subtracted before, with ``MetricSchema/units`` that make its sums those of this
  /// loss. The default is nil: targets must stay as they are.
  func dividingTargets(by deviation: Float) -> Self?
}

extension Loss {
  /// Default: nil.
  public func dividingTargets(by deviation: Float) -> Self? { nil }
  /// Default: no other names.
  public static var aliases: [String] { [] }
  /// Default: no options.
  public static var options: [OptionDeclaration] { [] }
  /// Default: any numbers.
  public static var targets: ClosedRange<Float> { -.infinity ... .infinity }
  /// Default: as without options.
  public init(_ options: OptionValues, for target: Target) throws { self.init() }
}

/// −log softmax(outputs)[class]. With weights and smoothing, it is PyTorch's `CrossEntropyLoss`.
public struct CrossEntropy: Loss {
  /// The name for `--loss`.
  public static let name = "cross-entropy"
  /// Other names for `--loss`.
  public static let aliases = ["ce"]
  /// Targets are classes.
  public static let classifies = true
  /// Smoothing, weights, and a class that counts for nothing.
  public static let options: [OptionDeclaration] = [
    .real(
      "label-smoothing", default: 0, .share, valueName: "share",
      "The part of each target that all classes share equally."),
    .numbers(
      "class-weights", .notNegative, or: ["balanced"],
      "What an example of each class counts, in place of 1: as in 1,2.5 for two classes; balanced for all examples divided by "
        + "classes and by the class's examples, as counted in the training part."),
    .whole(
      "ignored-class", 0...UInt64(ModelRequest.mostOutputs - 1), valueName: "class",
      "Examples and positions of this class count for nothing."),
  ]

  private let smoothing: Double
  private let weights: [Float]
  private let ignored: Int?
  /// The number of classes; nil if it is not known.
  private let classes: Int?

  /// The accuracy. For more than 5 classes also how often the class is among the 5 largest outputs; for positions also
  /// the perplexity, e to the mean of −log softmax(outputs)[class] without smoothing and weights.
  public let metrics: MetricSchema

  /// Neither smoothing nor weights.
  public init() { self.init(smoothing: 0, weights: [], ignored: nil, target: nil) }

  /// - Throws: ``OptionError`` if there is not a weight for each class, none is above 0, or the ignored class is none.
  public init(_ options: OptionValues, for target: Target) throws {
    let weights = options.numbers("class-weights")
    let ignored = options.ifGiven("ignored-class").map { Int($0) }
    let classes = target.outputs / target.positions
    guard weights.isEmpty || weights.count == classes else {
      throw OptionError(
        "--class-weights \(options.text("class-weights")): there are \(classes) classes, and \(weights.count) weights")
    }
    guard weights.isEmpty || weights.contains(where: { $0 > 0 }) else {
      throw OptionError("--class-weights \(options.text("class-weights")): no class counts anything")
    }
    if let ignored, ignored >= classes {
      throw OptionError("--ignored-class \(ignored): the classes are 0 to \(classes - 1)")
    }
    self.init(
      smoothing: options.ifGiven("label-smoothing") ?? 0, weights: weights.map { Float($0) }, ignored: ignored,
      target: target)
  }

  private init(smoothing: Double, weights: [Float], ignored: Int?, target: Target?) {
    (self.smoothing, self.weights, self.ignored) = (smoothing, weights, ignored)
    classes = target.map { $0.outputs / $0.positions }
    var sums = ["correct"]
    var figures: [Figure] = []
    // The weight is not the number of rows, or the loss not the plain one.
    let isPlain = smoothing == 0 && weights.isEmpty
    func mean(_ name: String, of sum: String, title: String) -> Figure {
      isPlain
        ? .mean(name, of: sum, title: title)
        : Figure(name, title: title) { $0["rows"] > 0 ? $0[sum] / $0["rows"] : nil }
    }
    figures.append(mean("accuracy", of: "correct", title: "accuracy"))
    if let classes, classes > 10 {
      sums.append("top5")
      figures.append(mean("top5", of: "top5", title: "top-5 accuracy"))
    }
    if !isPlain { sums += ["rows", "surprise"] }
    if case .positions = target {
      figures.append(
        Figure("perplexity", title: "perplexity") {
          Elementary.exponential(isPlain ? $0["loss"] / $0.weight : $0["surprise"] / $0["rows"])
        })
    }
    metrics = MetricSchema(sums, figures: figures)
  }

  /// Without weights and smoothing, the gradient is softmax(outputs) − one-hot. Traps if `targets` are not classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .classes(let labels) = targets else { preconditionFailure("cross-entropy is of classes") }
    let sums = Kernels.softmaxCrossEntropy(
      outputs, labels: labels, weights: weights, smoothing: smoothing, ignored: ignored)
    var metrics = Metrics(weight: sums.weight, loss: sums.loss, Double(sums.correct))
    if let classes, classes > 10 { metrics.sums.append(Double(sums.amongFive)) }
    if smoothing != 0 || !weights.isEmpty { metrics.sums += [Double(sums.rows), sums.surprise] }
    return metrics
  }
}

/// The squared error averaged over the outputs.
public struct MeanSquaredError: Loss {
  /// The name for `--loss`.
  public static let name = "mean-squared-error"
  /// Other names for `--loss`.
  public static let aliases = ["mse"]
  /// Targets are numbers.
  public static let classifies = false

  /// The loss has no options.
  public init() {}

  /// R², the fraction of the targets' variation that is explained, and the mean absolute error.
  public private(set) var metrics = MetricSchema.regression

  /// The gradient is 2 (outputs − targets) / columns. Traps if `targets` are classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    regressionMetrics(.squaredError, outputs, columns, targets)
  }

  /// The same loss, measured in the units of the targets before the division.
  public func dividingTargets(by deviation: Float) -> MeanSquaredError? {
    var loss = self
    loss.metrics.units = MetricSchema.unitsOfErrors(deviation, loss: 2)
    return loss
  }
}

/// The absolute error averaged over the outputs.
public struct MeanAbsoluteError: Loss {
  /// The name for `--loss`.
  public static let name = "mean-absolute-error"
  /// Other names for `--loss`.
  public static let aliases = ["mae"]
  /// Targets are numbers.
  public static let classifies = false

  /// The loss has no options.
  public init() {}

  /// R² and the mean absolute error.
  public private(set) var metrics = MetricSchema.regression

  /// The gradient is the error's sign / columns, and 0 where there is no error. Traps if `targets` are classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    regressionMetrics(.absoluteError, outputs, columns, targets)
  }

  /// The same loss, measured in the units of the targets before the division.
  public func dividingTargets(by deviation: Float) -> MeanAbsoluteError? {
    var loss = self
    loss.metrics.units = MetricSchema.unitsOfErrors(deviation, loss: 1)
    return loss
  }
}

/// Half the squared error, and a line of slope δ where the error exceeds δ, averaged over the outputs: P. J. Huber,
/// "Robust Estimation of a Location Parameter", 1964.
public struct Huber: Loss {
  /// The name for `--loss`.
  public static let name = "huber"
  /// Targets are numbers.
  public static let classifies = false
  /// δ.
  public static let options: [OptionDeclaration] = [
    .real("huber-delta", default: 1, .positive, "The error from which on the loss is a line.")
  ]

  private var delta: Float

  /// δ is 1.
  public init() { delta = 1 }
  /// δ is the option `huber-delta`.
  public init(_ options: OptionValues, for target: Target) { delta = Float(options["huber-delta"]) }

  /// R² and the mean absolute error.
  public private(set) var metrics = MetricSchema.regression

  /// The gradient is the error, at least −δ and at most δ, / columns. Traps if `targets` are classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    regressionMetrics(.huber(delta), outputs, columns, targets)
  }

  /// The same loss with δ / `deviation`, measured in the units of the targets before the division.
  public func dividingTargets(by deviation: Float) -> Huber? {
    var loss = self
    loss.delta = delta / deviation
    loss.metrics.units = MetricSchema.unitsOfErrors(deviation, loss: 2)
    return loss
  }
}

/// −t log p − (1 − t) log(1 − p), averaged over the outputs, where the targets t are from 0 to 1 and p = sigmoid(outputs).
public struct BinaryCrossEntropy: Loss {
  /// The name for `--loss`.
  public static let name = "binary-cross-entropy"
  /// Other names for `--loss`.
  public static let aliases = ["bce"]
  /// Targets are numbers.
  public static let classifies = false
  /// Targets are from 0 to 1.
  public static let targets: ClosedRange<Float> = 0...1

  /// The loss has no options.
  public init() {}

  /// The accuracy: how often p > ½ where the target is, and not where it is not.
  public let metrics = MetricSchema(["correct"], figures: [.mean("accuracy", of: "correct", title: "accuracy")])

  /// The gradient is (p − t) / columns. Traps if `targets` are classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .values(let values) = targets else { preconditionFailure("binary cross-entropy is of numbers") }
    let sums = Kernels.binaryCrossEntropy(outputs, targets: values.values, columns: columns)
    return Metrics(weight: Double(values.rows), loss: sums.loss, sums.correct)
  }
}

extension MetricSchema {
  /// Of losses of errors.
  fileprivate static let regression = MetricSchema(
    ["squared_error", "absolute_error"],
    figures: [
      Figure("r2", title: "R²") { sums in
        sums.targetVariation.flatMap { $0 > 0 ? 1 - sums["squared_error"] / $0 : nil }
      },
      .mean("mae", of: "absolute_error", title: "mean absolute error"),
    ])

  /// - Parameter degree: the power of the error that the loss is of.
  fileprivate static func unitsOfErrors(_ deviation: Float, loss degree: Int) -> [Double] {
    let unit = Double(deviation)
    return [degree == 2 ? unit * unit : unit, unit * unit, unit]
  }
}

/// The sums of ``MetricSchema/regression``.
private func regressionMetrics(
  _ loss: RegressionLoss, _ outputs: MutableFloats, _ columns: Int, _ targets: Batch.Targets
) -> Metrics {
  guard case .values(let values) = targets else { preconditionFailure("errors are of numbers") }
  let sums = Kernels.regressionLoss(loss, outputs, targets: values.values, columns: columns)
  return Metrics(
    weight: Double(values.rows), loss: sums.loss, sums.squaredError, sums.absoluteError)
}

extension Loss where Self == CrossEntropy {
  /// −log softmax(outputs)[class].
  public static var crossEntropy: CrossEntropy { CrossEntropy() }
}

extension Loss where Self == MeanSquaredError {
  /// The squared error averaged over the outputs.
  public static var meanSquaredError: MeanSquaredError { MeanSquaredError() }
}

extension Loss where Self == MeanAbsoluteError {
  /// The absolute error averaged over the outputs.
  public static var meanAbsoluteError: MeanAbsoluteError { MeanAbsoluteError() }
}

extension Loss where Self == Huber {
  /// Half the squared error, and a line where the error exceeds 1.
  public static var huber: Huber { Huber() }
}

extension Loss where Self == BinaryCrossEntropy {
  /// −t log p − (1 − t) log(1 − p) with p = sigmoid(outputs).
  public static var binaryCrossEntropy: BinaryCrossEntropy { BinaryCrossEntropy() }
}

extension Loss {
  /// Whether targets may be divided by their deviation.
  package static var canDivideTargets: Bool { Self().dividingTargets(by: 2) != nil }

  /// - Throws: ``OptionError`` if a target of `examples` is outside ``targets``.
  package static func check(_ examples: Examples, of data: String) throws(OptionError) {
    guard targets != -.infinity ... .infinity else { return }
    for index in 0..<examples.count {
      for value in examples.values(index) ?? [] where !targets.contains(value) {
        throw OptionError(
          "--loss \(name) needs targets from \(OptionValue.real(Double(targets.lowerBound)).description) to "
            + "\(OptionValue.real(Double(targets.upperBound)).description), and \(data) has \(value)")
      }
    }
  }
}

package enum Losses {
  /// The built-in losses, and those that the program has added.
  package static let registry = Registry<any Loss.Type>([
    CrossEntropy.self, MeanSquaredError.self, MeanAbsoluteError.self, Huber.self, BinaryCrossEntropy.self,
  ]) { $0.name }

  /// The values of `--loss`, with their options.
  package static var selector: OptionSelector {
    OptionSelector("loss", registry.all.map { Alternative($0.name, aliases: $0.aliases, options: $0.options) })
  }

  /// The loss called `name`; nil if there is none.
  package static func named(_ name: String) -> (any Loss.Type)? { registry.all.first { $0.name == name } }

  /// The default loss.
  package static func usual(for target: Target) -> any Loss.Type {
    target.isClassification ? CrossEntropy.self : MeanSquaredError.self
  }
}

extension OptionDeclaration {
  /// The option `--loss`, for models that can be trained with any loss.
  public static var loss: OptionDeclaration {
    let losses = Losses.registry.all
    let spellings = losses.map { ([$0.name] + $0.aliases).joined(separator: " or ") }
    return .choice(
      "loss", losses.map { $0.name },
      defaultText: "cross-entropy where the labels are words, two different numbers or the whole numbers from 0 on",
      aliases: Dictionary(losses.flatMap { loss in loss.aliases.map { ($0, loss.name) } }) { first, _ in first },
      "What training makes small: \(spellings.joined(separator: ", ")).")
  }
}
