import Datasets
import Foundation
import Kernels
import Models
import Optimizers
import Protocol
import Runs
import Schema

/// Where the time of one worker's step goes, for models of `Benchmarks/against_pytorch.py`: in products (with attention), in
/// what passes over values once, and in the update. `details` prints each operation.
func timeSteps(peak: Double, details: Bool) throws {
  let text = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).txt")
  defer { try? FileManager.default.removeItem(at: text) }
  let letters = FloatBuffer(count: 200_000)
  Philox(seed: 1, stream: 1).fillUniform(letters.all, bound: 13)
  try Data(letters.array.map { UInt8(110 + $0) }).write(to: text)
  print("| model, batch | ms a step | products | GFLOP/s, of the peak | elementwise | update |")
  print("| --- | ---: | ---: | ---: | ---: | ---: |")
  for (model, data, batch) in [
    ("mlp:256,128", "fashion-mnist", 128), ("lenet", "fashion-mnist", 64), ("cnn", "fashion-mnist", 64),
    ("resnet", "fashion-mnist", 64), ("transformer", "text:\(text.path)", 12),
  ] {
    var options = JobOptions()
    try options.set([("data", data), ("model", model), ("batch-size", "\(batch)"), ("micro-batches", "1")])
    let loaded = try options.load()
    let prepared = try PreparedJob(options, loaded, models: ModelFactory.builtIn)
    let network = prepared.model as! Network
    let step = try StepTime(network, prepared, loaded, batch: batch)
    let products = step.operations.filter { $0.multiplyAdds > 0 }
    func sum(_ operations: [Network.OperationTime]) -> Double { operations.reduce(0) { $0 + $1.forward + $1.backward } }
    let all = sum(step.operations) + step.loss + step.update
    let rate = 2 * Double(products.reduce(0) { $0 + $1.multiplyAdds }) / sum(products)
    func cell(_ seconds: Double) -> String { "\(places(seconds * 1e3, 2)) (\(percent(seconds / all)))" }
    row(
      "\(model), \(batch)", places(all * 1e3, 2), cell(sum(products)),
      "\(places(rate / 1e9, 0)) (\(percent(rate / peak)))", cell(sum(step.operations) - sum(products) + step.loss),
      cell(step.update))
    guard details else { continue }
    for operation in step.operations {
      let forward = 2 * Double(operation.line.multiplyAdds * batch) / operation.forward / 1e9
      let backward =
        2 * Double(operation.multiplyAdds - operation.line.multiplyAdds * batch) / operation.backward / 1e9
      print(
        "    \(operation.line.path ?? "") \(operation.line.operation) \(operation.line.shape): "
          + "\(places(operation.forward * 1e6, 0)) + \(places(operation.backward * 1e6, 0)) µs, "
          + "\(places(forward, 0)) and \(places(backward, 0)) GFLOP/s")
    }
  }
}

private struct StepTime {
  let operations: [Network.OperationTime]
  /// Seconds.
  let loss: Double
  let update: Double

  init(_ network: Network, _ prepared: PreparedJob, _ data: LoadedData, batch: Int) throws {
    let (parameters, gradient) = (FloatBuffer(count: network.layout.count), FloatBuffer(count: network.layout.count))
    network.initialize(parameters.all, seed: 1)
    let buffer = BatchBuffer(data.train, scaling: prepared.scaling)
    let examples = buffer.gather(0..<batch, place: Batch.Place(seed: 1, step: 0, position: 0))
    (operations, loss) = network.timeStep(
      examples, microBatches: [0..<batch], at: parameters.values, into: gradient.all, rounds: 31)
    var optimizer = try prepared.optimizer()
    let slots = optimizer.slots.map { _ in FloatBuffer(count: gradient.count) }
    let updated = FloatBuffer(count: gradient.count)
    let part = Optimizer.Part(
      start: 0, parameters: parameters.values, gradientSum: gradient.values, slots: slots.map(\.all),
      updated: updated.all)
    update = withExtendedLifetime((parameters, gradient, slots, updated, buffer)) {
      medianSeconds {
        optimizer.begin(weight: Double(batch), optimizer.needsWholeGradient ? [part] : [])
        optimizer.update(part)
      }
    }
  }
}
