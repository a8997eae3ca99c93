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

  init()

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
}

extension Loss {
  /// Default: no other names.
  public static var aliases: [String] { [] }
}

/// −log softmax(outputs)[class].
public struct CrossEntropy: Loss {
  /// The name for `--loss`.
  public static let name = "cross-entropy"
  /// Other names for `--loss`.
  public static let aliases = ["ce"]
  /// Targets are classes.
  public static let classifies = true

  /// The loss has no options.
  public init() {}

  /// The loss, and the number of rows whose largest output is that of their class.
  public let metrics = MetricSchema(["correct"], figures: [.mean("accuracy", of: "correct", title: "accuracy")])

  /// The gradient is softmax(outputs) − one-hot. Traps if `targets` are not classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .classes(let labels) = targets else { preconditionFailure("cross-entropy is of classes") }
    let sums = Kernels.softmaxCrossEntropy(outputs, labels: labels)
    return Metrics(weight: Double(labels.count), loss: sums.loss, Double(sums.correct))
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

  /// The loss, the squared error summed over outputs, and R², the fraction of the targets' variation that is explained.
  public let metrics = MetricSchema(
    ["squared_error"],
    figures: [
      Figure("r2", title: "R²") { sums in
        sums.targetVariation.flatMap { $0 > 0 ? 1 - sums["squared_error"] / $0 : nil }
      }
    ])

  /// The gradient is 2 (outputs − targets) / columns. Traps if `targets` are classes.
  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .values(let values) = targets else { preconditionFailure("a squared error is of numbers") }
    let sums = Kernels.meanSquaredError(outputs, targets: values.values, columns: columns)
    return Metrics(weight: Double(values.rows), loss: sums.loss, sums.squaredError)
  }
}

extension Loss where Self == CrossEntropy {
  /// −log softmax(outputs)[class].
  public static var crossEntropy: CrossEntropy { CrossEntropy() }
}

extension Loss where Self == MeanSquaredError {
  /// The squared error averaged over the outputs.
  public static var meanSquaredError: MeanSquaredError { MeanSquaredError() }
}

package enum Losses {
  /// The built-in losses, and those that the program has added.
  package static let registry = Registry<any Loss.Type>([CrossEntropy.self, MeanSquaredError.self]) { $0.name }

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
      "loss", losses.map { $0.name }, defaultText: "cross-entropy where the labels are the whole numbers from 0 on",
      aliases: Dictionary(losses.flatMap { loss in loss.aliases.map { ($0, loss.name) } }) { first, _ in first },
      "What training makes small: \(spellings.joined(separator: ", ")).")
  }
}
