import Datasets
import Foundation
import Kernels
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Runs
@testable import Schema

/// Checkpoints as files: whole or passed over, and only as many as are wanted.
@Suite struct CheckpointTests {
  private let run: String
  private let prepared: PreparedJob
  private let guardian: Guardian

  /// Removes the folder in the end.
  private final class Guardian {
    let path: String
    init(_ path: String) { self.path = path }
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  init() throws {
    run = FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID())").path
    guardian = Guardian(run)
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    var options = JobOptions()
    for (name, value) in [
      ("model", "mlp:5"), ("optimizer", "blend"), ("blend", "auto"), ("schedule", "plateau"), ("ema", "0.9"),
    ] {
      try options.set(name, to: value)
    }
    prepared = try PreparedJob(options, models: ModelFactory.builtIn)
  }

  private var store: CheckpointStore { CheckpointStore(run: run) }

  /// After `step` steps, its values told apart by the step.
  private func checkpoint(
    _ step: Int, loss: Double? = nil, validation: Double? = nil, isFinite: Bool = true
  ) throws -> Checkpoint {
    let parameters = FloatBuffer(count: prepared.model.layout.count)
    let slots = FloatBuffer(count: try prepared.optimizer().slots.count * parameters.count)
    for index in parameters.all.indices { parameters.all[index] = Float(step) + Float(index) / 3 }
    for index in slots.all.indices { slots.all[index] = -Float(step) - Float(index) / 7 }
    slots.all[0] = Float(bitPattern: 0x8000_0001)
    let average = FloatBuffer(parameters.array.map { $0 - 0.25 })
    if !isFinite { slots.all[5] = .infinity }
    var optimizer = OptimizerState()
    optimizer.updates = step - 1
    optimizer.lambda = 0.1 + 0.2
    optimizer.learningRate = .leastNonzeroMagnitude
    optimizer.plateau.best = 1.0 / 3
    optimizer.plateau.bad = 2
    optimizer.plateau.factor = 0.01
    var statistics = RunStatistics()
    statistics.add(
      .step(
        StepReport(step: step, epoch: 2, examples: 7, weight: 7, sums: [0.7], seconds: 0.3, computeSeconds: [])), .loss)
    for (part, loss) in [(HeldOutPart.validation, validation), (.test, loss)] {
      guard let loss else { continue }
      let report = EvaluationReport(
        part: part, step: step, epoch: 2, examples: 3, loss: loss, figures: [:], seconds: 0.1)
      statistics.add(.evaluation(report), .loss)
    }
    return Checkpoint(
      state: CheckpointState(
        job: prepared.job, fingerprint: prepared.fingerprint, step: step, evaluatedStep: loss.map { _ in step },
        validatedStep: validation.map { _ in step }, optimizer: optimizer, statistics: statistics, parametersSHA256: "",
        isFinite: true),
      parameters: parameters, slots: slots, average: average)
  }

  private func write(_ steps: Int..., keep: Int = 3) throws {
    for step in steps { try CheckpointStore(run: run, keep: keep).write(checkpoint(step), of: prepared) }
  }

  private func read(_ warnings: inout [String]) throws -> Checkpoint {
    var heard: [String] = []
    defer { warnings = heard }
    return try store.newest(models: ModelFactory.builtIn) { heard.append($0) }
  }

