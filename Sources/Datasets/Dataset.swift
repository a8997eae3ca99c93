internal import Kernels

/// The targets, example after example.
enum TargetStorage: Sendable {
  case classes([Int32])
  case values([Float])
  /// The byte after each of the features' bytes.
  case nextBytes
}

/// Examples in memory, in the order and the element type of their file.
struct Dataset: Sendable {
  let count: Int
  let features: DataTable.Values
  /// The shape of an example.
  let shape: [Int]
  let targets: TargetStorage
  /// The number of targets per example.
  let targetCount: Int
  /// The distance of the examples' first features; nil for examples that do not overlap.
  let step: Int?
  /// The number of features per example.
  let featureCount: Int

  init(
    count: Int, features: DataTable.Values, shape: [Int], targets: TargetStorage, targetCount: Int, step: Int? = nil
  ) {
    (self.count, self.features, self.shape) = (count, features, shape)
    (self.targets, self.targetCount, self.step) = (targets, targetCount, step)
    featureCount = step == nil ? features.count / max(count, 1) : shape.reduce(1, *)
  }

  /// The index of row `row`'s first feature.
  private func start(_ row: Int) -> Int { row * (step ?? featureCount) }

  /// The class of row `row`'s target `target`.
  func label(_ row: Int, _ target: Int) -> Int32 {
    switch targets {
    case .classes(let classes): classes[row * targetCount + target]
    case .nextBytes:
      if case .bytes(let bytes) = features { Int32(bytes[start(row) + target + 1]) } else { 0 }
    case .values: preconditionFailure("a number is no class")
    }
  }

  /// Writes row `row`'s features, scaled, to `output`.
  func scaleRow(_ row: Int, _ scaling: ScalingVectors, into output: MutableFloats) {
    switch features {
    case .bytes(let bytes):
      bytes.withUnsafeBufferPointer {
        let start = start(row)
        Kernels.scale(
          UnsafeBufferPointer(rebasing: $0[start..<start + featureCount]), offset: scaling.offset.values,
          factor: scaling.factor.values, into: output)
      }
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        let row = Floats(base: $0.baseAddress! + start(row), count: featureCount)
        Kernels.scale(row, offset: scaling.offset.values, factor: scaling.factor.values, into: output)
      }
    }
  }

  /// Starts to load row `row`'s features into the cache.
  func prefetchRow(_ row: Int) {
    switch features {
    case .bytes(let bytes):
      bytes.withUnsafeBytes {
        prefetch(UnsafeRawBufferPointer(rebasing: $0[start(row)..<start(row) + featureCount]))
      }
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        prefetch(
          UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[start(row)..<start(row) + featureCount])))
      }
    }
  }

  /// Not scaled.
  func feature(_ row: Int, _ column: Int) -> Float {
    switch features {
    case .bytes(let bytes): Float(bytes[start(row) + column])
    case .floats(let floats): floats[start(row) + column]
    }
  }
}

/// The training or the test part of a dataset. Its examples have indices from 0.
package struct Examples: Sendable {
  let dataset: Dataset
  /// The part's rows are ``count`` values of the permutation from `start` on; nil for all rows in order.
  let selection: (permutation: IndexPermutation, start: Int)?
  package let count: Int

  init(_ dataset: Dataset) {
    self.dataset = dataset
    selection = nil
    featureCount = dataset.featureCount
    count = dataset.count
  }

  init(_ dataset: Dataset, permutation: IndexPermutation, range: Range<Int>) {
    self.dataset = dataset
    selection = (permutation, range.lowerBound)
    featureCount = dataset.featureCount
    count = range.count
  }

  /// The number of features per example.
  package let featureCount: Int

  /// Example `index`'s row in the dataset.
  func row(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "example \(index) of \(count)")
    guard let selection else { return index }
    return selection.permutation[selection.start + index]
  }

  /// Example `index`'s features, not scaled.
  package func features(_ index: Int) -> [Float] {
    let row = row(index)
    return (0..<featureCount).map { dataset.feature(row, $0) }
  }

  /// Example `index`'s class, or that of its first position; nil for regression.
  package func label(_ index: Int) -> Int? {
    if case .values = dataset.targets { return nil }
    return Int(dataset.label(row(index), 0))
  }

  /// Example `index`'s target values; nil for classification.
  package func values(_ index: Int) -> [Float]? {
    guard case .values(let values) = dataset.targets else { return nil }
    let start = row(index) * dataset.targetCount
    return Array(values[start..<start + dataset.targetCount])
  }

  /// Σ (target − the mean of that output's targets)² over examples and outputs, for R²; nil for classification.
  package var targetVariation: Double? {
    guard case .values(let values) = dataset.targets else { return nil }
    let outputs = dataset.targetCount
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
