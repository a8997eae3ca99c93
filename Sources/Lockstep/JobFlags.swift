internal import ArgumentParser
internal import Foundation

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
    parsing: .unconditional, help: ArgumentHelp("The update rule: adam or rmsprop. (default: adam)", valueName: "name"))
  var optimizer: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("The step size. (default: 0.001)", valueName: "number"))
  var learningRate: String?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Adam's decay of the first moment. (default: 0.9)", valueName: "number")
  )
  var beta1: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Adam's decay of the second moment. (default: 0.999)", valueName: "number"))
  var beta2: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What is added to the root in the update. (default: 1e-8)", valueName: "number"))
  var epsilon: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("RMSprop's decay of the mean square. (default: 0.9)", valueName: "number"))
  var rho: String?

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

  @Option(parsing: .unconditional, help: ArgumentHelp("The run's folder. (default: runs/<time>)", valueName: "folder"))
  var output: String?

  /// The options given, and below them those of the file.
  func options() throws -> JobOptions {
    var options = JobOptions()
    try options.set(
      source.given + [
        ("scale", scale),
        ("model", model), ("activation", activation), ("loss", loss), ("dropout", dropout), ("optimizer", optimizer),
        ("learning-rate", learningRate), ("beta1", beta1), ("beta2", beta2), ("epsilon", epsilon), ("rho", rho),
        ("batch-size", batchSize), ("micro-batches", microBatches), ("epochs", epochs), ("steps", steps),
        ("seed", seed), ("on-nonfinite", onNonFinite),
        ("output", output),
      ])
    if let job { try options.merge(file: job) }
    return options
  }
}
