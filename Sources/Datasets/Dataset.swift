internal import Kernels

/// What a model has to predict.
package enum Target: Equatable, Sendable, Codable {
  /// One of `classes` classes, numbered from 0.
  case classification(classes: Int)
  /// `outputs` real numbers.
  case regression(outputs: Int)
  /// There is no data: the loss is a function of the parameters alone.
  case nothing

  /// Whether classes are to be predicted.
  package var isClassification: Bool { if case .classification = self { true } else { false } }

  /// How many numbers a model puts out.
  package var outputs: Int {
    switch self {
    case .classification(let classes): classes
    case .regression(let outputs): outputs
    case .nothing: 0
    }
  }
}

/// Features as their file had them, row after row.
enum FeatureStorage: Sendable {
  case bytes([UInt8])
  case floats([Float])

  var count: Int {
    switch self {
    case .bytes(let bytes): bytes.count
    case .floats(let floats): floats.count
    }
  }
}

/// What the examples should be predicted as.
enum TargetStorage: Sendable {
  case classes([Int32])
  case values([Float])
  case nothing
}

/// Examples in memory, in the order and the element type of their file.
struct Dataset: Sendable {
  let features: FeatureStorage
  let targets: TargetStorage
  let featureCount: Int
  let outputs: Int

  /// What a model without data learns from.
  static let none = Dataset(features: .floats([]), targets: .nothing, featureCount: 0, outputs: 0)

  var count: Int { featureCount == 0 ? 0 : features.count / featureCount }

  /// Writes row `row`'s features, scaled, to `output`.
  func scaleRow(_ row: Int, _ scaling: ScalingVectors, into output: MutableFloats) {
    switch features {
    case .bytes(let bytes):
      bytes.withUnsafeBufferPointer {
        let start = row * featureCount
        Kernels.scale(
          UnsafeBufferPointer(rebasing: $0[start..<start + featureCount]), offset: scaling.offset.values,
          factor: scaling.factor.values, into: output)
      }
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        let row = Floats(base: $0.baseAddress! + row * featureCount, count: featureCount)
        Kernels.scale(row, offset: scaling.offset.values, factor: scaling.factor.values, into: output)
      }
    }
  }

  /// Asks for row `row`'s features, which will be read soon.
  func prefetchRow(_ row: Int) {
    switch features {
    case .bytes(let bytes):
      bytes.withUnsafeBytes {
        prefetch(UnsafeRawBufferPointer(rebasing: $0[row * featureCount..<(row + 1) * featureCount]))
      }
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        prefetch(
          UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[row * featureCount..<(row + 1) * featureCount])))
      }
    }
  }

  /// Row `row`'s feature `column`, as the file has it.
  func feature(_ row: Int, _ column: Int) -> Float {
    switch features {
    case .bytes(let bytes): Float(bytes[row * featureCount + column])
    case .floats(let floats): floats[row * featureCount + column]
    }
  }
}

/// A part of a dataset, the training or the test part, addressed from 0 to its count.
package struct Examples: Sendable {
  let dataset: Dataset
  /// Where the part's examples lie: nil for all in order, else a stretch of a permutation.
  let selection: (permutation: IndexPermutation, start: Int)?
  /// How many examples the part has.
  package let count: Int

  init(_ dataset: Dataset) {
    self.dataset = dataset
    selection = nil
    count = dataset.count
  }

  init(_ dataset: Dataset, permutation: IndexPermutation, range: Range<Int>) {
    self.dataset = dataset
    selection = (permutation, range.lowerBound)
    count = range.count
  }

  /// How many numbers describe an example.
  package var featureCount: Int { dataset.featureCount }

  /// Example `index`'s row in the dataset.
  func row(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "example \(index) of \(count)")
    guard let selection else { return index }
    return selection.permutation[selection.start + index]
  }

  /// Example `index`'s features as the file has them.
  package func features(_ index: Int) -> [Float] {
    let row = row(index)
    return (0..<featureCount).map { dataset.feature(row, $0) }
  }

  /// Example `index`'s class; nil for regression.
  package func label(_ index: Int) -> Int? {
    guard case .classes(let classes) = dataset.targets else { return nil }
    return Int(classes[row(index)])
  }

  /// Example `index`'s target values; nil for classification.
  package func values(_ index: Int) -> [Float]? {
    guard case .values(let values) = dataset.targets else { return nil }
    let start = row(index) * dataset.outputs
    return Array(values[start..<start + dataset.outputs])
  }

  /// Σ (target − its output's mean)² over examples and outputs, which R² measures against; nil for classification.
  package var targetVariation: Double? {
    guard case .values(let values) = dataset.targets else { return nil }
    let outputs = dataset.outputs
    var variation = 0.0
    for output in 0..<outputs {
      var sum = 0.0
      for index in 0..<count { sum += Double(values[row(index) * outputs + output]) }
      let mean = sum / Double(max(count, 1))
      for index in 0..<count {
        let deviation = Double(values[row(index) * outputs + output]) - mean
        variation += deviation * deviation
      }
    }
    return variation
  }
}