  private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: store.path).sorted() }

  private func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  @Test("what is read is what was written, bit for bit")
  func roundTrip() throws {
    let written = try checkpoint(40, loss: 0.7)
    try store.write(written, of: prepared)
    var warnings: [String] = []
    let read = try read(&warnings)
    #expect(warnings == [])
    #expect(read.parameters.array.map(\.bitPattern) == written.parameters.array.map(\.bitPattern))
    #expect(read.slots.array.map(\.bitPattern) == written.slots.array.map(\.bitPattern))
    #expect(read.slots.count == 4 * read.parameters.count)
    #expect(try #require(read.average).array == #require(written.average).array)
    #expect(read.state.optimizer == written.state.optimizer)
    #expect(read.state.job == written.state.job)
    #expect(read.state.fingerprint == written.state.fingerprint)
    #expect(read.state.step == 40 && read.state.evaluatedStep == 40 && read.state.isFinite)
    #expect(try json(read.state.statistics) == json(written.state.statistics))
    #expect(try read.state.parametersSHA256 == parametersSHA256(#require(written.average).values))
    #expect(try read.check(prepared, run, acceptsOtherNumerics: false) == nil)
  }

  /// Damage by name, and what the warning says of it.
  static let damage: [(String, String)] = [
    ("truncate model.safetensors", "model.safetensors is torn or damaged"),
    ("empty model.safetensors", "model.safetensors is torn or damaged"),
    ("flip model.safetensors", "model.safetensors is torn or damaged"),
    ("remove model.safetensors", "model.safetensors cannot be read"),
    ("flip optimizer.safetensors", "optimizer.safetensors is torn or damaged"),
    ("truncate optimizer.safetensors", "optimizer.safetensors is torn or damaged"),
    ("remove optimizer.safetensors", "optimizer.safetensors cannot be read"),
    ("flip training.safetensors", "training.safetensors is torn or damaged"),
    ("remove training.safetensors", "training.safetensors cannot be read"),
    ("remove state.json", "it has no readable state.json"),
    ("garbage state.json", "state.json cannot be read; it is damaged"),
    ("truncate state.json", "state.json cannot be read; it is damaged"),
    ("empty state.json", "state.json cannot be read; it is damaged"),
    ("format state.json", "state.json is of format 3, where this program reads 2"),
    ("step state.json", "state.json is torn or damaged"),
    ("remove SHA256SUMS", "it has no readable SHA256SUMS"),
    ("empty SHA256SUMS", "SHA256SUMS has no digest of state.json"),
    ("garbage SHA256SUMS", "SHA256SUMS is damaged"),
    ("digest SHA256SUMS", "SHA256SUMS has no digest of model.safetensors"),
  ]

  @Test(
    "a damaged newest checkpoint is passed over for the one before, with a warning that names it", arguments: damage)
  func damaged(_ damage: String, _ message: String) throws {
    try write(20, 40)
    let parts = damage.split(separator: " ").map(String.init)
    let path = "\(store.path(ofStep: 40))/\(parts[1])"
    let url = URL(fileURLWithPath: path)
    var content = try Data(contentsOf: url)
    func replace(_ old: String, _ new: String) throws {
      let text = String(decoding: content, as: UTF8.self)
      try #require(text.contains(old))
      content = Data(text.replacingOccurrences(of: old, with: new).utf8)
    }
    switch parts[0] {
    case "truncate": content.removeLast(10)
    case "empty": content = Data()
    case "flip": content[content.count / 2] ^= 1
    case "garbage": content = Data("garbage\n".utf8)
    case "format": try replace("\"format\" : 2", "\"format\" : 3")
    case "step": try replace("\"step\" : 40", "\"step\" : 41")
    case "digest":
      let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
      content = Data(lines.filter { !$0.hasSuffix("model.safetensors") }.map { $0 + "\n" }.joined().utf8)
    default: break
    }
    if parts[0] == "remove" { unlink(path) } else { try content.write(to: url) }
    var warnings: [String] = []
    #expect(try read(&warnings).state.step == 20)
    #expect(warnings.count == 1)
    #expect(warnings.first?.contains("0000000040") == true && warnings.first?.contains(message) == true, "\(warnings)")
  }

  @Test("where no checkpoint is good, the error names the folder")
  func noneIsGood() throws {
    var warnings: [String] = []
    let error = try #require(throws: FileError.self) { try read(&warnings) }
    #expect(error.description == "\(run)/checkpoints has no good checkpoint to resume from")
  }

  @Test("the newest and the best by test loss are kept")
  func rotation() throws {
    let losses = [9, 3, 5, 4, 6, 7, 8]
    for (index, loss) in losses.enumerated() {
      try CheckpointStore(run: run, keep: 2).write(checkpoint(index + 1, loss: Double(loss)), of: prepared)
    }
    #expect(store.steps == [7, 6, 2] && store.best == 2)
    try CheckpointStore(run: run, keep: 1).write(checkpoint(8, loss: 3), of: prepared)
    #expect(store.steps == [8, 2], "of equals the first is the best")
    try CheckpointStore(run: run, keep: 1).write(checkpoint(9, loss: 1), of: prepared)
    #expect(store.steps == [9] && store.best == 9)
  }

  @Test("beside a validation part the best is the best by its loss")
  func bestByValidation() throws {
    for (step, losses) in [(9.0, 1.0), (3, 5), (4, 3), (5, 2)].enumerated() {
      let next = try checkpoint(step + 1, loss: losses.1, validation: losses.0)
      try CheckpointStore(run: run, keep: 1).write(next, of: prepared)
    }
    #expect(store.steps == [4, 2] && store.best == 2)
    let summary = try Checkpoint.state(at: store.folder(ofStep: 2)).statistics.summary
    #expect(summary.validationLoss == 3 && summary.testLoss == 5 && summary.decidingLoss == 3)
  }

  @Test("a checkpoint says after which steps each part was evaluated, and needs not")
  func evaluatedSteps() throws {
    for (written, expected) in [
      (try checkpoint(1), [:]), (try checkpoint(2, loss: 1), [.test: 2]),
      (try checkpoint(3, validation: 1), [.validation: 3]),
      (try checkpoint(4, loss: 1, validation: 1), [.validation: 4, .test: 4]),
    ] as [(Checkpoint, [HeldOutPart: Int])] {
      try store.write(written, of: prepared)
      let folder = store.folder(ofStep: written.state.step)
      let read = try Checkpoint(path: folder, models: ModelFactory.builtIn)
      #expect(read.savedState.evaluatedSteps == expected)
      let text = try String(contentsOfFile: "\(folder)/\(Checkpoint.stateName)", encoding: .utf8)
      // As those of runs without a validation part have always been.
      #expect(text.contains("validat") == (expected[.validation] != nil))
      #expect(prepared.checkpoint(read.savedState, RunStatistics()).state.evaluatedSteps == expected)
    }
    var state = try checkpoint(5).state
    state.validatedStep = 6
    #expect(state.contradiction == "the validated step is 6")
  }

  @Test("a checkpoint that is not finite takes no finite one's place, and is never the best")
  func nonFinite() throws {
    func write(_ step: Int, _ loss: Double, isFinite: Bool) throws {
      try CheckpointStore(run: run, keep: 2).write(checkpoint(step, loss: loss, isFinite: isFinite), of: prepared)
    }
    try write(1, 3, isFinite: true)
    try write(2, 4, isFinite: true)
    try write(3, 5, isFinite: true)
    for step in 4...6 { try write(step, 0.1, isFinite: false) }
    #expect(store.steps == [6, 3, 2, 1] && store.best == 1)
    try write(7, 6, isFinite: true)
    #expect(store.steps == [7, 3, 1])
  }

  @Test("after a resumption the damaged ones that were passed over give way to new ones")
  func resumedBeforeDamaged() throws {
    try write(20, 40, keep: 1)
    try write(20, 60, keep: 5)
    unlink("\(store.path(ofStep: 60))/model.safetensors")
    var warnings: [String] = []
    #expect(try read(&warnings).state.step == 20)
    try write(30, keep: 1)
    #expect(store.steps == [30])
    #expect(try read(&warnings).state.step == 30 && warnings == [])
  }

  @Test("what a killed write has left does no harm, and the next write removes it")
  func leftovers() throws {
    try write(20)
    let torn = "\(store.path)/.0000000040.tmp"
    try FileManager.default.createDirectory(atPath: torn, withIntermediateDirectories: true)
    try Data("half".utf8).write(to: URL(fileURLWithPath: "\(torn)/model.safetensors"))
    try FileManager.default.copyItem(atPath: store.path(ofStep: 20), toPath: "\(store.path)/.0000000020.old")
    var warnings: [String] = []
    #expect(try read(&warnings).state.step == 20 && warnings == [])
    try write(60)
    #expect(try names() == ["0000000020", "0000000060"])
  }

  @Test("a kill between the two renames of a replacement loses nothing")
  func killedBetweenRenames() throws {
    try write(20, 40)
    try FileManager.default.moveItem(atPath: store.path(ofStep: 40), toPath: "\(store.path)/.0000000040.old")
    var warnings: [String] = []
    #expect(try read(&warnings).state.step == 40 && warnings == [])
    try write(40)
    #expect(try names() == ["0000000020", "0000000040"])
    try FileManager.default.moveItem(atPath: store.path(ofStep: 40), toPath: "\(store.path)/.0000000040.old")
    try write(60)
    #expect(try read(&warnings).state.step == 60 && store.steps == [60, 40, 20])
  }

  @Test("a checkpoint of the same step is replaced as a whole")
  func replaced() throws {
    try write(20)
    try store.write(checkpoint(20, loss: 0.5), of: prepared)
    var warnings: [String] = []
    #expect(try read(&warnings).state.statistics.summary.testLoss == 0.5)
    #expect(try names() == ["0000000020"])
  }

  #if os(Linux)
    @Test("on a full or read-only disk the newest good one stays, and the error names folder and cause")
    func noSpace() throws {
      guard mount(["-t", "tmpfs", "-o", "size=64k", "tmpfs", run]) else {
        print("SKIPPED: a full disk needs the right to mount a tmpfs")
        return
      }
      defer { #expect(command("/bin/umount", [run])) }
      let writer = CheckpointWriter(store, prepared)
      writer.write(try checkpoint(20))
      writer.finish()
      #expect(writer.takeFailures().isEmpty && writer.lastWritten == 20)
      try Data(count: 1 << 12).write(to: URL(fileURLWithPath: "\(run)/filler-1"))
      _ = try? Data(count: 1 << 16).write(to: URL(fileURLWithPath: "\(run)/filler-2"))
      _ = FileManager.default.createFile(atPath: "\(run)/filler-3", contents: nil)
      let filler = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(run)/filler-3"))
      while (try? filler.write(contentsOf: Data(count: 512))) != nil {}
      try filler.close()
      writer.write(try checkpoint(40))
      writer.finish()
      expectFailure(writer, "No space left on device")
      #expect(mount(["-o", "remount,ro", run]))
      writer.write(try checkpoint(60))
      writer.finish()
      expectFailure(writer, "Read-only file system")
      #expect(writer.lastWritten == 20)
      var warnings: [String] = []
      #expect(try read(&warnings).state.step == 20 && warnings == [])
      #expect(try names() == ["0000000020"])
    }
  #endif

  private func expectFailure(
    _ writer: CheckpointWriter, _ cause: String, _ place: SourceLocation = #_sourceLocation
  ) {
    let failures = writer.takeFailures().map { "\($0)" }
    #expect(failures.count == 1, sourceLocation: place)
    #expect(
      failures.first?.contains(store.path) == true && failures.first?.hasSuffix(cause) == true, "\(failures)",
      sourceLocation: place)
  }

  private func mount(_ arguments: [String]) -> Bool { command("/bin/mount", arguments) }

  private func command(_ path: String, _ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}

