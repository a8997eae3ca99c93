internal import ArgumentParser
internal import Foundation
internal import Runs

/// The job's options on the command line. Texts: ``JobOptions`` reads them as it reads job files.
struct JobFlags: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("A YAML file of these options; a flag beats the file.", valueName: "file"))
  var job: String?

  @OptionGroup
  var source: DataFlags

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How features are scaled: none, unit or standard. (default: standard)", valueName: "kind"))
  var scale: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "mlp:SIZES for hidden layers of these sizes, linear, or quadratic:SHAPE, which has no data. (default: mlp:256,128)",
      valueName: "model"))
  var model: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Between layers: relu, tanh, sigmoid or gelu. (default: relu)", valueName: "name"))
  var activation: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "cross-entropy or mean-squared-error. (default: cross-entropy where the labels are the whole numbers from 0 on)",
      valueName: "name"))
  var loss: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The share of hidden values that training drops, the same ones on every worker. (default: 0)", valueName: "share")
  )
  var dropout: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The update rule, one of `lockstep optimizers`. (default: adam)", valueName: "name"))
  var optimizer: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Examples a step, of all workers together. (default: 128)", valueName: "count"))
  var batchSize: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Micro-batches a step. Fixes the order of summing, and how many threads can share a step. (default: 8; without data 1, and each is an example)",
      valueName: "count"))
  var microBatches: String?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Passes over the training part. (default: 10)", valueName: "count"))
  var epochs: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps, in place of epochs; 0 writes the initial model.", valueName: "count"))
  var steps: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Fixes the initial parameters, the order of examples and the test part. (default: 0)", valueName: "number"))
  var seed: String?

  @Option(
    name: .customLong("on-nonfinite"), parsing: .unconditional,
    help: ArgumentHelp(
      "What becomes of a step whose loss or gradient is infinite or not a number: stop ends the run, skip leaves the step's update out. (default: stop)",
      valueName: "policy"))
  var onNonFinite: String?

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: OptimizerFlags

  @Option(
    name: .customLong("option"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Any option as NAME=VALUE, such as one of an update rule of your own.", valueName: "name=value"))
  var others: [String] = []

  /// The options given and `output`, which is none of the job, and below them those of the file.
  func options(output: String?) throws -> JobOptions {
    var options = JobOptions()
    try options.set(
      source.given + [
        ("scale", scale),
        ("model", model), ("activation", activation), ("loss", loss), ("dropout", dropout), ("optimizer", optimizer),
        ("batch-size", batchSize), ("micro-batches", microBatches), ("epochs", epochs), ("steps", steps),
        ("seed", seed), ("on-nonfinite", onNonFinite),
        ("output", output),
      ] + optimization.given)
    for other in others {
      let parts = other.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw JobError("--option \(other): NAME=VALUE is needed") }
      try options.set(String(parts[0]), to: String(parts[1]))
    }
    if let job { try options.merge(file: job) }
    return options
  }
}
