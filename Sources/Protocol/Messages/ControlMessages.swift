package import Schema

/// A payload of JSON: small, rare, and readable in a capture. Its numbers are checked when it is decoded.
package protocol ControlPayload: Codable, Equatable, Sendable {
  /// Refuses what is outside of the ranges that the fields' documentation gives.
  func check() throws(WireError)
}

/// HELLO: who a worker is.
package struct Hello: ControlPayload {
  /// Host and process, for people.
  package var name: String
  /// How many compute threads it has, 1…1024.
  package var threads: Int

  package static let threadCounts = 1...1024

  package func check() throws(WireError) {
    _ = try Hello.threadCounts.checked(threads, "count of threads")
  }

  package init(
    name: String, threads: Int
  ) {
    self.name = name
    self.threads = threads
  }
}

/// WELCOME: all that a worker needs to compute.
package struct Welcome: ControlPayload {
  /// What is trained, on what, how: the job's options by name. Whoever loads the job checks them as a user's.
  package var job: [String: OptionValue]
  /// What becomes of a loss or a gradient that is not finite.
  package var onNonFinite: NonFinitePolicy
  /// How features are scaled, measured once, by the coordinator: finite numbers.
  package var scaling: FeatureScaling
  /// Floats a chunk, 1…2³².
  package var chunkSize: Int
  /// Where the coordinator keeps parameters and takes messages, for workers of its user on its machine.
  package var host: SharedMemoryNames?

  package func check() throws(WireError) {
    _ = try (1...1 << 32).checked(chunkSize, "chunk size")
    guard (scaling.offset + scaling.factor).allSatisfy(\.isFinite) else {
      throw .outOfRange("scaling", value: "with a number that is not finite", range: "all finite")
    }
    try host?.check()
  }

  package init(
    job: [String: OptionValue], onNonFinite: NonFinitePolicy, scaling: FeatureScaling, chunkSize: Int,
    host: SharedMemoryNames? = nil
  ) {
    self.job = job
    self.onNonFinite = onNonFinite
    self.scaling = scaling
    self.chunkSize = chunkSize
    self.host = host
  }
}

/// (feature − offset) · factor, a value a column.
package struct FeatureScaling: Codable, Equatable, Sendable {
  package var offset, factor: [Float]

  package init(
    offset: [Float], factor: [Float]
  ) {
    self.offset = offset
    self.factor = factor
  }
}

/// What a process shares with others on its machine.
package struct SharedMemoryNames: ControlPayload {
  /// The coordinator's parameters, or the worker's gradients.
  package var vectors: SharedVectorsName
  /// Where messages go without a payload frame, past the socket.
  package var inbox: PipeName

  package func check() throws(WireError) {
    for (process, descriptor) in [(vectors.process, vectors.descriptor), (inbox.process, inbox.descriptor)] {
      _ = try (1...Int32.max).checked(process, "process")
      _ = try (0...Int32.max).checked(descriptor, "descriptor")
    }
    _ = try SharedVectorsName.vectorCounts.checked(vectors.vectors, "count of vectors")
    _ = try SharedVectorsName.lengths.checked(vectors.count, "length of vectors")
  }

  package init(
    vectors: SharedVectorsName, inbox: PipeName
  ) {
    self.vectors = vectors
    self.inbox = inbox
  }
}

/// READY: what must be equal on both sides.
package struct Ready: ControlPayload {
  /// The data's fingerprint.
  package var data: String
  /// The model's tensors.
  package var layout: ParameterLayout
  /// What the worker computes, and with what.
  package var numerics: Numerics
  /// Where the worker keeps gradients and takes messages, if it has opened what the coordinator shares.
  package var host: SharedMemoryNames?

  package func check() throws(WireError) {
    try numerics.check()
    try host?.check()
  }

  package init(
    data: String, layout: ParameterLayout, numerics: Numerics, host: SharedMemoryNames? = nil
  ) {
    self.data = data
    self.layout = layout
    self.numerics = numerics
    self.host = host
  }
}

/// REFUSE and GOODBYE: why.
package struct Reason: ControlPayload {
  /// A sentence; nil where the run is complete.
  package var reason: String?

  package func check() throws(WireError) {}

  package init(
    reason: String? = nil
  ) {
    self.reason = reason
  }
}