/// What may change when a run is resumed.
@Suite struct ResumingTests {
  private func options(_ pairs: [(String, String)]) throws -> JobOptions {
    var options = JobOptions()
    for (name, value) in pairs { try options.set(name, to: value) }
    return options
  }

  private func checkpoint(_ prepared: PreparedJob, step: Int) throws -> Checkpoint {
    let count = prepared.model.layout.count
    return Checkpoint(
      state: CheckpointState(
        job: prepared.job, fingerprint: prepared.fingerprint, step: step, optimizer: OptimizerState(),
        statistics: RunStatistics(), parametersSHA256: "", isFinite: true),
      parameters: FloatBuffer(count: count), slots: FloatBuffer(count: 2 * count))
  }

  @Test(
    "a run whose rule follows its length is not resumed with another",
    arguments: [
      (["schedule": "linear"], "schedule"), (["schedule": "polynomial"], "schedule"),
      (["schedule": "cosine"], "schedule"), (["schedule": "step"], "schedule"),
      (["optimizer": "blend", "blend": "to-adam"], "blend"),
      (["schedule": "cosine", "schedule-steps": "24"], nil), (["schedule": "exponential"], nil),
      (["schedule": "plateau"], nil), (["optimizer": "blend", "blend": "auto"], nil), ([:], nil),
    ])
  func length(_ given: [String: String], _ culprit: String?) throws {
    let pairs = given.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + [("model", "linear")]
    let before = try PreparedJob(options(pairs + [("epochs", "3")]), models: ModelFactory.builtIn)
    let saved = try checkpoint(before, step: 20)
    let same = try PreparedJob(options(pairs + [("steps", "36")]), models: ModelFactory.builtIn)
    for job in [before, same] { #expect(try saved.check(job, "RUN", acceptsOtherNumerics: false) == nil) }
    let longer = try PreparedJob(options(pairs + [("epochs", "4")]), models: ModelFactory.builtIn)
    if let culprit {
      let error = try #require(throws: OptionError.self) { try saved.check(longer, "RUN", acceptsOtherNumerics: false) }
      #expect(error.description.hasPrefix("--\(culprit) of the run in RUN follows its length, 36 steps"))
    } else {
      #expect(try saved.check(longer, "RUN", acceptsOtherNumerics: false) == nil)
    }
    let plan = before.plan
    #expect(
      plan.pendingEvaluation(afterSteps: 12, evaluated: [:]) == .test
        && plan.pendingEvaluation(afterSteps: 24, evaluated: [.test: 12]) == .test)
    #expect(
      plan.pendingEvaluation(afterSteps: 24, evaluated: [.test: 24]) == nil
        && plan.pendingEvaluation(afterSteps: 20, evaluated: [.test: 12]) == nil)
  }

  @Test(
    "a checkpoint within a round of local steps is refused, and so is another length after a last round cut short",
    arguments: [
      (20, 36, 36, nil), (22, 36, 36, "is damaged"), (22, 22, 36, "made its last round end with step 22"),
      (22, 22, 22, nil), (24, 24, 36, nil), (24, 36, 24, nil),
    ] as [(Int, Int, Int, String?)])
  func lengthOfLocalSteps(step: Int, before: Int, after: Int, problem: String?) throws {
    let pairs = [("model", "linear"), ("local-steps", "8"), ("replicas", "2")]
    func prepared(_ steps: Int) throws -> PreparedJob {
      try PreparedJob(options(pairs + [("steps", "\(steps)")]), models: ModelFactory.builtIn)
    }
    let saved = try checkpoint(prepared(before), step: step)
    var found: String?
    do {
      let difference = try saved.check(prepared(after), "RUN", acceptsOtherNumerics: false)
      #expect(difference == nil)
    } catch {
      found = "\(error)"
    }
    #expect(problem.map { found?.contains($0) == true } ?? (found == nil), "\(found ?? "accepted")")
  }

  @Test(
    "another length is refused where the run's last round has ended with it, or would",
    arguments: [(20, 36, 48, false), (20, 20, 36, true), (20, 36, 20, true), (24, 24, 36, false), (24, 36, 24, false)])
  func lengthOfOuterSteps(step: Int, before: Int, after: Int, isRefused: Bool) throws {
    let pairs = [("model", "linear"), ("outer-every", "8")]
    var saved = try checkpoint(
      PreparedJob(options(pairs + [("steps", "\(before)")]), models: ModelFactory.builtIn), step: step)
    saved.state.optimizer.updates = step
    let resumed = try PreparedJob(options(pairs + [("steps", "\(after)")]), models: ModelFactory.builtIn)
    if !isRefused {
      #expect(try saved.check(resumed, "RUN", acceptsOtherNumerics: false) == nil)
    } else {
      let error = try #require(throws: OptionError.self) {
        try saved.check(resumed, "RUN", acceptsOtherNumerics: false)
      }
      #expect(error.description.hasPrefix("--outer-every 8 of the run in RUN makes the run's last round end with it"))
    }
  }
}
