package import Schema

/// A JSON payload, for small and rare messages. Every number is checked when it is decoded.
package protocol ControlPayload: Codable, Equatable, Sendable {
  /// Throws if a number is outside of the range that its field's documentation gives.
  func check() throws(WireError)
}

/// HELLO, from a worker.
package struct Hello: ControlPayload {
  /// Host and process, for log lines.
  package var name: String
  /// Compute threads, 1…1024; 0 for a relay that computes nothing.
  package var threads: Int
  /// Where it listens to be others' relay; nil if it does not.
  package var relay: RelayOffer?
  /// ``RelayOffer/id`` of the relays that have handed this HELLO on, from the worker to the coordinator; nil for none.
  package var via: [UInt64]?

  package static let threadCounts = 1...1024
  package static let mostRelays = 64

  package func check() throws(WireError) {
    if threads != 0 || relay == nil { _ = try Hello.threadCounts.checked(threads, "count of threads") }
    try relay?.check()
    _ = try (0...Hello.mostRelays).checked(via?.count ?? 0, "count of relays on the way")
  }

  package init(name: String, threads: Int, relay: RelayOffer? = nil, via: [UInt64]? = nil) {
    (self.name, self.threads, self.relay, self.via) = (name, threads, relay, via)
  }
}

/// WELCOME: what a worker needs to start.
package struct Welcome: ControlPayload {
  /// The job's options by name. The receiver checks them like a user's.
  package var job: [String: OptionValue]
  package var onNonFinite: NonFinitePolicy
  /// Measured once by the coordinator; all numbers are finite.
  package var scaling: FeatureScaling
  /// How the records of a table become numbers; nil for other data.
  package var recipe: DataRecipe?
  /// Floats in a chunk, 1…2³².
  package var chunkSize: Int
  /// The coordinator's shared memory, for workers of the same user on the same machine.
  package var host: SharedMemoryNames?
  /// For a relay that computes nothing: it loads neither data nor a model.
  package var summed: SummedJob?

  package func check() throws(WireError) {
    _ = try (1...1 << 32).checked(chunkSize, "chunk size")
    try summed?.check()
    guard (scaling.offset + scaling.factor).allSatisfy(\.isFinite) else {
      throw .outOfRange("scaling", value: "with a number that is not finite", range: "all finite")
    }
    try host?.check()
  }

  package init(
    job: [String: OptionValue], onNonFinite: NonFinitePolicy, scaling: FeatureScaling, recipe: DataRecipe? = nil,
    chunkSize: Int, host: SharedMemoryNames? = nil, summed: SummedJob? = nil
  ) {
    (self.job, self.onNonFinite, self.scaling, self.recipe) = (job, onNonFinite, scaling, recipe)
    (self.chunkSize, self.host, self.summed) = (chunkSize, host, summed)
  }
}

/// (feature − offset) · factor, one of each for every column.
package struct FeatureScaling: Codable, Equatable, Sendable {
  package var offset, factor: [Float]

  package init(offset: [Float], factor: [Float]) {
    (self.offset, self.factor) = (offset, factor)
  }
}

/// A recipe, which workers do not learn themselves.
package struct DataRecipe: Codable, Equatable, Sendable {
  /// SHA-256 of ``json``, in hex.
  package var sha256: String
  package var json: String

  package init(sha256: String, json: String) {
    (self.sha256, self.json) = (sha256, json)
  }
}

/// The shared memory of a process, for others on its machine.
package struct SharedMemoryNames: ControlPayload {
  /// The coordinator's parameters, or the worker's gradients.
  package var vectors: SharedVectorsName
  /// The pipe for records, which replace messages on the socket.
  package var inbox: PipeName

  package func check() throws(WireError) {
    for (process, descriptor) in [(vectors.process, vectors.descriptor), (inbox.process, inbox.descriptor)] {
      _ = try (1...Int32.max).checked(process, "process")
      _ = try (0...Int32.max).checked(descriptor, "descriptor")
    }
    _ = try SharedVectorsName.vectorCounts.checked(vectors.vectors, "count of vectors")
    _ = try SharedVectorsName.lengths.checked(vectors.count, "length of vectors")
  }

  package init(vectors: SharedVectorsName, inbox: PipeName) {
    (self.vectors, self.inbox) = (vectors, inbox)
  }
}

/// READY: what must be the same for coordinator and worker.
package struct Ready: ControlPayload {
  package var data: String
  package var layout: ParameterLayout
  package var numerics: Numerics
  /// The worker's shared memory, if it has opened the coordinator's.
  package var host: SharedMemoryNames?

  package func check() throws(WireError) {
    try numerics.check()
    try host?.check()
  }

  package init(data: String, layout: ParameterLayout, numerics: Numerics, host: SharedMemoryNames? = nil) {
    (self.data, self.layout, self.numerics, self.host) = (data, layout, numerics, host)
  }
}

/// REFUSE and GOODBYE.
package struct Reason: ControlPayload {
  /// A sentence; nil if the run is complete.
  package var reason: String?

  package func check() throws(WireError) {}

  package init(reason: String? = nil) {
    self.reason = reason
  }
}
