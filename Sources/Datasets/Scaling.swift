internal import Kernels

/// How features are scaled: the values of `--scale`.
package enum ScalingKind: String, Codable, Sendable, CaseIterable {
  /// Features are not scaled.
  case none
  /// Bytes: pixels 0…255 to 0…1. Other features: each column's smallest to largest value to 0…1.
  case unit
  /// Each column to mean 0 and variance 1.
  case standard
  /// Tables: by median and quartiles, within ±3, as the data's recipe says; what is no number of the table as `standard`.
  case robust
  /// Images: each channel to mean 0 and variance 1 over all pixels.
  case channel
}

/// The scaling of each column of the features: (feature − offset) · factor. Saved with the model.
package struct Scaling: Codable, Equatable, Sendable {
  package var offset: [Float]
  /// 0 for a column that is constant in the training part.
  package var factor: [Float]

  package init(offset: [Float], factor: [Float]) {
    precondition(offset.count == factor.count)
    (self.offset, self.factor) = (offset, factor)
  }

  /// Measures `examples`, which must be the training part. Sums are float64, in the order of the examples.
  ///
  /// - Parameter scaled: which features are scaled; nil for all.
  package init(_ kind: ScalingKind, of examples: Examples, only scaled: [Bool]? = nil) {
    let columns = examples.featureCount
    offset = [Float](repeating: 0, count: columns)
    factor = [Float](repeating: 1, count: columns)
    switch kind {
    case .none: return
    case .unit where examples.dataset.features.areBytes: factor = [Float](repeating: 1 / 255, count: columns)
    case .unit: scaleRanges(of: examples)
    case .standard, .robust: standardize(examples, groups: columns)
    case .channel: standardize(examples, groups: examples.dataset.shape.last ?? 1)
    }
    for column in offset.indices where scaled?[column] == false { (offset[column], factor[column]) = (0, 1) }
  }

  private mutating func scaleRanges(of examples: Examples) {
    var low = [Float](repeating: .infinity, count: offset.count)
    var high = [Float](repeating: -.infinity, count: offset.count)
    examples.forEachRow { row in
      for column in low.indices {
        low[column] = min(low[column], row[column])
        high[column] = max(high[column], row[column])
      }
    }
    for column in offset.indices {
      let range = Double(high[column]) - Double(low[column])
      offset[column] = low[column]
      factor[column] = Self.factor(range)
    }
  }

  /// - Parameter groups: columns whose positions are equal modulo this number are scaled together.
  private mutating func standardize(_ examples: Examples, groups: Int) {
    guard groups > 0 else { return }
    let count = Double(examples.count) * Double(offset.count / groups)
    var mean = [Double](repeating: 0, count: groups)
    var variance = mean
    examples.forEachRow { row in
      for column in row.indices { mean[column % groups] += Double(row[column]) }
    }
    for group in mean.indices { mean[group] /= count }
    examples.forEachRow { row in
      for column in row.indices {
        let deviation = Double(row[column]) - mean[column % groups]
        variance[column % groups] += deviation * deviation
      }
    }
    for column in offset.indices {
      offset[column] = Float(mean[column % groups])
      factor[column] = Self.factor((variance[column % groups] / count).squareRoot())
    }
  }

  /// 1 / `spread`, or 0 if float32 cannot hold that: 0 · ∞ would give NaN.
  private static func factor(_ spread: Double) -> Float {
    let factor = Float(1 / spread)
    return factor.isFinite ? factor : 0
  }
}

extension Examples {
  /// Calls `body` with each example's features, not scaled, in order.
  fileprivate func forEachRow(_ body: (Floats) -> Void) {
    let values = FloatBuffer(count: featureCount)
    for index in 0..<count {
      dataset.readRow(row(index), into: values.all)
      body(values.values)
    }
    withExtendedLifetime(values) {}
  }
}

/// A ``Scaling`` in buffers that kernels can read.
struct ScalingVectors: Sendable {
  let offset: FloatBuffer
  let factor: FloatBuffer

  init(_ scaling: Scaling) {
    offset = FloatBuffer(scaling.offset)
    factor = FloatBuffer(scaling.factor)
  }
}
