import Foundation
import Synchronization
import Testing

/// One of the package's programs as a process: real arguments, real sockets, real exit codes.
final class Program: Sendable {
  static let folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent()

  private let process: Process
  private let standardOutput = Captured()
  private let standardError = Captured()
  private let ended = DispatchSemaphore(value: 0)

  /// Starts the program `name` with `arguments`.
  ///
  /// - Parameter environment: what it has besides this process' own.
  init(
    _ arguments: [String], of name: String = "lockstep", in folder: URL? = nil, environment: [String: String] = [:]
  ) throws {
    process = Process()
    process.executableURL =
      name.hasPrefix("/") ? URL(fileURLWithPath: name) : Program.folder.appendingPathComponent(name)
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = standardOutput.pipe
    process.standardError = standardError.pipe
    process.terminationHandler = { [ended] _ in ended.signal() }
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
  }

  var processIdentifier: Int32 { process.processIdentifier }
  var output: String { standardOutput.text }
  var errors: String { standardError.text }

  /// Waits for the end.
  ///
  /// - Returns: the exit code, or the negative signal; nil where it still runs after `seconds`.
  func wait(seconds: Double = 60) -> Int32? {
    guard ended.wait(timeout: .now() + seconds) == .success else { return nil }
    ended.signal()
    standardOutput.waitForEnd()
    standardError.waitForEnd()
    return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
  }

  /// Waits until the output contains `text`.
  func waitForOutput(_ text: String, seconds: Double = 60) -> Bool {
    standardOutput.wait(seconds: seconds) { $0.contains(text) }
  }

  /// Waits until the error output contains `text`.
  func waitForErrors(_ text: String, seconds: Double = 60) -> Bool {
    standardError.wait(seconds: seconds) { $0.contains(text) }
  }

  func send(_ signal: Int32) {
    kill(process.processIdentifier, signal)
  }

  /// The processes that this one started and that still run.
  var children: [Int32] {
    let list = try? String(
      contentsOfFile: "/proc/\(processIdentifier)/task/\(processIdentifier)/children", encoding: .utf8)
    return (list ?? "").split(separator: " ").compactMap { Int32($0) }
  }
}

/// What a process has written so far.
private final class Captured: Sendable {
  let pipe = Pipe()
  private let state = Mutex((data: Data(), isAtEnd: false))
  private let changed = DispatchSemaphore(value: 0)

  init() {
    Thread.detachNewThread { [self] in
      var data: Data
      repeat {
        data = pipe.fileHandleForReading.availableData
        state.withLock { state in
          state.data += data
          state.isAtEnd = data.isEmpty
        }
        changed.signal()
      } while !data.isEmpty
      // Foundation keeps a process that has ended, with its pipes.
      try? pipe.fileHandleForReading.close()
    }
  }

  var text: String { state.withLock { String(decoding: $0.data, as: UTF8.self) } }

  func wait(seconds: Double, until condition: (String) -> Bool) -> Bool {
    let deadline = DispatchTime.now() + seconds
    while !condition(text) {
      if state.withLock({ $0.isAtEnd }) { return condition(text) }
      guard changed.wait(timeout: deadline) == .success else { return false }
    }
    return true
  }

  /// A child that still holds the pipe may keep it open; ten seconds are enough for the rest.
  func waitForEnd() {
    _ = wait(seconds: 10) { _ in state.withLock { $0.isAtEnd } }
  }
}

/// A folder that is removed when the test is over.
final class Scratch: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-test-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes a file and gives its path.
  func file(_ name: String, _ text: String) throws -> String {
    try Data(text.utf8).write(to: url.appendingPathComponent(name))
    return path(name)
  }

  func read(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

  /// The parameters' hashes after each epoch of the run in `folder`.
  func epochHashes(_ folder: String) throws -> [String] {
    struct Line: Decodable {
      let event: String
      let parameters_sha256: String?
    }
    return try read("\(folder)/metrics.jsonl").split(separator: "\n")
      .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
      .compactMap { $0.event == "epoch" ? $0.parameters_sha256 : nil }
  }
}

