internal import ArgumentParser
internal import Datasets
internal import Foundation
internal import Models
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "The test loss and the scores of a saved model.",
    discussion: """
      Without --data, the test part that the model's own job kept apart. With --data, that data's test part, cut as the \
      options say; without --test or --test-fraction, all records of a table or an array. Features are scaled as the model says.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("The model, or a folder that holds it.", valueName: "path"))
  var model: String

  @Option(parsing: .unconditional, help: ArgumentHelp("Write the figures to a JSON file.", valueName: "file"))
  var output: String?

  enum Section: OptionSection {
    static let names = ["data", "seed"] + DataSources.selector.options.map(\.name)
    static let options = JobOptions.ofJobs.filter { names.contains($0.name) && $0.name != OptionDeclaration.scale.name }
    static let isChecked = false
  }

  @OptionGroup
  var source: DeclaredOptions<Section>

  func run() throws {
    let file = try ModelFile(path: ModelFile.path(in: model), models: ModelKinds.registry.all)
    let (data, examples) = try examples(for: file)
    let evaluation = Evaluation(file, on: examples)
    guard evaluation.loss.isFinite else {
      throw TrainingError(
        "the loss of \(model) on \(data) is \(evaluation.loss): its parameters or the data are out of range")
    }
    printLine("\(data) (\(count(evaluation.examples, "example")))")
    printLine("test loss: \(evaluation.loss)")
    for figure in file.model.metrics.figures {
      if let value = evaluation.figures[figure.name] { printLine("test \(figure.title): \(value)") }
    }
    let threads = ProcessInfo.processInfo.activeProcessorCount
    let scores = try Predictor.canPredict(file) ? Scores(Predictor(file, threads: threads), examples) : nil
    if let scores { for line in [""] + scores.lines { printLine(line) } }
    if let output {
      guard !isSamePath(output, data), !isSamePath(output, ModelFile.path(in: model)) else {
        throw OptionError("--output \(output) is a file that was read, which would be replaced: choose another")
      }
      var figures = evaluation.figures
      figures["loss"] = evaluation.loss
      try EvaluationFile(data: data, examples: evaluation.examples, test: figures, scores).write(to: output)
    }
  }

  private func examples(for file: ModelFile) throws -> (String, Examples) {
    let job = file.description.job
    guard file.description.inputs > 0 else {
      throw TrainingError("\(model) was trained with --data none: there is nothing to evaluate it on")
    }
    var options = JobOptions()
    try options.set(source.given)
    func isGiven(_ name: String) -> Bool { source.given.contains { $0.name == name } }
    var selection = options.selection
    selection.recipeVersion = job.data.recipeVersion
    if !isGiven("data") {
      guard selection.options.isEmpty else {
        throw OptionError("--\(selection.options.keys.min()!) says how to read --data, which is missing")
      }
      guard !isGiven("seed") else {
        throw OptionError("--seed: the model's own seed divides its data; give --data, or leave it out")
      }
      selection = job.data
    }
    if file.description.recipe != nil {
      let label = selection.options["label"]?.description
      let isOwn = label == nil || label == file.description.labelNames.joined(separator: ",")
      guard isOwn, !isGiven("columns") else {
        throw OptionError(
          "--\(isOwn ? "columns" : "label"): the model knows its columns and its label, "
            + "\(file.description.labelNames.joined(separator: ",")); leave it out")
      }
    }
    for option in ["group-by", "time", "validation-fraction"] where isGiven(option) && !isGiven("test-fraction") {
      throw OptionError(
        "--\(option) divides the data, of which all are evaluated: give --test-fraction too, or leave it out")
    }
    let wantsAll = isGiven("data") && !isGiven("test") && !isGiven("test-fraction")
    guard !selection.stepIsWhole else { throw OptionError("--data none: there is nothing to evaluate \(model) on") }
    let loaded = try LoadedData(
      selection,
      for: LoadedData.Purpose(
        classify: file.description.target.isClassification, evaluatesAll: wantsAll, isTrained: true,
        recipe: file.description.recipe),
      seed: isGiven("seed") ? options.chosenSeed : job.seed)
    if !isGiven("data"), let digest = job.dataDigest, digest != loaded.fingerprint {
      throw DatasetError(
        "\(selection.data) is not the data that \(model) was trained on (fingerprint \(loaded.fingerprint.prefix(12))…, and "
          + "\(digest.prefix(12))… then), so its test part is unknown: give --data \(selection.data) to evaluate all of it"
      )
    }
    guard loaded.featureCount == file.description.inputs else {
      throw TrainingError(
        "\(selection.data) has \(loaded.featureCount) features, and \(model) was trained on \(file.description.inputs)")
    }
    // The data may lack the last classes, but not have more.
    let (outputs, known) = (loaded.target.outputs, file.description.target.outputs)
    guard loaded.target.isClassification ? outputs <= known : outputs == known else {
      throw TrainingError("\(selection.data) has \(outputs) classes or targets, and \(model) predicts \(known)")
    }
    guard let test = loaded.test else {
      throw TrainingError("\(selection.data) has no test part: give one with --test, or a --test-fraction above 0")
    }
    try job.loss.flatMap(Losses.named)?.check(test, of: selection.data)
    return (selection.data, test)
  }
}
