internal import Foundation
package import Kernels
package import Protocol
package import Schema

/// `summary.json`: the results of a run.
@dynamicMemberLookup
package struct RunSummary: Codable, Sendable {
  /// The means over the last epoch, each example before its step's update: the loss and the model's metrics by name.
  /// Skipped steps do not count; empty without a step. In the file the names begin with `train_`.
  package var train: [String: Double] = [:]
  /// The same for the validation part at its last evaluation; empty without one. In the file the names begin with
  /// `validation_`.
  package var validation: [String: Double] = [:]
  /// The same for the test part at the last evaluation; empty without one, and beside a validation part before the run's
  /// end. In the file the names begin with `test_`.
  package var test: [String: Double] = [:]
  private var facts = Facts()

  /// What does not depend on the model's metrics.
  package struct Facts: Codable, Sendable {
    /// `completed` or `failed`.
    package var status = "completed"
    package var error: String?
    /// A worker, a tensor, a signal or a folder; nil if it is none of these.
    package var culprit: String?
    /// Workers that took part, including those that left.
    package var workers = 0
    /// Compute threads of the worker with the most.
    package var threads = 0
    /// Steps done, including skipped ones.
    package var steps = 0
    package var skippedSteps = 0
    /// Epochs started.
    package var epochs = 0
    /// Examples computed, including repetitions.
    package var examplesSeen = 0
    package var parameterCount = 0
    /// What the coordinator holds for each parameter beside the parameter itself, in bytes; nil in former files.
    package var stateBytesPerParameter: Double?
    /// SHA-256 of the parameter vector's little-endian float32 bytes, in layout order.
    package var parametersSHA256: String?
    /// From the first worker's joining to the end.
    package var seconds = 0.0
    /// Evaluations do not count.
    package var stepTime = TimeSplit()
    /// Workers that took part with another digest than the first; nil if there were none.
    package var otherNumerics: [String]?
    /// Steps divided by the time of all steps; evaluations do not count.
    package var stepsPerSecond: Double?

    private enum CodingKeys: String, CodingKey {
      case status, error, culprit, workers, threads, steps, epochs, seconds
      case skippedSteps = "skipped_steps"
      case examplesSeen = "examples_seen"
      case parameterCount = "parameter_count"
      case stateBytesPerParameter = "state_bytes_per_parameter"
      case parametersSHA256 = "parameters_sha256"
      case otherNumerics = "other_numerics"
      case stepTime = "step_time"
      case stepsPerSecond = "steps_per_second"
    }
  }

  package var trainLoss: Double? { train["loss"] }
  package var validationLoss: Double? { validation["loss"] }
  package var testLoss: Double? { test["loss"] }
  /// The part whose loss decides which checkpoint is the best.
  package var decidingPart: HeldOutPart { validation.isEmpty ? .test : .validation }
  package var decidingLoss: Double? { figures(of: decidingPart)["loss"] }

  /// The figures of `part`; nil for the training part.
  package func figures(of part: HeldOutPart?) -> [String: Double] {
    switch part {
    case .validation: validation
    case .test: test
    case nil: train
    }
  }

  package init() {}

  package subscript<Value>(dynamicMember path: WritableKeyPath<Facts, Value>) -> Value {
    get { facts[keyPath: path] }
    set { facts[keyPath: path] = newValue }
  }

  package init(from decoder: any Decoder) throws {
    facts = try Facts(from: decoder)
    train = try PrefixedFigures.read(from: decoder, "train_")
    validation = try PrefixedFigures.read(from: decoder, "validation_")
    test = try PrefixedFigures.read(from: decoder, "test_")
  }

  package func encode(to encoder: any Encoder) throws {
    try facts.encode(to: encoder)
    try PrefixedFigures.write(train, to: encoder, "train_")
    try PrefixedFigures.write(validation, to: encoder, "validation_")
    try PrefixedFigures.write(test, to: encoder, "test_")
  }
}

/// Metrics by name among the other keys of an object.
package enum PrefixedFigures {
  /// Reads the numbers whose keys begin with `prefix`, which is removed from their names.
  package static func read(from decoder: any Decoder, _ prefix: String) throws -> [String: Double] {
    let container = try decoder.container(keyedBy: AnyKey.self)
    return try container.allKeys.reduce(into: [:]) { figures, key in
      guard key.stringValue.hasPrefix(prefix) else { return }
      figures[String(key.stringValue.dropFirst(prefix.count))] = try container.decodeIfPresent(Double.self, forKey: key)
    }
  }

  /// Writes `figures` with `prefix` before their names.
  package static func write(_ figures: [String: Double], to encoder: any Encoder, _ prefix: String) throws {
    var container = encoder.container(keyedBy: AnyKey.self)
    for (name, value) in figures { try container.encode(value, forKey: AnyKey(stringValue: prefix + name)) }
  }
}

/// SHA-256 of the little-endian float32 bytes, in hex.
package func parametersSHA256(_ parameters: Floats) -> String {
  var hash = SHA256()
  hash.update(parameters.bytes)
  return hash.digest.hex
}
