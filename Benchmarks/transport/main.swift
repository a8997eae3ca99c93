// Steps without computing: workers push what is in their memory. Run by Benchmarks/transport.py.
import Cluster
import Datasets
import Kernels
import Lockstep
import Models
import Protocol
import Runs
import Schema

/// As many parameters as its argument says, and a gradient of zeros.
struct Messages: Model {
  let layout: ParameterLayout

  init(_ request: ModelRequest) throws {
    guard let count = Int(request.arguments), count > 0 else { throw ModelError("--model messages:COUNT is needed") }
    var layout = ParameterLayout()
    layout.append("parameters", shape: [count])
    self.layout = layout
  }

  func initialize(_: MutableFloats, seed _: UInt64) {}

  func makeWorkspace() {}

  /// Large vectors are pages that the system gives as zeros, and nobody writes anything else into them.
  func gradient(
    of _: Batch, at _: Floats, into gradient: MutableFloats, using _: inout Void, ready: (Range<Int>) -> Void
  ) -> Metrics {
    if gradient.count < 100_000 { gradient.fill(0) }
    ready(gradient.indices)
    return Metrics(loss: 0)
  }

  func evaluate(_: Batch, at _: Floats, using _: inout Void) -> Metrics { Metrics(loss: 0) }
}

LockstepCommands.main(models: [ModelFactory("messages") { try Messages($0) }])
