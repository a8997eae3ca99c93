package import Foundation
internal import Protocol

/// `status.json`: a run as it is now. Replaced about once a second while the run goes on.
package struct RunStatus: Codable, Equatable, Sendable {
  package static let name = "status.json"

  package enum State: String, Codable, Sendable, CaseIterable {
    /// No worker can compute.
    case waiting
    case running, completed, failed
    /// It has not ended, but its process is gone or does not answer. Never in the file: readers find out.
    case lost
  }

  package struct Named: Codable, Equatable, Sendable {
    package var name: String
    package var title: String
  }

  /// A member, or one that has left.
  package struct Worker: Codable, Equatable, Sendable {
    package var number: Int
    package var name: String
    package var host: String?
    package var threads: Int
    /// That of ``MemberStatus``, or `left`.
    package var state: String
    package var isSlow: Bool
    /// Why it has left.
    package var reason: String?
    /// The number of the relay by which its messages come.
    package var parent: Int?
    package var sharesMemory: Bool
    /// Micro-batches that it has computed.
    package var leaves: Int
    package var busySeconds: Double
    /// Shares of the last seconds, which add up to 1: its threads computed; it had nothing to compute; it had, but
    /// waited for parameters or for its sums to get through. Nil before the first.
    package var busy: Double?
    package var waiting: Double?
    package var sending: Double?
    /// In seconds since 1970.
    package var lastHeard: Double
  }

  /// Where the time of a step went, in seconds.
  package struct Step: Codable, Equatable, Sendable {
    package struct Part: Codable, Equatable, Sendable {
      package var number: Int
      /// After the step's start, between which the worker had micro-batches to compute.
      package var from: Double
      package var to: Double
      /// The mean over its threads.
      package var compute: Double
    }

    package var step: Int
    package var seconds: Double
    package var sumUpdate: Double
    package var transfer: Double
    package var workers: [Part]
  }

  package struct Checkpoint: Codable, Equatable, Sendable {
    package var step: Int
    /// In seconds since 1970.
    package var time: Double
  }

  /// Seconds of this process's steps. The parts are those of ``TimeSplit``.
  package struct Phases: Codable, Equatable, Sendable {
    package var compute = 0.0, wait = 0.0, sumUpdate = 0.0, transfer = 0.0
  }

  /// How many steps took how long, in this process.
  package struct Durations: Codable, Equatable, Sendable {
    /// The upper ends of the ranges but the last, in seconds.
    package static let bounds = [
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    /// Of each range.
    package var counts = [Int](repeating: 0, count: bounds.count + 1)
    package var sum = 0.0

    mutating func add(_ seconds: Double) {
      counts[Durations.bounds.firstIndex { seconds <= $0 } ?? Durations.bounds.count] += 1
      sum += seconds
    }
  }

  package struct Process: Codable, Equatable, Sendable {
    package var steps = 0, skippedSteps = 0, examples = 0
  }

  package struct Bytes: Codable, Equatable, Sendable {
    package var sent = 0, received = 0
  }

  package var state = State.waiting
  package var error: String?
  package var pid: Int32
  package var host: String
  /// The version of the program.
  package var program: String
  /// In seconds since 1970.
  package var started: Double
  package var updated: Double
  /// When a step or an evaluation last ended.
  package var lastProgress: Double
  package var headline: String
  package var model: String
  package var optimizer: String
  package var data: String
  package var step = 0
  package var totalSteps: Int
  package var stepsPerEpoch: Int
  package var epoch = 0
  package var totalEpochs: Int
  package var examples = 0
  package var skippedSteps = 0
  /// What this process has done; the counts above are those of the whole run, with what it was resumed from.
  package var process = Process()
  package var learningRate: Double?
  package var stepsPerSecond: Double?
  package var examplesPerSecond: Double?
  package var secondsLeft: Double?
  /// The last step's values, and those of the last evaluations: the loss and the model's figures, with the part's name
  /// before theirs. What is not finite is missing.
  package var latest: [String: Double] = [:]
  package var figures: [Named]
  package var phases = Phases()
  package var durations = Durations()
  package var bytes = Bytes()
  package var reassignedLeaves = 0
  package var joinedWorkers = 0
  package var lostWorkers = 0
  package var checkpoints = 0
  package var checkpoint: Checkpoint?
  package var topology = "star"
  package var microBatches: Int
  /// The members in order of joining, then the last that have left.
  package var workers: [Worker] = []
  package var recentSteps: [Step] = []

  package static func decode(_ data: Data) throws -> RunStatus {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(RunStatus.self, from: data)
  }

  package func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }
}
