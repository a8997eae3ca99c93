package import Datasets
package import Kernels
package import Schema

/// Linear layers with an activation between them; without hidden layers, a linear model.
///
/// Layer l computes yₗ = xₗ·Wₗ + bₗ with Wₗ stored [in, out]. Tensors are named as in PyTorch's
/// `Sequential(Linear, activation, Linear, …)`: `0.weight`, `0.bias`, `2.weight`, `2.bias`, …
package struct MultilayerPerceptron: Model {
  package let layout: ParameterLayout
  private let layers: [Layer]
  private let activation: Activation
  private let loss: any Loss
  /// The number of targets per example, each with an equal part of the outputs.
  private let positions: Int
  private let dropout: Double

  private struct Layer {
    let inputs: Int
    let outputs: Int
    let weight: Range<Int>
    let bias: Range<Int>

    var parameters: Range<Int> { weight.lowerBound..<bias.upperBound }

    func weight(in parameters: Floats) -> Matrix { Matrix(parameters[weight], rows: inputs, columns: outputs) }
  }

  /// All sizes must be positive. Training drops hidden activations with the probability `dropout`.
  package init(
    inputs: Int, hidden: [Int], outputs: Int, positions: Int = 1, activation: Activation, loss: some Loss,
    dropout: Double = 0
  ) {
    var layout = ParameterLayout()
    let sizes = [inputs] + hidden + [outputs]
    layers = zip(sizes, sizes.dropFirst()).enumerated().map { index, size in
      Layer(
        inputs: size.0, outputs: size.1,
        weight: layout.append("\(2 * index).weight", shape: [size.0, size.1], savedTransposed: true),
        bias: layout.append("\(2 * index).bias", shape: [size.1]))
    }
    (self.layout, self.activation, self.loss, self.positions) = (layout, activation, loss, positions)
    self.dropout = dropout
  }

  package var metrics: MetricSchema { loss.metrics }

  /// Weights are uniform within the activation's bound (Glorot's for the last layer), biases are zero. Each layer has
  /// its own random stream, so its weights depend only on the seed, its index and its sizes.
  package func initialize(_ parameters: MutableFloats, seed: UInt64) {
    for (index, layer) in layers.enumerated() {
      let rule: Activation = index == layers.count - 1 ? .tanh : activation
      Philox(seed: seed, stream: UInt64(index))
        .fillUniform(
          parameters[layer.weight], bound: rule.initialBound(inputs: layer.inputs, outputs: layer.outputs))
      parameters[layer.bias].fill(0)
    }
  }

  /// Activations and gradients of the largest batch so far.
  package struct Workspace {
    /// Layer l's output, or its activation's input if ``Activation/keepsInput``.
    fileprivate var outputs: [FloatBuffer] = []
    /// The input of layer l + 1, if it differs from ``outputs``.
    fileprivate var activated: [FloatBuffer] = []
    /// The gradients with respect to a layer's input and output, swapped after each layer.
    fileprivate var gradients = (FloatBuffer(count: 0), FloatBuffer(count: 0))
    fileprivate var scratch = LayerScratch()
    fileprivate var rows = 0
  }

  package func makeWorkspace() -> Workspace { Workspace() }

  private func reserve(_ rows: Int, in workspace: inout Workspace) {
    guard rows > workspace.rows else { return }
    workspace.rows = rows
    workspace.outputs = layers.map { FloatBuffer(count: rows * $0.outputs) }
    workspace.activated = layers.dropLast().map { FloatBuffer(count: keepsBoth ? rows * $0.outputs : 0) }
    let widest = layers.dropFirst().map(\.inputs).max() ?? 0
    workspace.gradients = (FloatBuffer(count: rows * widest), FloatBuffer(count: rows * widest))
  }

  /// Whether the backward pass needs other values of a layer than the next layer reads.
  private var keepsBoth: Bool { activation.keepsInput || dropout > 0 }

  /// The dropout after layer `index`.
  private func dropout(_ index: Int, _ batch: Batch) -> Dropout {
    Dropout(rate: dropout, seed: batch.place.seed, step: batch.place.step, layer: index % 256)
  }

  private func input(_ index: Int, of batch: Batch, in workspace: Workspace) -> Matrix {
    guard index > 0 else { return batch.features }
    let buffer = keepsBoth ? workspace.activated[index - 1] : workspace.outputs[index - 1]
    let columns = layers[index].inputs
    return Matrix(buffer.values[0..<batch.count * columns], rows: batch.count, columns: columns)
  }

  /// All micro-batches are multiplied together: a row's bits do not depend on the other rows.
  ///
  /// - Returns: the last layer's output, without activation.
  private func forward(
    _ batch: Batch, at parameters: Floats, in workspace: inout Workspace, isTraining: Bool
  ) -> MutableFloats {
    reserve(batch.count, in: &workspace)
    let last = layers.count - 1
    for (index, layer) in layers.enumerated() {
      let count = batch.count * layer.outputs
      let output = workspace.outputs[index].all[0..<count]
      let activated = index < last && keepsBoth ? workspace.activated[index].all[0..<count] : nil
      Kernels.linear(
        inputs: input(index, of: batch, in: workspace), weight: layer.weight(in: parameters),
        bias: parameters[layer.bias], activation: index < last ? activation : nil, into: output,
        activated: activation.keepsInput ? activated : nil, scratch: &workspace.scratch)
      guard dropout > 0, let activated else { continue }
      let whole = activation.keepsInput ? activated.readOnly : output.readOnly
      if isTraining {
        dropout(index, batch).apply(whole, into: activated, columns: layer.outputs, first: batch.place.position)
      } else if !activation.keepsInput {
        activated.copy(whole)
      }
    }
    return workspace.outputs[last].all[0..<batch.count * layers[last].outputs]
  }

  package func gradient(
    of batch: Batch, at parameters: Floats, into gradient: MutableFloats, using workspace: inout Workspace
  ) -> Metrics {
    var none = ScratchVectors()
    return self.gradient(
      of: batch, microBatches: [0..<batch.count], at: parameters, into: gradient, using: &workspace, scratch: &none)[0]
  }

  /// Backpropagation of all micro-batches, layer by layer.
  package func gradient(
    of batch: Batch, microBatches: [Range<Int>], at parameters: Floats, into gradient: MutableFloats,
    using workspace: inout Workspace, scratch: inout ScratchVectors
  ) -> [Metrics] {
    var outputGradient = forward(batch, at: parameters, in: &workspace, isTraining: true)
    let outputs = layers[layers.count - 1].outputs
    let metrics = microBatches.map { rows in
      loss.gradient(
        outputGradient[rows, columns: outputs], columns: outputs / positions, targets: batch[rows].targets)
    }
    for (index, layer) in layers.enumerated().reversed() {
      let columns = Matrix(outputGradient.readOnly, rows: batch.count, columns: layer.outputs)
      weightGradient(
        inputs: input(index, of: batch, in: workspace), outputGradients: columns, microBatches: microBatches,
        into: gradient[layer.weight], scratch: &workspace.scratch)
      biasGradient(
        outputGradients: columns, microBatches: microBatches, into: gradient[layer.bias], scratch: &workspace.scratch)
      // Nothing needs the gradient with respect to the data.
      guard index > 0 else { break }
      let inputGradient = workspace.gradients.0.all[0..<batch.count * layer.inputs]
      Kernels.inputGradient(
        outputGradients: columns, weight: layer.weight(in: parameters),
        through: (activation, workspace.outputs[index - 1].values[0..<inputGradient.count]), into: inputGradient,
        scratch: &workspace.scratch)
      if dropout > 0 {
        dropout(index - 1, batch)
          .apply(inputGradient.readOnly, into: inputGradient, columns: layer.inputs, first: batch.place.position)
      }
      outputGradient = inputGradient
      workspace.gradients = (workspace.gradients.1, workspace.gradients.0)
    }
    return metrics
  }

  package func evaluate(_ batch: Batch, at parameters: Floats, using workspace: inout Workspace) -> Metrics {
    let output = forward(batch, at: parameters, in: &workspace, isTraining: false)
    return loss.gradient(
      output, columns: layers[layers.count - 1].outputs / positions, targets: batch.targets)
  }
}

extension MutableFloats {
  /// The rows in `range`, of `columns` values each.
  fileprivate subscript(range: Range<Int>, columns columns: Int) -> MutableFloats {
    self[range.lowerBound * columns..<range.upperBound * columns]
  }
}
