internal import Cluster
internal import Datasets
internal import Files
internal import Foundation
internal import Kernels
internal import Models
internal import Optimizers
internal import Protocol
internal import Runs
public import Schema

/// Trains a job in this process, without commands and files. The coordinator runs on the calling thread, workers on
/// threads of their own. The parameters have the same bits as those of `lockstep train` with the same options.
public struct Trainer {
  private let prepared: PreparedJob
  private let workers: Int
  private let threads: Int

  /// A trainer of a job.
  ///
  /// - Parameters:
  ///   - options: as in a job file, such as `["data": "digits", "optimizer": "adam", "epochs": "3"]`.
  ///   - workers: how many, from 1.
  ///   - threads: compute threads of each, 1…1024.
  /// - Throws: ``OptionError``, `ModelError` or `DatasetError` for a wrong option.
  public init(_ options: [String: String], workers: Int = 1, threads: Int = 1) throws {
    guard workers >= 1, Hello.threadCounts.contains(threads) else {
      throw OptionError("\(workers) workers of \(threads) threads: at least one worker of 1 to 1024 threads is needed")
    }
    var job = JobOptions()
    for (name, value) in options.sorted(by: { $0.key < $1.key }) { try job.set(name, to: value) }
    _ = try VectorWidth.chosen()
    prepared = try PreparedJob(job, models: ModelKinds.registry.all)
    (self.workers, self.threads) = (workers, threads)
  }

  /// Reports of a run.
  public enum Progress: Sendable {
    /// A step is done: the number of steps, the mean loss before the update, and the learning rate.
    case step(Int, loss: Double, learningRate: Double)
    /// The validation part, or the test part if there is no validation part, was evaluated after this number of steps:
    /// the mean loss, and metrics by name.
    case evaluation(Int, loss: Double, figures: [String: Double])
    /// The same of the test part of data with a validation part, after the last step.
    case test(Int, loss: Double, figures: [String: Double])
    /// Something the user should know that does not end the run.
    case warning(String)
  }

  /// A trained model.
  public struct Result: Sendable {
    private let prepared: PreparedJob
    private let buffer: FloatBuffer
    /// The range and shape of each tensor in ``parameters``.
    public var layout: ParameterLayout { prepared.model.layout }
    /// All parameters.
    public var parameters: [Float] { buffer.array }
    /// SHA-256 of the parameters' little-endian float32 bytes, in hex.
    public var parametersSHA256: String { withExtendedLifetime(buffer) { Runs.parametersSHA256(buffer.values) } }

    init(_ prepared: PreparedJob, _ buffer: FloatBuffer) { (self.prepared, self.buffer) = (prepared, buffer) }

    /// Writes a `.safetensors` file, whole or not at all; `lockstep evaluate` and PyTorch read it.
    ///
    /// - Throws: an error that names the file if it cannot be written.
    public func write(to path: String) throws {
      try withExtendedLifetime(buffer) {
        try ModelFile.write(buffer.values, step: prepared.plan.totalSteps, of: prepared, to: path)
      }
    }
  }

  /// Trains to the end.
  ///
  /// - Throws: an error that names the root cause if the run fails, and any error of `observe`.
  public func run(_ observe: (Progress) throws -> Void = { _ in }) throws -> Result {
    let address = try LocalAddress()
    defer { address.remove() }
    var run = try prepared.coordinated
    run.initial = try prepared.initialParameters()
    let coordinator = try Coordinator(
      run, binding: address.endpoint, awaitedWorkers: workers, sharesMemory: false)
    let running = DispatchGroup()
    for number in 1...workers {
      running.enter()
      let name = "worker \(number)"
      let (endpoint, mailbox, threads) = (coordinator.address, coordinator.mailbox, threads)
      Thread.detachNewThread {
        defer { running.leave() }
        do {
          let worker = try Worker(connecting: endpoint, name: name, threads: threads) {
            try LoadedTask($0, models: ModelKinds.registry.all)
          }
          defer { worker.waitForLoading() }
          try worker.run()
        } catch {
          mailbox.processEnded(name: name, "\(error)", isReplaced: false)
        }
      }
    }
    // Workers end with the run; wait for all of them.
    defer { running.wait() }
    defer { coordinator.waitForWorkers() }
    try coordinator.run { event in
      switch event {
      case .step(let step): try observe(.step(step.step, loss: step.loss, learningRate: step.learningRate))
      case .evaluation(let report) where report.part == prepared.plan.evaluatedPart:
        try observe(.evaluation(report.step, loss: report.loss, figures: report.figures))
      case .evaluation(let report): try observe(.test(report.step, loss: report.loss, figures: report.figures))
      case .warning(let text), .otherNumerics(let text): try observe(.warning(text))
      case .workerJoined, .workerLeft, .waiting, .relays, .leftOut: break
      }
    }
    return Result(prepared, coordinator.parameters)
  }
}

extension Trainer {
  /// Adds the program's own models, rules, data sources and losses. Must be called before any trainer is made.
  public static func add(
    models: [ModelFactory] = [], rules: [any UpdateRule.Type] = [], sources: [any DataSource.Type] = [],
    losses: [any Loss.Type] = []
  ) {
    for loss in losses { Losses.registry.add(loss) }
    for model in models { ModelKinds.registry.add(model) }
    for rule in rules { UpdateRules.registry.add(rule) }
    for source in sources { DataSources.registry.add(source) }
  }
}
