internal import Kernels

/// The targets, example after example.
enum TargetStorage: Sendable {
  case classes([Int32])
  case values([Float])
  /// The byte after each of the features' bytes.
  case nextBytes
}

/// Examples in the order and the element type of their file.
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
  /// What a difference of 1 between targets is in the label's units.
  var labelDeviation: Float = 1

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

  /// Memory that ``scaleRow(_:_:converted:into:)`` needs, for one thread.
  func conversionBuffer() -> FloatBuffer {
    if case .stored(let numbers) = features, numbers.needsConversion { return FloatBuffer(count: featureCount) }
    return FloatBuffer(count: 0)
  }

  /// Writes row `row`'s features, scaled, to `output`.
  func scaleRow(_ row: Int, _ scaling: ScalingVectors, converted: MutableFloats, into output: MutableFloats) {
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
    case .stored(let numbers): numbers.scaleRow(row, scaling, converted: converted, into: output)
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
    case .stored(let numbers): numbers.prefetchRow(row)
    }
  }

  /// Writes row `row`'s features, not scaled, to `output`.
  func readRow(_ row: Int, into output: MutableFloats) {
    let range = start(row)..<start(row) + featureCount
    switch features {
    case .bytes(let bytes): for index in output.indices { output[index] = Float(bytes[range.lowerBound + index]) }
    case .floats(let floats): floats[range].withUnsafeBytes { output.copy(bytes: $0) }
    case .stored(let numbers): numbers.read(range, into: output)
    }
  }
}

/// The training or the test part of a dataset. Its examples have indices from 0.
package struct Examples: Sendable {
  let dataset: Dataset
  /// nil for all rows in order.
  let selection: Selection?
  package let count: Int

  /// The part's rows.
  enum Selection: Sendable {
    /// As many values of the permutation as the part has examples, from `start` on.
    case permuted(IndexPermutation, start: Int)
    /// These rows.
    case rows([Int32])
    /// Every so many rows, from `start` on.
    case strided(start: Int, step: Int)
  }

  /// `count` rows, each `step` after the one before.
  init(_ dataset: Dataset, from start: Int, step: Int = 1, count: Int) {
    self.dataset = dataset
    selection = .strided(start: start, step: step)
    featureCount = dataset.featureCount
    self.count = count
  }

  init(_ dataset: Dataset, rows: [Int32]) {
    self.dataset = dataset
    selection = .rows(rows)
    featureCount = dataset.featureCount
    count = rows.count
  }

  init(_ dataset: Dataset) {
    self.dataset = dataset
    selection = nil
    featureCount = dataset.featureCount
    count = dataset.count
  }

  init(_ dataset: Dataset, permutation: IndexPermutation, range: Range<Int>) {
    self.dataset = dataset
    selection = .permuted(permutation, start: range.lowerBound)
    featureCount = dataset.featureCount
    count = range.count
  }

  /// The number of features per example.
  package let featureCount: Int

  /// Example `index`'s row in the dataset.
  func row(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "example \(index) of \(count)")
    return switch selection {
    case nil: index
    case .permuted(let permutation, let start): permutation[start + index]
    case .rows(let rows): Int(rows[index])
    case .strided(let start, let step): start + index * step
    }
  }

  /// The place of example `index` in its file, from 1.
  package func record(_ index: Int) -> Int { row(index) + 1 }

  /// Example `index`'s features, not scaled.
  package func features(_ index: Int) -> [Float] {
    let values = FloatBuffer(count: featureCount)
    dataset.readRow(row(index), into: values.all)
    return values.array
  }

  /// Example `index`'s class, or that of its first position; nil for regression.
  package func label(_ index: Int) -> Int? {
    if case .values = dataset.targets { return nil }
    return Int(dataset.label(row(index), 0))
  }

  /// Example `index`'s class at each position; empty for regression.
  package func labels(_ index: Int) -> [Int] {
    if case .values = dataset.targets { return [] }
    return (0..<dataset.targetCount).map { Int(dataset.label(row(index), $0)) }
  }

  /// Example `index`'s target values; nil for classification.
  package func values(_ index: Int) -> [Float]? {
    guard case .values(let values) = dataset.targets else { return nil }
    let start = row(index) * dataset.targetCount
    return Array(values[start..<start + dataset.targetCount])
  }

  /// Σ (target − the mean of that output's targets)² over examples and outputs in the label's units, for R²; nil for
  /// classification.
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
    let deviation = Double(dataset.labelDeviation)
    return variation * (deviation * deviation)
  }
}
