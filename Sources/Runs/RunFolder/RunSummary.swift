internal import Foundation
package import Kernels
package import Protocol

/// A run's end in figures: `summary.json`.
package struct RunSummary: Codable, Sendable {
  /// `completed` or `failed`.
  package var status = "completed"
  /// The root cause of a failure.
  package var error: String?
  /// Who or what it was: a worker, a tensor, a signal, a folder; nil where it is none of these.
  package var culprit: String?
  /// Workers that took part, those that left counted.
  package var workers = 0
  /// Compute threads of a worker; of the one with the most where they differ.
  package var threads = 0
  /// Steps done, skipped ones counted.
  package var steps = 0
  /// Steps without an update, because something was not finite.
  package var skippedSteps = 0
  /// Epochs begun.
  package var epochs = 0
  /// Examples computed, repetitions counted.
  package var examplesSeen = 0
  /// The mean loss over the last epoch's examples, each before its step's update, and the figures that the model measures,
  /// by name; skipped steps do not count. Nothing without a step. In the file their names begin with `train_`.
  package var train: [String: Double] = [:]
  /// The same of the test part under the last parameters; nothing without a test part. They begin with `test_`.
  package var test: [String: Double] = [:]
  /// How many parameters the model has.
  package var parameterCount = 0
  /// SHA-256 of the parameter vector's little-endian float32 bytes, in layout order.
  package var parametersSHA256: String?
  /// From the first worker to the end.
  package var seconds = 0.0
  /// Where the steps' time went; evaluations are left out.
  package var stepTime = TimeSplit()
  /// The workers whose bits were not those of the run's first worker, where they were let in; nil where all had the same.
  package var otherNumerics: [String]?
  /// Steps over the time from the first step's start to the last one's end, evaluations left out.
  package var stepsPerSecond: Double?

  /// The mean loss of the last epoch.
  package var trainLoss: Double? { train["loss"] }
  /// The mean loss of the test part.
  package var testLoss: Double? { test["loss"] }

  /// An empty summary.
  package init() {}
}

extension RunSummary {
  enum CodingKeys: String, CodingKey {
    case status, error, culprit, workers, threads, steps, epochs
    case skippedSteps = "skipped_steps"
    case examplesSeen = "examples_seen"
    case parameterCount = "parameter_count"
    case parametersSHA256 = "parameters_sha256"
    case seconds
    case otherNumerics = "other_numerics"
    case stepTime = "step_time"
    case stepsPerSecond = "steps_per_second"
  }

  /// Reads `summary.json`.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    status = try container.decode(String.self, forKey: .status)
    error = try container.decodeIfPresent(String.self, forKey: .error)
    culprit = try container.decodeIfPresent(String.self, forKey: .culprit)
    workers = try container.decode(Int.self, forKey: .workers)
    threads = try container.decode(Int.self, forKey: .threads)
    steps = try container.decode(Int.self, forKey: .steps)
    skippedSteps = try container.decode(Int.self, forKey: .skippedSteps)
    epochs = try container.decode(Int.self, forKey: .epochs)
    examplesSeen = try container.decode(Int.self, forKey: .examplesSeen)
    parameterCount = try container.decode(Int.self, forKey: .parameterCount)
    parametersSHA256 = try container.decodeIfPresent(String.self, forKey: .parametersSHA256)
    seconds = try container.decode(Double.self, forKey: .seconds)
    stepTime = try container.decode(TimeSplit.self, forKey: .stepTime)
    otherNumerics = try container.decodeIfPresent([String].self, forKey: .otherNumerics)
    stepsPerSecond = try container.decodeIfPresent(Double.self, forKey: .stepsPerSecond)
    train = try PrefixedFigures.read(from: decoder, "train_")
    test = try PrefixedFigures.read(from: decoder, "test_")
  }

  /// Writes `summary.json`.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(status, forKey: .status)
    try container.encodeIfPresent(error, forKey: .error)
    try container.encodeIfPresent(culprit, forKey: .culprit)
    try container.encode(workers, forKey: .workers)
    try container.encode(threads, forKey: .threads)
    try container.encode(steps, forKey: .steps)
    try container.encode(skippedSteps, forKey: .skippedSteps)
    try container.encode(epochs, forKey: .epochs)
    try container.encode(examplesSeen, forKey: .examplesSeen)
    try container.encode(parameterCount, forKey: .parameterCount)
    try container.encodeIfPresent(parametersSHA256, forKey: .parametersSHA256)
    try container.encode(seconds, forKey: .seconds)
    try container.encode(stepTime, forKey: .stepTime)
    try container.encodeIfPresent(otherNumerics, forKey: .otherNumerics)
    try container.encodeIfPresent(stepsPerSecond, forKey: .stepsPerSecond)
    try PrefixedFigures.write(train, to: encoder, "train_")
    try PrefixedFigures.write(test, to: encoder, "test_")
  }
}

/// Figures by name, beside other keys of an object.
package enum PrefixedFigures {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// The numbers whose keys begin with `prefix`, which their names do without.
  package static func read(from decoder: any Decoder, _ prefix: String) throws -> [String: Double] {
    let container = try decoder.container(keyedBy: Key.self)
    return try container.allKeys.reduce(into: [:]) { figures, key in
      guard key.stringValue.hasPrefix(prefix) else { return }
      figures[String(key.stringValue.dropFirst(prefix.count))] = try container.decodeIfPresent(Double.self, forKey: key)
    }
  }

  /// Writes `figures`, their names behind `prefix`.
  package static func write(_ figures: [String: Double], to encoder: any Encoder, _ prefix: String) throws {
    var container = encoder.container(keyedBy: Key.self)
    for (name, value) in figures { try container.encode(value, forKey: Key(stringValue: prefix + name)) }
  }
}

/// SHA-256 of the vector's little-endian float32 bytes, in hex.
package func parametersSHA256(_ parameters: Floats) -> String {
  var hash = SHA256()
  hash.update(parameters.bytes)
  return hash.digest.hex
}
