internal import ArgumentParser
internal import Datasets
internal import Files
internal import Foundation
internal import Models
internal import Optimizers
internal import Reports
internal import Runs
internal import Schema

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "What a run, a checkpoint or a model holds, or would have; what this machine can do.",
    discussion: """
      With --model or --data, the layers of such a model with their shapes, parameters and multiply-adds for an example, \
      before anything is trained. Of a run, its figures and its checkpoints; of the others, the job and every tensor with its norm (√ of the sum of \
      squares), its smallest and largest value, and how many values are infinite or not a number. Ends with 1 where a \
      checkpoint's files are not those of their digests. Of this machine, which kernels it uses, and how close their \
      matrix products come to the most multiply-adds that one of its cores can do.
      """)

  @Argument(help: ArgumentHelp("A run's folder, a checkpoint or a model.", valueName: "path"))
  var path: String?

  @Flag(help: "Show what this machine can do; takes about three seconds.")
  var machine = false

  enum Section: OptionSection {
    static let options =
      [JobOptions.dataOption, JobOptions.modelOption] + DataSources.selector.options
      + ModelKinds.registry.all.selector.options + Losses.selector.options
    static let isChecked = false
  }

  @OptionGroup(title: "A model that is not trained yet")
  var job: DeclaredOptions<Section>

  func validate() throws {
    let chosen = [machine, path != nil, !job.given.isEmpty].count { $0 }
    guard chosen == 1 else { throw ValidationError("give a path, --model and --data, or --machine") }
  }

  func run() throws {
    guard job.given.isEmpty else { return try showLayers() }
    guard let path else {
      printLine(table(MachineReport().rows, numbers: [1, 2]).joined(separator: "\n"))
      return
    }
    let isGood =
      switch try SavedArtifact(path) {
      case .model(let file): try show(model: file)
      case .checkpoint(let folder): try show(checkpoint: folder)
      case .run(let folder): try show(run: folder)
      }
    if !isGood { throw ExitCode(1) }
  }

  private func showLayers() throws {
    var options = JobOptions()
    try options.set(job.given)
    let prepared = try PreparedJob(options, models: ModelKinds.registry.all)
    let layout = prepared.model.layout
    printLine("\(prepared.job.modelText) on \(prepared.dataName) (\(count(layout.parameterCount, "parameter")))")
    guard let network = prepared.model.network else {
      show(layout.tensors.map { [$0.name, $0.savedShape.map(String.init).joined(separator: "×")] })
      return
    }
    let layers = network.layers
    var rows = [["layer", "operation", "output", "parameters", "multiply-adds"]]
    rows += layers.map {
      [$0.path ?? "", $0.operation, $0.shape, grouped($0.parameters), grouped($0.multiplyAdds)]
    }
    rows.append(["", "", "", grouped(layout.parameterCount), grouped(layers.reduce(0) { $0 + $1.multiplyAdds })])
    printLine(table(rows, numbers: [3, 4]).joined(separator: "\n"))
  }

  private func show(model path: String) throws -> Bool {
    let file = try Safetensors.File(path: path)
    printLine("model \(path)")
    if let description = ModelFile.description(in: file) {
      show(description.job)
      if let recipe = description.recipe { show(recipe) }
    }
    try show(file)
    return true
  }

  private func show(_ recipe: Recipe) {
    let labels = recipe.labels.map { label in
      let classes = label.classes.map { ": " + elided(Array($0.prefix(20)), to: 24).joined(separator: ", ") } ?? ""
      return ["label", oneLine(label.name) + classes + ((label.classes?.count ?? 0) > 20 ? ", …" : "")]
    }
    let columns = zip(elided(recipe.columns.map(\.name), to: 24), recipe.columns).map { name, column in
      ["column", "\(name): \(column.encoding.summary)"]
    }
    show(labels + columns, "\ntable")
  }

  private func show(checkpoint path: String) throws -> Bool {
    printLine("checkpoint \(path)")
    let damage = Checkpoint.damage(at: path)
    for problem in damage { printLine("damaged: \(problem)") }
    if let state = try? Checkpoint.state(at: path) {
      let summary = state.statistics.summary
      var rows = [["step", grouped(state.step)], ["epoch", grouped(state.statistics.epoch)]]
      rows += figures(summary)
      rows += [
        ["parameters_sha256", state.parametersSHA256], ["data fingerprint", state.fingerprint],
        ["finite", state.isFinite ? "yes" : "no"],
      ]
      show(rows)
      show(state.job)
      let optimizer = state.optimizer
      rows = [["updates", grouped(optimizer.updates)]]
      if state.job.isAveraged {
        rows.append(["evaluates", "averages; \(Checkpoint.trainingName) has what is trained"])
      }
      if let rate = optimizer.learningRate { rows.append(["learning rate", "\(rate)"]) }
      if let lambda = optimizer.lambda { rows.append(["λ", "\(lambda)"]) }
      if let best = optimizer.plateau.best {
        rows += [
          ["plateau: smallest \(summary.decidingPart) loss", "\(best)"],
          ["plateau: evaluations since", "\(optimizer.plateau.bad)"],
          ["plateau: factor", "\(optimizer.plateau.factor)"],
        ]
      }
      show(rows, "\noptimizer")
    }
    for name in [Checkpoint.modelName, Checkpoint.trainingName, Checkpoint.optimizerName] {
      let file = "\(path)/\(name)"
      guard FileManager.default.fileExists(atPath: file), let tensors = try? Safetensors.File(path: file) else {
        continue
      }
      printLine("\n\(name)")
      try show(tensors)
    }
    printLine(damage.isEmpty ? "\ndigests: good" : "\ndigests: NOT good")
    return damage.isEmpty
  }

  private func show(run path: String) throws -> Bool {
    printLine("run \(path)")
    if let data = FileManager.default.contents(atPath: "\(path)/summary.json"),
      let summary = try? JSONDecoder().decode(RunSummary.self, from: data)
    {
      var rows = [["status", summary.status]]
      if let error = summary.error { rows.append(["error", oneLine(error)]) }
      rows += [["steps", grouped(summary.steps)], ["epochs", grouped(summary.epochs)]] + figures(summary)
      if let hash = summary.parametersSHA256 { rows.append(["parameters_sha256", hash]) }
      show(rows)
    } else {
      printLine("no summary: it is running, or was killed")
    }
    let store = CheckpointStore(run: path)
    let (steps, best) = (store.steps, store.best)
    guard !steps.isEmpty else {
      printLine("no checkpoints")
      return true
    }
    let states = steps.map { try? Checkpoint.state(at: store.folder(ofStep: $0)) }
    let part = states.contains { $0?.statistics.summary.decidingPart == .validation } ? HeldOutPart.validation : .test
    var rows = [["checkpoint", "step", "\(part) loss", "files", ""]]
    var newest: Int?
    var isGood = true
    for (step, state) in zip(steps, states) {
      let folder = store.folder(ofStep: step)
      let damage = Checkpoint.damage(at: folder)
      if damage.isEmpty && newest == nil { newest = step }
      isGood = isGood && damage.isEmpty
      let loss = state?.statistics.summary.decidingLoss.map(format) ?? "-"
      let marks = [step == newest ? "newest good" : nil, step == best ? "best" : nil].compactMap(\.self)
      rows.append([
        FilePath(folder).name, grouped(step), loss, damage.isEmpty ? "good" : "damaged",
        marks.joined(separator: ", "),
      ])
    }
    show(rows, "", numbers: [1, 2])
    for step in steps {
      for problem in Checkpoint.damage(at: store.folder(ofStep: step)) { printLine("damaged: \(problem)") }
    }
    return isGood
  }

  private func figures(_ summary: RunSummary) -> [[String]] {
    func rows(_ part: String, _ figures: [String: Double]) -> [[String]] {
      // The loss first.
      let names = ["loss"] + figures.keys.filter { $0 != "loss" }.sorted()
      return names.compactMap { name in
        figures[name].map { ["\(part) \(name == "r2" ? "R²" : name)", format($0)] }
      }
    }
    return rows("train", summary.train) + rows("validation", summary.validation) + rows("test", summary.test)
  }

  private func show(_ rows: [[String]], _ title: String? = nil, numbers: Set<Int> = []) {
    printLine(((title.map { [$0] } ?? []) + table(rows, numbers: numbers)).joined(separator: "\n"))
  }

  private func show(_ job: Job) { show(job.options.map { [$0.name, $0.value] }, "\njob") }

  private func show(_ file: Safetensors.File) throws {
    var rows = [["tensor", "shape", "norm", "smallest", "largest", "not finite"]]
    for tensor in file.tensors {
      let figures = try file.withBytes(of: tensor.name) { TensorFigures($0) }
      rows.append([
        tensor.name, tensor.shape.map { "\($0)" }.joined(separator: "×"), format(figures.norm),
        figures.smallest.map { format(Double($0)) } ?? "-", figures.largest.map { format(Double($0)) } ?? "-",
        grouped(figures.nonFinite),
      ])
    }
    show(rows, "", numbers: [2, 3, 4, 5])
  }
}

/// Statistics of a tensor's finite values.
struct TensorFigures {
  /// √ of the sum of squares.
  private(set) var norm = 0.0
  private(set) var smallest: Float?
  private(set) var largest: Float?
  private(set) var nonFinite = 0

  /// - Parameter bytes: float32 in little-endian order.
  init(_ bytes: UnsafeRawBufferPointer) {
    var squares = 0.0
    for offset in stride(from: 0, to: bytes.count, by: 4) {
      let value = Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      guard value.isFinite else {
        nonFinite += 1
        continue
      }
      squares += Double(value) * Double(value)
      smallest = smallest.map { min($0, value) } ?? value
      largest = largest.map { max($0, value) } ?? value
    }
    norm = squares.squareRoot()
  }
}
