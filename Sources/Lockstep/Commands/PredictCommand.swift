internal import ArgumentParser
internal import Datasets
internal import Files
internal import Foundation
internal import Models
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "What a saved model predicts for the records of a file.",
    discussion: """
      A line for each record, in the order of the file: for classes the likeliest one and the probability of each, else \
      the predicted number. Columns are read and prepared as for training; the label may be missing. Files of any size \
      are read in parts, on all cores.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("The model, or a run's folder.", valueName: "path"))
  var model: String

  enum Section: OptionSection {
    static let data = OptionDeclaration.text(
      "data", valueName: "data",
      "The records: a file as for training; or data of another kind, whose test part is taken.")
    static let output = OptionDeclaration.path(
      "output", defaultText: "standard output", decides: false, "The predictions; - for standard output.")
    static let format = OptionDeclaration.choice(
      "format", PredictionFile.Format.allCases.map(\.rawValue), valueName: "format",
      defaultText: "by the end of --output's name; csv for standard output", decides: false,
      "How predictions are written: csv or jsonl, a JSON object a line.")
    static let keep = OptionDeclaration.text(
      "keep", valueName: "columns", defaultText: "none", decides: false,
      "Columns of the file to be copied to the predictions, separated by commas; a name with a comma in double quotes.")
    static let threads = OptionDeclaration.whole(
      "threads", 1...1024, defaultText: "as many as cores", decides: false, "Threads that compute.")
    static let decimal = OptionDeclaration.choice(
      "decimal", [".", ","], valueName: "character", defaultText: "as for training", decides: false,
      "The decimal separator of a CSV file's numbers: . or ,")
    static let options = [data, output, format, keep, decimal, threads]
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  func validate() throws {
    guard own.has(Section.data) else { throw ValidationError("--data is missing: the records to predict for") }
  }

  func run() throws {
    do { try predict() } catch is ReaderGone {}
  }

  private func predict() throws {
    let file = try ModelFile(path: ModelFile.path(in: model), models: ModelKinds.registry.all)
    let threads = own.has(Section.threads) ? own.whole(Section.threads) : ProcessInfo.processInfo.activeProcessorCount
    let predictor = try Predictor(file, threads: threads)
    let keep = try ColumnChoices.names(own.text(Section.keep) ?? "")
    let path = own.text(Section.output).flatMap { $0 == "-" ? nil : $0 }
    try checkOutput(path)
    let format =
      try own.text(Section.format).flatMap(PredictionFile.Format.init)
      ?? path.map { try PredictionFile.Format(path: $0) } ?? .csv
    var output = try PredictionFile(path, format, predictor, keep: keep)
    var records = 0
    if let recipe = file.description.recipe {
      let blocks = try TableBlocksReader(
        own.text(Section.data)!, recipe, keep: keep, decimal: own.text(Section.decimal))
      var unseen: [String: Int] = [:]
      while let table = try blocks.next() {
        unseen.merge(recipe.unseen(in: table), uniquingKeysWith: +)
        try append(try recipe.examples(of: table), table, predictor, to: &output)
        records += table.count
      }
      for (name, cells) in unseen.sorted(by: { $0.key < $1.key }) {
        printError(
          "warning: \(name) has \(count(cells, "cell")) whose level training did not meet, or only once: they count as unknown"
        )
      }
    } else {
      for option in [Section.keep, Section.decimal] where own.has(option) {
        throw OptionError("--\(option.name) is for models of tables, and \(model) was trained on data that are none")
      }
      let examples = try otherExamples(of: file)
      try append(examples, nil, predictor, to: &output)
      records = examples.count
    }
    try output.finish()
    if let path { printLine("\(path): \(count(records, "prediction"))") }
  }

  private func append(
    _ examples: Examples, _ table: Table?, _ predictor: Predictor, to output: inout PredictionFile
  ) throws {
    for first in stride(from: 0, to: examples.count, by: predictor.mostRecords) {
      let range = first..<min(first + predictor.mostRecords, examples.count)
      try output.append(predictor.predictions(for: examples, in: range), table, from: first)
    }
  }

  /// - Throws: ``OptionError`` if the predictions would replace what they are made of.
  private func checkOutput(_ path: String?) throws {
    guard let path else { return }
    for (option, other) in [("data", own.text(Section.data)!), ("model", ModelFile.path(in: model))]
    where isSamePath(path, other) {
      throw OptionError("--output \(path) is the file of --\(option), which would be replaced: choose another")
    }
  }

  /// The examples of data that are no table.
  private func otherExamples(of file: ModelFile) throws -> Examples {
    let (job, inputs) = (file.description.job, file.description.inputs)
    var selection = DataSelection(own.text(Section.data)!)
    selection.recipeVersion = job.data.recipeVersion
    let known = Set(try selection.source.type.options.map(\.name))
    func load(_ options: [String], wantsLabels: Bool) throws -> LoadedData {
      selection.options = job.data.options.filter { options.contains($0.key) && known.contains($0.key) }
      var purpose = LoadedData.Purpose(
        classify: wantsLabels && file.description.target.isClassification, evaluatesAll: true, isTrained: true)
      purpose.wantsLabels = wantsLabels
      return try LoadedData(selection, for: purpose, seed: job.seed)
    }
    var loaded = try selection.canLackLabels ? load(["features"], wantsLabels: false) : nil
    // The labels may be there as well, in a column as for training.
    if loaded?.featureCount != inputs { loaded = try load(["label", "features", "context"], wantsLabels: true) }
    guard let loaded, loaded.featureCount == inputs else {
      throw TrainingError(
        "\(selection.data) has \(loaded?.featureCount ?? 0) features, and \(model) was trained on \(inputs)")
    }
    return loaded.test ?? loaded.train
  }
}
