internal import Datasets
internal import Kernels
internal import Models

/// Text that a saved model continues, byte by byte.
package struct Generation {
  /// How the next byte is chosen.
  package struct Sampling: Sendable {
    /// Divides the outputs before softmax; at 0 the byte with the largest output is taken.
    package var temperature: Double
    /// How many of the largest outputs take part.
    package var topK: Int
    package var seed: UInt64

    package init(temperature: Double, topK: Int, seed: UInt64) {
      (self.temperature, self.topK, self.seed) = (temperature, topK, seed)
    }
  }

  private let network: Network
  private let parameters: FloatBuffer
  private let run: NetworkRun
  private let window: FloatBuffer
  private let tokens: Int

  /// - Throws: ``ModelError`` if `file`'s model does not predict the next byte at each of its positions.
  package init(_ file: ModelFile) throws {
    guard let network = file.model.network, case .positions(let count, let classes) = file.description.target,
      file.description.shape == [count], classes <= 256
    else {
      throw ModelError(
        "--model \(file.description.job.modelText) does not predict the next byte of a text; train one with --data text:FILE"
      )
    }
    (self.network, parameters, tokens) = (network, file.parameters, classes)
    run = network.makeWorkspace()
    window = FloatBuffer(count: count)
  }

  /// Appends `length` bytes to `text`, of which the last `context` are what the model sees; `body` gets each.
  ///
  /// The bytes follow from the parameters alone, on every processor.
  package func extend(_ text: [UInt8], length: Int, _ sampling: Sampling, _ body: (UInt8) -> Void) {
    precondition(!text.isEmpty, "nothing to continue")
    var text = text
    let random = Philox(seed: sampling.seed, stream: 0)
    for index in 0..<length {
      let outputs = withExtendedLifetime((window, parameters)) { nextOutputs(text.suffix(window.count)) }
      let block = random.block(UInt64(index))
      let unit = (Double(UInt64(block[0]) << 20 | UInt64(block[1]) >> 12) + 0.5) * 0x1p-52
      let byte = UInt8(Self.choose(outputs, sampling, unit))
      text.append(byte)
      body(byte)
    }
  }

  /// The outputs at the last position of `text`. What follows it in the window is not seen, because attention is causal.
  private func nextOutputs(_ text: ArraySlice<UInt8>) -> [Float] {
    window.all.fill(0)
    for (position, byte) in text.enumerated() { window.all[position] = Float(byte) }
    let batch = Batch(
      features: Matrix(window.values, rows: 1, columns: window.count),
      targets: .values(Matrix(window.values[0..<0], rows: 0, columns: 1)))
    let outputs = network.outputs(batch, at: parameters.values, using: run)
    return outputs[(text.count - 1) * tokens..<text.count * tokens].array
  }

  /// The index whose share of the softmax over the largest `topK` outputs holds `unit`, in (0, 1).
  static func choose(_ outputs: [Float], _ sampling: Sampling, _ unit: Double) -> Int {
    // The first of equals comes first.
    let order = outputs.indices.sorted { (outputs[$1], $0) < (outputs[$0], $1) }.prefix(max(1, sampling.topK))
    guard sampling.temperature > 0, let first = order.first else { return order.first ?? 0 }
    let shares = order.map {
      Elementary.exponential((Double(outputs[$0]) - Double(outputs[first])) / sampling.temperature)
    }
    var left = unit * shares.reduce(0, +)
    for (index, share) in zip(order, shares) {
      left -= share
      if left < 0 { return index }
    }
    return first
  }
}
