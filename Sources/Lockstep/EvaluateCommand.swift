internal import ArgumentParser
internal import Datasets
internal import Foundation
internal import Protocol
internal import Reports
internal import Runs

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

  @OptionGroup
  var source: DataFlags

  @Option(parsing: .unconditional, help: ArgumentHelp("Cuts the test part. (default: the job's)", valueName: "number"))
  var seed: String?

  func run() throws {
    let file = try ModelFile(path: model, models: Registry.all)
    let (data, examples) = try examples(for: file)
    let evaluation = Evaluation(file, on: examples)
    guard evaluation.loss.isFinite else {
      throw TrainingError(
        "the loss of \(model) on \(data) is \(evaluation.loss): its parameters or the data are out of range")
    }
    say("\(data) (\(count(evaluation.examples, "example")))")
    say("test loss: \(evaluation.loss)")
    if let accuracy = evaluation.accuracy { say("test accuracy: \(accuracy)") }
    if let r2 = evaluation.r2 { say("test R²: \(r2)") }
  }

  private func examples(for file: ModelFile) throws -> (String, Examples) {
    let job = file.description.job
    guard !job.source.isNone else {
      throw TrainingError("\(model) was trained with --data none: there is nothing to evaluate it on")
    }
    var options = JobOptions()
    try options.set(source.given + [("seed", seed)])
    var source = options.source
    if self.source.data == nil {
      guard self.source.given.dropFirst().allSatisfy({ $0.1 == nil }) else {
        throw JobError("--label, --test and --test-fraction say how to read --data, which is missing")
      }
      source = job.source
    }
    let wantsAll = self.source.data != nil && self.source.test == nil && self.source.testFraction == nil
    guard !source.isNone else { throw JobError("--data none: there is nothing to evaluate \(model) on") }
    let loaded = try LoadedData(
      source, classify: file.description.target.isClassification, seed: seed == nil ? job.seed : options.chosenSeed,
      evaluatesAll: wantsAll)
    guard loaded.featureCount == file.description.inputs else {
      throw TrainingError(
        "\(source.data) has \(loaded.featureCount) features, and \(model) was trained on \(file.description.inputs)")
    }
    // A file may lack the last classes, but not have others.
    let (outputs, known) = (loaded.target.outputs, file.description.target.outputs)
    guard loaded.target.isClassification ? outputs <= known : outputs == known else {
      throw TrainingError("\(source.data) has \(outputs) classes or targets, and \(model) predicts \(known)")
    }
    guard let test = loaded.test else {
      throw TrainingError("\(source.data) has no test part: give one with --test, or a --test-fraction above 0")
    }
    return (source.data, test)
  }
}
