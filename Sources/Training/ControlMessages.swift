public import Datasets
internal import Foundation
public import Models

/// The control payloads, as JSON: small, rare, and readable in a capture.

/// HELLO: who a worker is.
public struct Hello: Codable, Equatable, Sendable {
  /// Host and process, for people.
  public var name: String
  /// How many compute threads it has.
  public var threads: Int

  /// A worker's introduction.
  public init(name: String, threads: Int) {
    self.name = name
    self.threads = threads
  }
}

/// WELCOME: all that a worker needs to compute.
public struct Welcome: Codable, Equatable, Sendable {
  /// What is trained, on what, how.
  public var job: Job
  /// How features are scaled, measured once, by the coordinator.
  public var scaling: Scaling
  /// Floats a chunk.
  public var chunkSize: Int
}

/// READY: what must be equal on both sides.
public struct Ready: Codable, Equatable, Sendable {
  /// The data's fingerprint.
  public var data: String
  /// The model's tensors.
  public var layout: ParameterLayout
}

/// REFUSE and GOODBYE: why.
public struct Reason: Codable, Equatable, Sendable {
  /// A sentence.
  public var reason: String
}

extension Decodable {
  /// Reads a control payload, or nil where it is not one.
  static func decode(_ bytes: UnsafeRawBufferPointer) -> Self? {
    try? JSONDecoder().decode(Self.self, from: Data(bytes))
  }
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
