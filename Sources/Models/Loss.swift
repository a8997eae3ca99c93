public import Datasets
public import Kernels
public import Schema

/// What training makes small: a function of a model's outputs and the examples' targets.
public protocol Loss: Sendable {
  /// What `--loss` calls it.
  static var name: String { get }
  /// Other names for it. The default is none.
  static var aliases: [String] { get }
  /// Whether targets are classes, or else numbers.
  static var classifies: Bool { get }

  /// The loss.
  init()

  /// What it measures, the loss first.
  var metrics: MetricSchema { get }

  /// The loss of `outputs`, rows of `columns`, which become its gradient with respect to them: that of the loss **summed**
  /// over the rows.
  ///
  /// - Parameters:
  ///   - columns: the classes, or the numbers of a target.
  ///   - targets: one a row.
  /// - Returns: sums over the rows.
  func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics
}

extension Loss {
  /// None.
  public static var aliases: [String] { [] }
}

/// −log softmax(outputs)[class].
public struct CrossEntropy: Loss {
  public static let name = "cross-entropy"
  public static let aliases = ["ce"]
  public static let classifies = true

  public init() {}

  /// Also how many rows are classified right.
  public let metrics = MetricSchema(["correct"], figures: [.mean("accuracy", of: "correct", title: "accuracy")])

  public func gradient(_ outputs: MutableFloats, columns: Int, targets: Batch.Targets) -> Metrics {
    guard case .classes(let labels) = targets else { preconditionFailure("cross-entropy is of classes") }
    let sums = Kernels.softmaxCrossEntropy(outputs, labels: labels)
    return Metrics(weight: Double(labels.count), loss: sums.loss, Double(sums.correct))
  }
}

/// The squared error averaged over the outputs.
public struct MeanSquaredError: Loss {
  public static let name = "mean-squared-error"
  public static let aliases = ["mse"]
  public static let classifies = false

  public init() {}

  /// Also the squared error over all outputs, and R², the share of the targets' variation that is explained.
  public let metrics = MetricSchema(
    ["squared_error"],
    figures: [
      Figure("r2", title: "R²") { sums in
        sums.targetVariation.flatMap { $0 > 0 ? 1 - sums["squared_error"] / $0 : nil }
      }
    ])

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

/// The losses that this program knows.
package enum Losses {
  /// Those that come with the trainer, and those that a program has added.
  package static let registry = Registry<any Loss.Type>([CrossEntropy.self, MeanSquaredError.self]) { $0.name }

  /// The loss called `name`; nil where none is.
  package static func named(_ name: String) -> (any Loss.Type)? { registry.all.first { $0.name == name } }

  /// The one that is trained by unless said otherwise.
  package static func usual(for target: Target) -> any Loss.Type {
    target.isClassification ? CrossEntropy.self : MeanSquaredError.self
  }
}

extension OptionDeclaration {
  /// `--loss`, for models that are trained by any of the losses.
  public static var loss: OptionDeclaration {
    let losses = Losses.registry.all
    let spellings = losses.map { ([$0.name] + $0.aliases).joined(separator: " or ") }
    return .choice(
      "loss", losses.map { $0.name }, defaultText: "cross-entropy where the labels are the whole numbers from 0 on",
      aliases: Dictionary(losses.flatMap { loss in loss.aliases.map { ($0, loss.name) } }) { first, _ in first },
      "What training makes small: \(spellings.joined(separator: ", ")).")
  }
}
