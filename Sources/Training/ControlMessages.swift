internal import Datasets
internal import Foundation
internal import Kernels
internal import Models
internal import ZeroMQ

/// The control payloads, as JSON: small, rare, and readable in a capture.

/// HELLO: who a worker is.
struct Hello: Codable, Equatable, Sendable {
  /// Host and process, for people.
  var name: String
  /// How many compute threads it has.
  var threads: Int

  /// A worker's introduction.
  init(name: String, threads: Int) {
    self.name = name
    self.threads = threads
  }
}

/// WELCOME: all that a worker needs to compute.
struct Welcome: Codable, Equatable, Sendable {
  /// What is trained, on what, how.
  var job: Job
  /// How features are scaled, measured once, by the coordinator.
  var scaling: Scaling
  /// Floats a chunk.
  var chunkSize: Int
  /// Where the coordinator keeps parameters and takes messages, for workers on its machine.
  var host: HostNames?
}

/// What a process shares with others on its machine.
struct HostNames: Codable, Equatable, Sendable {
  /// The coordinator's parameters, or the worker's gradients.
  var vectors: SharedVectors.Name
  /// Where messages go without a payload frame, past the socket.
  var inbox: RecordPipe.Name
}

/// READY: what must be equal on both sides.
struct Ready: Codable, Equatable, Sendable {
  /// The data's fingerprint.
  var data: String
  /// The model's tensors.
  var layout: ParameterLayout
  /// Where the worker keeps gradients and takes messages, if it has opened what the coordinator shares.
  var host: HostNames?
}

/// REFUSE and GOODBYE: why.
struct Reason: Codable, Equatable, Sendable {
  /// A sentence; nil where the run is complete.
  var reason: String?
}

extension Encodable {
  /// A control payload's bytes.
  func encodedPayload() -> [UInt8] {
    do {
      return try [UInt8](JSONEncoder().encode(self))
    } catch {
      preconditionFailure("a control message cannot be encoded: \(error)")
    }
  }
}
