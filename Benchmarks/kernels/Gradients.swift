import Datasets
import Foundation
import Kernels
import Models
import Protocol
import Runs
import Schema

/// How long a gradient takes, and which share of that time has passed when its values are final, in the order of the
/// reports.
func timeGradients() throws {
  let text = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).txt")
  defer { try? FileManager.default.removeItem(at: text) }
  let letters = FloatBuffer(count: 200_000)
  Philox(seed: 1, stream: 1).fillUniform(letters.all, bound: 13)
  try Data(letters.array.map { UInt8(110 + $0) }).write(to: text)
  let images = [("data", "fashion-mnist")]
  let texts = [("data", "text:\(text.path)"), ("model", "transformer")]
  print("| model, batch in 8 micro-batches | parameters | ms a gradient | values final, after a share of it |")
  print("| --- | ---: | ---: | --- |")
  for (name, batch, settings) in [
    ("mlp:64", 32, images + [("model", "mlp:64")]),
    ("mlp:256,128", 128, images + [("model", "mlp:256,128")]),
    ("mlp:1024,1024", 128, images + [("model", "mlp:1024,1024")]),
    ("transformer of width 32", 32, texts + [("layers", "1"), ("heads", "2"), ("width", "32"), ("context", "16")]),
    ("transformer", 12, texts), ("transformer, tied", 12, texts + [("tied", "yes")]),
  ] {
    var options = JobOptions()
    try options.set(settings + [("batch-size", "\(batch)"), ("micro-batches", "8")])
    let loaded = try options.load()
    let prepared = try PreparedJob(options, loaded, models: ModelFactory.builtIn)
    let time = GradientTime(prepared.model, prepared, loaded, batch: batch)
    let reports = time.reports.map { "\($0.values) \(percent($0.share))" }
    row(
      "\(name), \(batch)", "\(prepared.model.layout.count)", places(time.seconds * 1e3, 3),
      reports.joined(separator: ", "))
  }
}

private struct GradientTime {
  /// Of a gradient.
  let seconds: Double
  /// Medians of the share of a gradient's time that has passed at each report.
  let reports: [(values: Int, share: Double)]

  init<M: Model>(_ model: M, _ prepared: PreparedJob, _ data: LoadedData, batch: Int) {
    let (parameters, gradient) = (FloatBuffer(count: model.layout.count), FloatBuffer(count: model.layout.count))
    model.initialize(parameters.all, seed: 1)
    let buffer = BatchBuffer(data.train, scaling: prepared.scaling)
    let examples = buffer.gather(0..<batch, place: Batch.Place(seed: 1, step: 0, position: 0))
    let bounds = (0...8).map { $0 * batch / 8 }
    let microBatches = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
    var (workspace, scratch) = (model.makeWorkspace(), ScratchVectors())
    func compute(_ whenFinal: (Range<Int>, [Metrics]) -> Void) {
      _ = model.gradient(
        of: examples, microBatches: microBatches, at: parameters.values, into: gradient.all, using: &workspace,
        scratch: &scratch, whenFinal: whenFinal)
    }
    (seconds, reports) = withExtendedLifetime((parameters, gradient, buffer)) {
      let seconds = medianSeconds { compute { _, _ in } }
      var ranges: [Range<Int>] = []
      compute { range, _ in ranges.append(range) }
      let clock = ContinuousClock()
      // A row for each report. Each share is of the same computation's time, so that a busy machine shifts it little.
      var shares = ranges.map { _ in [Double]() }
      for _ in 0..<101 {
        let start = clock.now
        var instants: [ContinuousClock.Instant] = []
        compute { _, _ in instants.append(clock.now) }
        let whole = clock.now - start
        for (index, instant) in instants.enumerated() { shares[index].append((instant - start) / whole) }
      }
      return (seconds, zip(ranges, shares).map { ($0.count, $1.sorted()[50]) })
    }
  }
}
