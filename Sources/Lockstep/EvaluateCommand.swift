internal import ArgumentParser
internal import Foundation

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "The test loss and accuracy of a saved model.",
    discussion: """
      Without --data, the test part that the model's own job kept apart. With --data, that data's test part, cut as the \
      options say; of a CSV file without --test or --test-fraction, all records. Features are scaled as the model says.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("The model.", valueName: "file.safetensors"))
  var model: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "digits, fashion-mnist, a CSV file, or a folder of IDX files. (default: what it was trained on)",
      valueName: "data"))
  var data: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The label's column in a CSV file: a name, or a position from 1. (default: the last)", valueName: "column"))
  var label: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("A second CSV file that is the test part.", valueName: "file"))
  var test: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The share of the examples that is the test part, cut by the seed.", valueName: "share"))
  var testFraction: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Cuts the test part. (default: the job's)", valueName: "number"))
  var seed: String?

  func run() throws {
    let file = try ModelFile(path: model, models: Registry.all)
    let (data, examples) = try examples(for: file)
    let evaluation = Evaluation(file, on: examples)
    say("\(data) (\(count(evaluation.examples, "example")))")
    say("test loss: \(evaluation.loss)")
    if let accuracy = evaluation.accuracy { say("test accuracy: \(accuracy)") }
    if let r2 = evaluation.r2 { say("test R²: \(r2)") }
  }

  private func examples(for file: ModelFile) throws -> (String, Examples) {
    let job = file.description.job
    var options = JobOptions()
    let given: [(String, String?)] = [
      ("data", data), ("label", label), ("test", test), ("test-fraction", testFraction), ("seed", seed),
    ]
    for (name, value) in given {
      if let value { try options.set(name, to: value) }
    }
    var source = options.source
    if data == nil {
      guard label == nil, test == nil, testFraction == nil else {
        throw JobError("--label, --test and --test-fraction say how to read --data, which is missing")
      }
      source = job.source
    }
    let wantsAll = data != nil && test == nil && testFraction == nil
    let loaded = try LoadedData(
      source, classify: file.description.target.isClassification, seed: seed == nil ? job.seed : options.chosenSeed,
      evaluatesAll: wantsAll)
    guard loaded.featureCount == file.description.inputs else {
      throw TrainingError(
        "\(source.data) has \(loaded.featureCount) features, and \(model) was trained on \(file.description.inputs)")
    }
    // A file may lack the last classes, but not have others.
    if loaded.target.outputs > file.description.target.outputs {
      throw TrainingError(
        "\(source.data) has \(loaded.target.outputs) classes, and \(model) knows \(file.description.target.outputs)")
    }
    guard let test = loaded.test else {
      throw TrainingError("\(source.data) has no test part: give one with --test, or a --test-fraction above 0")
    }
    return (source.data, test)
  }
}
