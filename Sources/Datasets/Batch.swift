public import Kernels

/// Examples as a model reads them. Valid only during the call that the batch was passed to.
public struct Batch {
  /// The scaled features: examples × features.
  public let features: Matrix
  /// The targets, in the order of the rows.
  public let targets: Targets

  /// The batch's position in the run, which keys a model's random numbers.
  public let place: Place

  /// The number of examples.
  public var count: Int { features.rows }

  /// The key of a model's random numbers, such as dropout's: the same on every worker.
  public struct Place: Equatable, Sendable {
    /// The job's seed.
    public var seed: UInt64
    /// The number of updates before this step.
    public var step: Int
    /// The first example's position in its epoch; the others follow it.
    public var position: Int

    /// The properties describe the parameters.
    public init(seed: UInt64, step: Int, position: Int) {
      (self.seed, self.step, self.position) = (seed, step, position)
    }
  }

  /// The values that should be predicted.
  public enum Targets {
    /// One class per example, or per position: examples × positions.
    case classes(Labels)
    /// Numbers: examples × outputs.
    case values(Matrix)
  }

  /// A batch over borrowed features and targets.
  public init(features: Matrix, targets: Targets, place: Place = Place(seed: 0, step: 0, position: 0)) {
    (self.features, self.targets, self.place) = (features, targets, place)
  }

  private func positions(_ labels: Labels) -> Int { labels.count / max(count, 1) }

  /// The examples in `range`.
  public subscript(range: Range<Int>) -> Batch {
    var place = place
    place.position += range.lowerBound
    let targets: Targets =
      switch targets {
      case .classes(let labels):
        .classes(labels[range.lowerBound * positions(labels)..<range.upperBound * positions(labels)])
      case .values(let matrix): .values(matrix.rows(range))
      }
    return Batch(features: features.rows(range), targets: targets, place: place)
  }
}

/// Gathers examples into its own memory, for one thread.
package final class BatchBuffer {
  private let examples: Examples
  private let scaling: ScalingVectors
  private let converted: FloatBuffer
  private var features: FloatBuffer
  private var labels: LabelBuffer
  private var values: FloatBuffer
  /// The current batch's rows in the dataset.
  private var rows: [Int] = []

  package init(_ examples: Examples, scaling: Scaling) {
    precondition(scaling.offset.count == examples.featureCount, "the scaling has another number of features")
    self.examples = examples
    self.scaling = ScalingVectors(scaling)
    converted = examples.dataset.conversionBuffer()
    features = FloatBuffer(count: 0)
    labels = LabelBuffer(count: 0)
    values = FloatBuffer(count: 0)
  }

  /// The example `index`(p) for each p in `positions`, scaled. Valid until the next call, while the buffer lives.
  package func gather(
    _ positions: Range<Int>, place: Batch.Place = Batch.Place(seed: 0, step: 0, position: 0),
    index: (Int) -> Int = { $0 }
  ) -> Batch {
    reserve(positions.count)
    let columns = examples.featureCount
    // Rows are scattered in memory, so later ones are prefetched while one is scaled.
    rows.removeAll(keepingCapacity: true)
    for position in positions { rows.append(examples.row(index(position))) }
    for place in 0..<rows.count {
      let row = rows[place]
      if place + 4 < rows.count { examples.dataset.prefetchRow(rows[place + 4]) }
      examples.dataset.scaleRow(
        row, scaling, converted: converted.all, into: features.all[place * columns..<(place + 1) * columns])
      let targets = examples.dataset.targetCount
      switch examples.dataset.targets {
      case .classes, .nextBytes:
        for target in 0..<targets { labels[place * targets + target] = examples.dataset.label(row, target) }
      case .values(let all):
        for target in 0..<targets { values.all[place * targets + target] = all[row * targets + target] }
      }
    }
    let (targets, count) = (examples.dataset.targetCount, rows.count)
    let matrix = Matrix(features.values[0..<count * columns], rows: count, columns: columns)
    switch examples.dataset.targets {
    case .classes, .nextBytes:
      return Batch(features: matrix, targets: .classes(labels.prefix(count * targets)), place: place)
    case .values:
      let values = Matrix(values.values[0..<count * targets], rows: count, columns: targets)
      return Batch(features: matrix, targets: .values(values), place: place)
    }
  }

  private func reserve(_ rows: Int) {
    if features.count < rows * examples.featureCount { features = FloatBuffer(count: rows * examples.featureCount) }
    let targets = rows * examples.dataset.targetCount
    switch examples.dataset.targets {
    case .classes, .nextBytes: if labels.count < targets { labels = LabelBuffer(count: targets) }
    case .values: if values.count < targets { values = FloatBuffer(count: targets) }
    }
  }
}
