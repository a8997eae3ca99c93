package import Datasets
internal import Foundation
internal import Kernels
internal import Models
internal import Schema

/// Computes a saved model's outputs on all cores. An example's outputs do not depend on the others or on the cores.
package final class Predictor: Sendable {
  private let network: Network
  private let file: ModelFile
  private let threads: Int
  /// What outputs are multiplied by and what is added, one a label; nil for classes.
  private let units: [(deviation: Float, mean: Float)]?
  /// Whether outputs are logits of numbers from 0 to 1.
  private let isSigmoid: Bool

  /// The number of outputs of an example.
  package let outputs: Int

  /// Examples whose outputs are computed together.
  private let pieceRows: Int

  /// Whether `file`'s model has outputs for each example.
  package static func canPredict(_ file: ModelFile) -> Bool {
    if case .positions = file.description.target { return false }
    return file.model.network != nil
  }

  /// - Throws: ``ModelError`` if `file`'s model has outputs for positions, or none.
  package init(_ file: ModelFile, threads: Int) throws {
    let target = file.description.target
    guard let network = file.model.network else {
      throw ModelError("--model \(file.description.job.modelText) has a loss, and no outputs to predict with")
    }
    if case .positions = target {
      throw ModelError(
        "--model \(file.description.job.modelText) predicts a class at each of \(target.positions) positions; `lockstep "
          + "generate` continues texts with it")
    }
    (self.network, self.file, self.threads) = (network, file, threads)
    outputs = target.outputs
    pieceRows = min(256, network.mostExamples)
    let labels = file.description.recipe?.labels
    units = target.isClassification ? nil : labels?.map { ($0.deviation, $0.mean) }
    isSigmoid = file.description.job.loss == BinaryCrossEntropy.name
  }

  /// The names of the predicted numbers; empty for classes.
  package var labelNames: [String] {
    guard !file.description.target.isClassification else { return [] }
    let known = file.description.labelNames
    return (0..<outputs).map { $0 < known.count ? known[$0] : "\($0 + 1)" }
  }

  /// `targets` as the data have them, in the label's units.
  package func inUnits(_ targets: [Float]) -> [Float] {
    guard let units else { return targets }
    return zip(targets, units).map { $0 * $1.deviation + $1.mean }
  }

  /// The names of the classes; nil for numbers.
  package var classes: [String]? {
    guard case .classification(let count) = file.description.target else { return nil }
    return file.description.recipe?.labels[0].classes ?? (0..<count).map(String.init)
  }

  /// The class of examples that count for nothing.
  var ignoredClass: Int? { file.description.job.lossOptions.ifGiven("ignored-class").map { Int($0) } }

  /// As many records as are predicted at once.
  package var mostRecords: Int { max(1, (1 << 22) / outputs) }

  /// The probabilities of the classes, or the predicted numbers in the label's units: examples × ``outputs``.
  package func predictions(for examples: Examples, in range: Range<Int>) -> [Float] {
    results(for: examples, in: range) { predict($0, $1, into: $2, at: $3) }
  }

  /// The logits of the classes: examples × ``outputs``.
  func logits(for examples: Examples, in range: Range<Int>) -> [Float] {
    results(for: examples, in: range) { outputs, row, results, place in
      for index in 0..<self.outputs { results[place + index] = outputs[row * self.outputs + index] }
    }
  }

  private typealias Writer =
    @Sendable (
      _ outputs: Floats, _ row: Int, _ results: UnsafeMutableBufferPointer<Float>, _ place: Int
    ) -> Void

  private func results(for examples: Examples, in range: Range<Int>, _ write: Writer) -> [Float] {
    let width = outputs
    return [Float](unsafeUninitializedCapacity: range.count * width) { buffer, count in
      nonisolated(unsafe) let results = buffer
      let pieces = (range.count + pieceRows - 1) / pieceRows
      let workers = min(threads, pieces)
      if workers > 0 {
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
          let gathered = BatchBuffer(examples, scaling: file.description.scaling)
          let run = network.makeWorkspace()
          for piece in stride(from: worker, to: pieces, by: workers) {
            let first = range.lowerBound + piece * pieceRows
            let rows = first..<min(first + pieceRows, range.upperBound)
            let outputs = network.outputs(gathered.gather(rows), at: file.parameters.values, using: run)
            let start = (rows.lowerBound - range.lowerBound) * width
            for row in 0..<rows.count { write(outputs, row, results, start + row * width) }
          }
        }
      }
      count = range.count * width
    }
  }

  private func predict(_ outputs: Floats, _ row: Int, into results: UnsafeMutableBufferPointer<Float>, at place: Int) {
    let width = self.outputs
    guard file.description.target.isClassification else {
      for index in 0..<width {
        var value = outputs[row * width + index]
        if isSigmoid { value = Float(1 / (1 + Elementary.exponential(-Double(value)))) }
        if let units { value = value * units[index].deviation + units[index].mean }
        results[place + index] = value
      }
      return
    }
    var largest = -Float.infinity
    for index in 0..<width { largest = max(largest, outputs[row * width + index]) }
    var sum = 0.0
    for index in 0..<width { sum += Elementary.exponential(Double(outputs[row * width + index] - largest)) }
    for index in 0..<width {
      results[place + index] = Float(Elementary.exponential(Double(outputs[row * width + index] - largest)) / sum)
    }
  }
}
