internal import Kernels

/// A model of the features of a table, some of which are indices of learned vectors: those vectors follow the other
/// features (C. Guo and F. Berkhahn, "Entity Embeddings of Categorical Variables", 2016).
///
/// Parameters: `embeddings.N.weight`, vectors × width, as in PyTorch's `ModuleList` of `Embedding`s; then those of the
/// model.
struct EmbeddedColumns: LayerOfParts {
  private let identity = LayerIdentity()
  private let operation: ColumnEmbeddingOperation
  private let model: any Layer
  var parts: [(name: String?, part: Any)] { [(nil, identity), (nil, model)] }

  /// The size of a vector, as in RealMLP (D. Holzmüller et al., "Better by Default", 2024).
  static let width = 8

  /// Of the vectors' initial values. With 1, the levels' noise hid what the numbers say in tables of some hundred records.
  static let deviation: Float = 0.1

  /// - Parameters:
  ///   - columns: the features that are indices, ascending, and the number of vectors of each.
  ///   - model: gets the other features, then the vectors.
  init(_ columns: [(feature: Int, vectors: Int)], then model: any Layer) {
    operation = ColumnEmbeddingOperation(
      columns: columns.map { ColumnEmbeddingOperation.Column(feature: $0.feature, vectors: $0.vectors) })
    self.model = model
  }

  func callAsFunction(_ x: Tensor) -> Tensor { model(x.applying(operation, of: identity)) }
}

/// y = the features that are no indices, then the rows of each Wₙ that its index names; Wₙ′ adds the parts of y′, for each
/// micro-batch in the order of the examples.
struct ColumnEmbeddingOperation: TensorOperation {
  struct Column: Sendable {
    let feature: Int
    let vectors: Int
  }

  let columns: [Column]

  let name = "column embeddings"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].count == 1, columns.allSatisfy({ $0.feature < inputs[0][0] && $0.vectors > 0 }) else {
      throw ShapeError("expects the features of a table, got \(inputs[0].sizes)")
    }
    return [inputs[0][0] - columns.count + columns.count * EmbeddedColumns.width]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    columns.enumerated().map { index, column in
      Parameter(
        "embeddings.\(index).weight", [column.vectors, EmbeddedColumns.width],
        initial: .normal(deviation: EmbeddedColumns.deviation))
    }
  }

  func forward(_ pass: ForwardPass) {
    let (inputs, outputs) = (pass.inputShape(0)[0], pass.output.count / max(pass.examples, 1))
    let (x, y, width) = (pass.input(0), pass.output, EmbeddedColumns.width)
    let numbers = inputs - columns.count
    for example in 0..<pass.examples {
      let (from, to) = (example * inputs, example * outputs)
      var (feature, place) = (0, to)
      for column in columns {
        let count = column.feature - feature
        y[place..<place + count].copy(x[from + feature..<from + column.feature])
        (feature, place) = (column.feature + 1, place + count)
      }
      y[place..<to + numbers].copy(x[from + feature..<from + inputs])
      for (index, column) in columns.enumerated() {
        let weight = pass.parameter(index)
        let row = column.row(x[from + column.feature]) * width
        y[to + numbers + index * width..<to + numbers + (index + 1) * width].copy(weight[row..<row + width])
      }
    }
  }

  func backward(_ pass: BackwardPass) {
    let (inputs, width) = (pass.inputShape(0)[0], EmbeddedColumns.width)
    let outputs = inputs - columns.count + columns.count * width
    let (x, gradients) = (pass.input(0), pass.outputGradient)
    for (index, column) in columns.enumerated() {
      let start = inputs - columns.count + index * width
      pass.sumMicroBatches(into: pass.parameterGradient(index)) { examples, sum in
        sum.fill(0)
        for example in examples {
          let row = column.row(x[example * inputs + column.feature]) * width
          let place = example * outputs + start
          accumulate(gradients[place..<place + width], into: sum[row..<row + width])
        }
      }
    }
  }
}

extension ColumnEmbeddingOperation.Column {
  /// The vector of an index; the first one for an index that there is no vector for.
  func row(_ index: Float) -> Int { index >= 0 && index < Float(vectors) ? Int(index) : 0 }
}
