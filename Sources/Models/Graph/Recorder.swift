internal import Schema

/// Records the operations of a forward pass.
final class Recorder {
  private let paths: LayerPaths
  private(set) var values: [Graph.Value] = []
  private(set) var nodes: [Graph.Node] = []
  private(set) var parameters: [Graph.Parameter] = []
  private(set) var layout = ParameterLayout()
  /// The statistics, whose places in the layout follow those of all parameters.
  private var statistics: [(index: Int, name: String)] = []
  private var parametersOfLayers: [LayerIdentity: [Int]] = [:]
  /// The first error. Later operations are not recorded.
  private(set) var error: ModelError?
  /// The last layer with parameters, which tells where an operation without any is.
  private var lastPath: String?

  init(_ paths: LayerPaths) { self.paths = paths }

  /// The value that the forward pass starts from.
  func input(_ shape: [Int]) -> Tensor {
    values.append(Graph.Value(shape: shape))
    return Tensor(shape: shape, recorder: self, index: values.count - 1)
  }

  /// Gives the statistics their places after the parameters. Nothing can be recorded any more.
  func finish() {
    for (index, name) in statistics {
      parameters[index].range = layout.append(name, shape: parameters[index].shape, isStatistic: true)
    }
  }

  func record(_ operation: any TensorOperation, _ inputs: [Tensor], _ layer: LayerIdentity?) -> Tensor {
    func failed() -> Tensor { Tensor(shape: inputs[0].shape, recorder: self, index: inputs[0].index) }
    guard error == nil else { return failed() }
    var place = lastPath.map { "\(operation.name) after \($0)" } ?? operation.name
    do {
      precondition(inputs.allSatisfy { $0.recorder === self }, "a tensor of another model")
      let shapes = inputs.map(\.shape)
      var used: [Int] = []
      if let layer {
        guard let path = paths[layer] else {
          throw ShapeError("it is no property of the model, which must hold every layer that has parameters")
        }
        place = path.isEmpty ? operation.name : path
        lastPath = place
      }
      let shape = try operation.outputShape(shapes)
      if let layer { used = try add(operation.parameters(shapes), of: layer) }
      nodes.append(
        Graph.Node(
          operation: operation, inputs: inputs.map(\.index), parameters: used, output: values.count, place: nodes.count,
          path: layer.flatMap { paths[$0] }))
      values.append(Graph.Value(shape: shape))
      return Tensor(shape: shape, recorder: self, index: values.count - 1)
    } catch {
      self.error = ModelError("\(place): \(error)")
      return failed()
    }
  }

  /// The indices of a layer's parameters, which are added at its first use.
  private func add(_ declared: [Parameter], of layer: LayerIdentity) throws -> [Int] {
    if let known = parametersOfLayers[layer] {
      // The sums of its places would be added up, though a step divides them by its examples once.
      guard !declared.contains(where: \.isStatistic) else {
        throw ShapeError("a layer with running averages can be used once only: give each place its own")
      }
      let others = known.map { parameters[$0].shape }
      guard others == declared.map(\.shape) else {
        throw ShapeError(
          "used again, it would need parameters of other sizes: \(declared.map(\.shape.sizes).joined(separator: ", ")) "
            + "in place of \(others.map(\.sizes).joined(separator: ", "))")
      }
      return known
    }
    let path = paths[layer] ?? ""
    let indices = try declared.map { parameter in
      var count = 1
      for size in parameter.shape {
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, product <= Graph.mostParameters - layout.count else {
          throw ShapeError(
            "\(parameter.name) of \(parameter.shape.sizes) makes more than \(Graph.mostParameters) parameters")
        }
        count = product
      }
      let name = path.isEmpty ? parameter.name : "\(path).\(parameter.name)"
      if parameter.isStatistic { statistics.append((parameters.count, name)) }
      let range =
        parameter.isStatistic
        ? 0..<0 : layout.append(name, shape: parameter.shape, savedAxes: parameter.savedAxes)
      parameters.append(Graph.Parameter(range: range, shape: parameter.shape, initial: parameter.initial))
      return parameters.count - 1
    }
    parametersOfLayers[layer] = indices
    return indices
  }
}