/// This package's folder.
let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A Python that has what the checks need; nil, aloud, where there is none.
func pythonWithNumPy() -> String? {
  let python =
    ProcessInfo.processInfo.environment["LOCKSTEP_PYTHON"] ?? package.appendingPathComponent(".venv/bin/python3").path
  let probe = try? Program(["-c", "import numpy, safetensors"], of: python)
  if probe?.wait() == 0 { return python }
  print("SKIPPED: a check needs a Python with numpy and safetensors at \(python); .ci/run installs it")
  return nil
}

/// A Python with PyTorch; nil, aloud, where there is none.
func pythonWithTorch() -> String? {
  let pythons =
    [ProcessInfo.processInfo.environment["LOCKSTEP_TORCH_PYTHON"]].compactMap { $0 }
    + [package.appendingPathComponent(".venv-torch/bin/python3").path, "/usr/bin/python3"]
  for python in pythons where FileManager.default.isExecutableFile(atPath: python) {
    let probe = try? Program(["-c", "import torch"], of: python)
    if probe?.wait(seconds: 60) == 0 { return python }
  }
  print("SKIPPED: a check needs a Python with torch, one of \(pythons.joined(separator: ", ")); .ci/run installs one")
  return nil
}

/// Starts a script of this package with the program under test.
func startScript(_ script: String, _ arguments: [String] = []) throws -> Program {
  let path = package.appendingPathComponent(script).path
  let program = Program.folder.appendingPathComponent("lockstep").path
  return try Program(["python3", path, "--program", program] + arguments, of: "/usr/bin/env")
}

/// Runs a script of this package that makes a network of namespaces, with the program under test, and gives it with its
/// exit code, nil where it still runs after `seconds`; nil, aloud, where there can be no such network.
func runOnHosts(_ script: String, _ arguments: [String] = [], seconds: Double) throws -> (run: Program, code: Int32?)? {
  let run = try startScript(script, arguments)
  let code = run.wait(seconds: seconds)
  if code == 77 {
    print("SKIPPED: \(run.output)")
    return nil
  }
  return (run, code)
}

/// `summary.json`.
struct Summary: Decodable {
  let status: String
  let error: String?
  let culprit: String?
  let workers: Int
  let threads: Int
  let steps: Int
  let skipped_steps: Int
  let epochs: Int
  let examples_seen: Int
  let train_loss: Double?
  let validation_loss: Double?
  let validation_accuracy: Double?
  let test_loss: Double?
  let test_accuracy: Double?
  let test_r2: Double?
  let parameter_count: Int
  let parameters_sha256: String
  let seconds: Double
  let steps_per_second: Double?
  let step_time: StepTime

  struct StepTime: Decodable {
    let total, compute, wait, sum_update, transfer: Double
    let tensors: Double?
  }

  init(_ folder: String) throws {
    self = try JSONDecoder().decode(
      Summary.self, from: Data(contentsOf: URL(fileURLWithPath: "\(folder)/summary.json")))
  }
}

/// Runs to the end and expects success.
@discardableResult
func succeed(_ arguments: [String], of name: String = "lockstep", in scratch: Scratch? = nil) throws -> Program {
  let program = try Program(arguments, of: name, in: scratch?.url)
  let code = program.wait()
  try #require(
    code == 0, "\(arguments): \(String(describing: code)) \(program.errors)\n\(program.output.suffix(2000))")
  return program
}

/// Trains and gives the summary.
func train(_ scratch: Scratch, _ arguments: [String], output: String = UUID().uuidString) throws -> Summary {
  try succeed(["train", "--output", scratch.path(output)] + arguments)
  return try Summary(scratch.path(output))
}

/// Whether a process runs, zombies not counted.
func isRunning(_ process: Int32) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
  return status.split(separator: ")").last?.split(separator: " ").first != "Z"
}

/// Polls until `condition` holds; for what no event tells.
func eventually(seconds: Double, _ condition: () -> Bool) -> Bool {
  let deadline = Date().addingTimeInterval(seconds)
  while !condition() {
    if Date() > deadline { return false }
    usleep(20_000)
  }
  return true
}
