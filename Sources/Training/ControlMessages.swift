internal import Datasets
internal import Foundation
internal import Kernels
internal import Models
internal import Wire
internal import ZeroMQ

/// A payload of JSON: small, rare, and readable in a capture. Its numbers are checked when it is decoded.
protocol ControlPayload: Codable, Equatable, Sendable {
  /// Refuses what is outside of the ranges that the fields' documentation gives.
  func check() throws(WireError)
}

/// HELLO: who a worker is.
struct Hello: ControlPayload {
  /// Host and process, for people.
  var name: String
  /// How many compute threads it has, 1…1024.
  var threads: Int

  static let threadCounts = 1...1024

  func check() throws(WireError) {
    _ = try Hello.threadCounts.checked(threads, "count of threads")
  }
}

/// WELCOME: all that a worker needs to compute.
struct Welcome: ControlPayload {
  /// What is trained, on what, how. Its numbers are checked as those of a user's job are.
  var job: Job
  /// How features are scaled, measured once, by the coordinator: finite numbers.
  var scaling: Scaling
  /// Floats a chunk, 1…2³².
  var chunkSize: Int
  /// Where the coordinator keeps parameters and takes messages, for workers of its user on its machine.
  var host: HostNames?

  func check() throws(WireError) {
    _ = try (1...1 << 32).checked(chunkSize, "chunk size")
    guard (scaling.offset + scaling.factor).allSatisfy(\.isFinite) else {
      throw .outOfRange("scaling", value: "with a number that is not finite", range: "all finite")
    }
    try host?.check()
  }
}

/// What a process shares with others on its machine.
struct HostNames: ControlPayload {
  /// The coordinator's parameters, or the worker's gradients.
  var vectors: SharedVectors.Name
  /// Where messages go without a payload frame, past the socket.
  var inbox: RecordPipe.Name

  func check() throws(WireError) {
    for (process, descriptor) in [(vectors.process, vectors.descriptor), (inbox.process, inbox.descriptor)] {
      _ = try (1...Int32.max).checked(process, "process")
      _ = try (0...Int32.max).checked(descriptor, "descriptor")
    }
    _ = try SharedVectors.vectorCounts.checked(vectors.vectors, "count of vectors")
    _ = try SharedVectors.lengths.checked(vectors.count, "length of vectors")
  }
}

/// READY: what must be equal on both sides.
struct Ready: ControlPayload {
  /// The data's fingerprint.
  var data: String
  /// The model's tensors.
  var layout: ParameterLayout
  /// What the worker computes, and with what.
  var numerics: Numerics
  /// Where the worker keeps gradients and takes messages, if it has opened what the coordinator shares.
  var host: HostNames?

  func check() throws(WireError) {
    try numerics.check()
    try host?.check()
  }
}

/// REFUSE and GOODBYE: why.
struct Reason: ControlPayload {
  /// A sentence; nil where the run is complete.
  var reason: String?

  func check() throws(WireError) {}
}

extension ControlPayload {
  /// The payload's bytes.
  func encodedPayload() -> [UInt8] {
    do {
      return try [UInt8](JSONEncoder().encode(self))
    } catch {
      preconditionFailure("a control message cannot be encoded: \(error)")
    }
  }
}
