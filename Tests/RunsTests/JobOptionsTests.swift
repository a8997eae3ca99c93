import Datasets
import Foundation
import Optimizers
import Testing

@testable import Cluster
@testable import Files
@testable import Models
@testable import Protocol
@testable import Runs
@testable import Schema

@Suite struct JobOptionsTests {
  private func merged(_ yaml: String, flags: [(String, String)] = []) throws -> JobOptions {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).yaml").path
    try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    var options = JobOptions()
    for (name, value) in flags { try options.set(name, to: value) }
    do {
      try options.merge(file: path)
    } catch let error as OptionError {
      throw OptionError(error.description.replacingOccurrences(of: path, with: "FILE"))
    }
    return options
  }

  private func resolved(_ options: JobOptions) throws -> Job {
    try options.resolve(options.load())
  }

  @Test func defaultsTrainOnTheDigits() throws {
    let job = try resolved(JobOptions())
    #expect(job.data.data == "digits")
    #expect(job.modelText == "mlp:256,128")
    #expect(job.length == .epochs(10))
    #expect(job.optimizer.name == "adam")
    #expect(job.onNonFinite == .stop && job.precision == .float32)
  }

  @Test func aJobOfAnEarlierVersionIsOfFloat32() throws {
    var options = JobOptions()
    try options.set("precision", to: "bf16")
    var values = try resolved(options).sent
    #expect(try Job(values).precision == .bf16)
    values["precision"] = nil
    #expect(try Job(values).precision == .float32)
  }

  @Test func anOptionThatMayBeRepeatedIsAListOrOneText() throws {
    let list = try merged("parameter-group:\n- '*.bias: weight-decay 0'\n- '0.*: frozen'\n")
    let text = try merged("parameter-group: '*.bias: weight-decay 0; 0.*: frozen'\n")
    #expect(list == text && list.given["parameter-group"] == "*.bias: weight-decay 0; 0.*: frozen")
    #expect(throws: OptionError.self) { try merged("batch-size: [32, 64]\n") }
    #expect(throws: OptionError.self) { try merged("parameter-group: [[a], '*: frozen']\n") }
  }

  @Test func aFlagBeatsTheFile() throws {
    let yaml = "batch-size: 64\nlearning-rate: 1e-2\nepochs: 3\nseed: 5\noutput: here\n"
    let options = try merged(yaml, flags: [("batch-size", "32"), ("steps", "7"), ("beta1", "0.5")])
    let job = try resolved(options)
    #expect(job.batchSize == 32)
    #expect(job.length == .steps(7))
    #expect(job.seed == 5)
    #expect(job.optimizer.values["beta1"] == 0.5)
    #expect(job.optimizer.learningRate == 0.01)
    #expect(options.output == "here")
  }

  @Test(
    "a job's own YAML gives the same job",
    arguments: [
      [], [("optimizer", "rmsprop"), ("rho", "0.123456789012345"), ("steps", "0"), ("seed", "18446744073709551615")],
      [("model", "mlp:7"), ("activation", "gelu"), ("scale", "unit"), ("micro-batches", "3")],
      [("label-smoothing", "0.1"), ("class-weights", "1,2,0,1,1,1,1,1,1,2.5"), ("ignored-class", "3"), ("steps", "1")],
      [
        ("data", "none"), ("model", "quadratic:3"), ("micro-batches", "5"), ("on-nonfinite", "skip"),
        ("precision", "bf16"),
      ],
    ] as [[(String, String)]])
  func yamlRoundTrip(_ given: [(String, String)]) throws {
    var options = JobOptions()
    for (name, value) in given { try options.set(name, to: value) }
    let job = try resolved(options)
    #expect(try resolved(merged(job.yaml())) == job)
    #expect(try JSONDecoder().decode(Job.self, from: JSONEncoder().encode(job)) == job)
  }

  @Test(
    "what is wrong in a file is named with its line",
    arguments: [
      ("epochs: 1\nbatchsize: 3\n", "FILE, line 2: unknown option 'batchsize'"),
      ("batch-size: 0\n", "FILE, line 1: --batch-size 0: a whole number from 1"),
      ("seed: -1\n", "FILE, line 1: --seed -1"),
      ("epochs: 1\nsteps: 1\n", "FILE, line 2: --epochs 1 and --steps 1: give one of them"),
      ("model: [1, 2]\n", "FILE, line 1: model needs one value"),
      ("- a\n- b\n", "options are needed, one a line"), ("a: [\n", "FILE is not YAML"),
      ("activation: swish\n", "known are relu, tanh, sigmoid, gelu"), ("test-fraction: 1\n", "below 1"),
      ("label-smoothing: 1.5\n", "--label-smoothing 1.5: it must be from 0 to 1"),
      ("class-weights: 1,-2\n", "--class-weights 1,-2: '-2' is none of the numbers, each at least 0"),
      ("class-weights: 1,,2\n", "--class-weights 1,,2: '' is none of the numbers"),
      ("huber-delta: 0\n", "--huber-delta 0: it must be above 0"),
      ("ignored-class: -1\n", "--ignored-class -1: a whole number from 0"),
      ("learning-rate: fast\n", "--learning-rate fast: it must be above 0"),
    ])
  func fileErrors(_ yaml: String, _ message: String) {
    let error = #expect(throws: OptionError.self) { try merged(yaml) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test func noOuterStepsReplaceTheOptionsOfTheFilesOuterSteps() throws {
    var options = JobOptions()
    for (name, value) in [("outer-every", "8"), ("outer-momentum", "0.5")] { try options.set(name, to: value) }
    let yaml = try resolved(options).yaml()
    let same = try resolved(merged(yaml, flags: [("seed", "1")])).optimizer
    #expect(same.outerEvery == 8 && same.values["outer-momentum"] == 0.5 && same.values["outer-learning-rate"] == 0.4)
    #expect(try resolved(merged(yaml, flags: [("outer-every", "3")])).optimizer.values["outer-momentum"] == 0.5)
    let none = try resolved(merged(yaml, flags: [("outer-every", "0")])).optimizer
    #expect(try none == OptimizerSettings("adam", given: [:]))
    #expect(throws: OptionError.self, "one given beside it is refused") {
      try resolved(merged(yaml, flags: [("outer-every", "0"), ("outer-momentum", "0.5")]))
    }
  }

  @Test func noLocalStepsReplaceTheOptionsOfTheFilesLocalSteps() throws {
    var options = JobOptions()
    for (name, value) in [("local-steps", "8"), ("replicas", "4"), ("outer-learning-rate", "0.7")] {
      try options.set(name, to: value)
    }
    let job = try resolved(options)
    #expect(job.localSteps == LocalSteps(steps: 8, replicas: 4))
    let yaml = try job.yaml()
    #expect(try resolved(merged(yaml, flags: [("replicas", "2")])).localSteps == LocalSteps(steps: 8, replicas: 2))
    #expect(try resolved(merged(yaml, flags: [("outer-every", "0")])).optimizer.values["outer-learning-rate"] == 0.7)
    let none = try resolved(merged(yaml, flags: [("local-steps", "1")]))
    #expect(try none.optimizer == OptimizerSettings("adam", given: [:]) && none.localSteps == nil)
    // Each number of a job file is checked, also where no user gave it.
    let unequal = #expect(throws: OptionError.self) {
      try resolved(merged(yaml.replacing("replicas: 4", with: "replicas: 3")))
    }
    #expect(unequal?.description.hasPrefix("--replicas 3: they cannot share the 8 micro-batches") == true)
    var values = Dictionary(job.values.map { ($0.name, $0.value) }) { first, _ in first }
    values["replicas"] = .whole(3)
    #expect(throws: OptionError.self, "such as a coordinator's") { try Job(values) }
  }

  @Test("another rule, schedule or model replaces the options that belong to the file's alone")
  func selectors() throws {
    var options = JobOptions()
    for (name, value) in [("optimizer", "adam"), ("schedule", "step"), ("model", "mlp:8"), ("beta1", "0.8")] {
      try options.set(name, to: value)
    }
    let yaml = try resolved(options).yaml()
    let job = try resolved(
      merged(yaml, flags: [("optimizer", "sgd"), ("schedule", "hypergradient"), ("model", "linear")]))
    #expect(job.optimizer.name == "sgd" && job.model == "linear")
    #expect(try resolved(merged(yaml, flags: [("seed", "1")])).optimizer.values["beta1"] == 0.8)
    #expect(throws: OptionError.self, "one given beside it is refused") {
      try resolved(merged(yaml, flags: [("optimizer", "sgd"), ("beta1", "0.8")]))
    }
  }

  @Test(
    "a loss's options go with it alone",
    arguments: [
      (
        ["loss": "mse", "label-smoothing": "0.1"],
        "--label-smoothing does not go with --loss mean-squared-error; it belongs to cross-entropy"
      ), (["huber-delta": "2"], "--huber-delta does not go with --loss cross-entropy; it belongs to huber"),
      (["class-weights": "1,2"], "--class-weights 1,2: there are 10 classes, and 2 weights"),
      (["class-weights": "0,0,0,0,0,0,0,0,0,0"], "no class counts anything"),
      (["ignored-class": "10"], "--ignored-class 10: the classes are 0 to 9"),
      (["loss": "bce"], "--loss binary-cross-entropy needs targets from 0 to 1, and digits has 2.0"),
      (
        ["data": "none", "model": "quadratic:3", "label-smoothing": "0.1"],
        "--label-smoothing does not go with --model quadratic, which has a loss of its own"
      ),
    ] as [([String: String], String)])
  func lossOptions(_ given: [String: String], _ message: String) throws {
    let error = #expect(throws: OptionError.self) {
      var options = JobOptions()
      for (name, value) in given.sorted(by: { $0.key < $1.key }) { try options.set(name, to: value) }
      _ = try PreparedJob(options, models: ModelKinds.registry.all)
    }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test func anotherLossReplacesTheOptionsOfTheFilesAlone() throws {
    let yaml = "loss: cross-entropy\nlabel-smoothing: 0.1\n"
    #expect(try resolved(merged(yaml)).lossOptions.values == ["label-smoothing": 0.1])
    let job = try resolved(merged(yaml, flags: [("loss", "huber")]))
    #expect(job.lossOptions.values == ["huber-delta": 1.0])
  }

  @Test func aMissingFileIsNamed() {
    var options = JobOptions()
    #expect(throws: OptionError("--job /nowhere/x.yaml: no such file")) { try options.merge(file: "/nowhere/x.yaml") }
  }

  @Test func withoutDataAMicroBatchIsAnExampleAndAnEpochAStep() throws {
    for (given, microBatches) in [([], 1), ([("micro-batches", "5")], 5)] as [([(String, String)], Int)] {
      let options = try merged("data: none\nepochs: 7\n", flags: given)
      let data = try options.load()
      let job = try options.resolve(data)
      #expect(job.batchSize == microBatches && job.microBatches == microBatches)
      let plan = job.plan(data)
      #expect(plan.trainCount == microBatches && plan.stepsPerEpoch == 1 && plan.totalSteps == 7 && plan.testCount == 0)
    }
  }

  @Test(
    "options about data do not go with none",
    arguments: [("scale", "none"), ("loss", "mean-squared-error"), ("batch-size", "1")])
  func noData(_ name: String, _ value: String) throws {
    let options = try merged("data: none\nmodel: quadratic:3\n", flags: [(name, value)])
    let error = #expect(throws: OptionError.self) { try resolved(options) }
    #expect(
      error?.description.hasPrefix("--\(name) does not go with --\(name == "loss" ? "model quadratic" : "data none")")
        == true)
  }

  @Test(
    "old spellings and new ones are the same job",
    arguments: [
      ("model: mlp:7,5\n", "model: mlp\nhidden: 7,5\n"), ("loss: ce\n", "loss: cross-entropy\n"),
      ("loss: mse\n", "loss: mean-squared-error\n"),
      ("model: linear\nactivation: relu\ndropout: 0.0\n", "model: linear\n"),
      (
        "data: none\nmodel: quadratic:2,2\nactivation: relu\ndropout: 0\n", "data: none\nmodel: quadratic\nshape: 2,2\n"
      ),
    ])
  func spellings(_ old: String, _ new: String) throws {
    #expect(try resolved(merged(old)) == resolved(merged(new)))
  }

  @Test(
    "what a model does not have is refused by name",
    arguments: [
      ("model: linear\ndropout: 0.5\n", "--dropout does not go with --model linear; it belongs to mlp"),
      ("model: linear:5\n", "linear takes nothing behind a colon"), ("model: mlp:0\n", "'0' is no hidden size"),
      ("model: mlp:-3\n", "'-3' is no hidden size"), ("model: mlp:12,x\n", "'x' is no hidden size"),
      ("model: 'mlp:'\n", "'' is no hidden size"), ("hidden: 5\nmodel: mlp:4\n", "--hidden says the same"),
      ("batchsize: 5\n", "did you mean 'batch-size'?"),
    ])
  func models(_ yaml: String, _ message: String) {
    let error = #expect(throws: OptionError.self) { try resolved(merged(yaml)) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test func anotherModelTakesThePlaceOfTheFilesWithItsOptions() throws {
    let job = try resolved(merged("model: mlp:7\nactivation: tanh\nseed: 3\n", flags: [("model", "linear")]))
    #expect(job.modelText == "linear" && job.seed == 3)
  }

  @Test func everyOptionIsDeclaredOnceAndReadsBackWhatItWrites() throws {
    let names = JobOptions.declarations.map(\.name)
    #expect(Set(names).count == names.count)
    for option in JobOptions.declarations {
      guard let value = option.defaultValue else { continue }
      #expect(option.check(value) == value, "\(option.name)")
      #expect(try option.value(of: value.description) == value, "\(option.name)")
    }
  }

  @Test func aBatchLargerThanTheTrainingPartIsRefused() throws {
    var options = JobOptions()
    try options.set("batch-size", to: "1439")
    let error = #expect(throws: OptionError.self) { try resolved(options) }
    #expect(error?.description == "--batch-size 1439: the training part has 1438 examples; give at most 1438")
  }
}
