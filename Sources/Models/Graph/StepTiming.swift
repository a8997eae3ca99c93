package import Datasets
package import Kernels

extension Network {
  /// How long an operation takes in a step.
  package struct OperationTime {
    package let line: LayerLine
    /// The multiply-adds of a step, forward and backward; 0 where it is no product, convolution or attention.
    package let multiplyAdds: Int
    /// Seconds, medians.
    package fileprivate(set) var forward = 0.0
    package fileprivate(set) var backward = 0.0
  }

  /// Times each operation of a step over `batch` on the calling thread, and the loss, in seconds.
  ///
  /// - Parameter rounds: at least 1; the times are medians of them.
  package func timeStep(
    _ batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats, rounds: Int
  ) -> (operations: [OperationTime], loss: Double) {
    let (clock, run, count) = (ContinuousClock(), makeWorkspace(), graph.nodes.count)
    func seconds(_ body: () -> Void) -> Double { clock.measure(body) / .seconds(1) }
    // A column for each operation's forward pass, the loss, and each operation's backward pass.
    var times: [[Double]] = Array(repeating: [], count: 2 * count + 1)
    for _ in 0..<rounds {
      run.begin(batch, at: parameters, training: microBatches)
      for node in 0..<count { times[node].append(seconds { run.forward(node) }) }
      times[count].append(seconds { _ = losses(batch, microBatches, run) })
      run.parameterGradients = gradient
      for node in (0..<count).reversed() { times[count + 1 + node].append(seconds { run.backward(node) }) }
    }
    let medians = times.map { $0.sorted()[rounds / 2] }
    let operations = layers.enumerated().map { index, line in
      // A product has a gradient for each of its two factors, but where the input is that of the model.
      let products = graph.needsGradient(graph.nodes[index].inputs[0]) ? 3 : 2
      return OperationTime(
        line: line, multiplyAdds: products * line.multiplyAdds * batch.count, forward: medians[index],
        backward: medians[count + 1 + index])
    }
    return (operations, medians[count])
  }
}
