// Steps without computing: workers push what is in their memory. Run by Benchmarks/transport.py.
import Lockstep

/// As many parameters as its argument says, and a gradient of zeros.
struct Messages: Model {
  let layout: ParameterLayout

  init(_ request: ModelRequest) throws {
    guard let count = request.options.ifGiven("parameters").map({ Int($0) }) else {
      throw ModelError("--model messages:COUNT is needed")
    }
    var layout = ParameterLayout()
    layout.append("parameters", shape: [count])
    self.layout = layout
  }

  func initialize(_: MutableFloats, seed _: UInt64) {}

  func makeWorkspace() {}

  /// Large vectors are pages that the system gives as zeros, and nobody writes anything else into them.
  func gradient(
    of batch: Batch, at _: Floats, into gradient: MutableFloats, using _: inout Void
  ) -> Metrics {
    if gradient.count < 100_000 { gradient.fill(0) }
    return Metrics(weight: Double(batch.count), loss: 0)
  }

  func evaluate(_ batch: Batch, at _: Floats, using _: inout Void) -> Metrics {
    Metrics(weight: Double(batch.count), loss: 0)
  }
}

LockstepCommands.main(
  models: [
    ModelFactory(
      "messages", options: [.whole("parameters", 1...1 << 34, "How many parameters there are.")],
      argument: "parameters"
    ) { try Messages($0) }
  ])
