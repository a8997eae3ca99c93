package import Kernels

/// Some examples as a model reads them. Valid for the call that it was passed to.
package struct Batch {
  /// One example a row, scaled.
  package let features: Matrix
  /// What they should be predicted as.
  package let targets: Targets

  /// Where it stands in the run, for what is random in a model.
  package let place: Place

  /// How many examples there are.
  package var count: Int { features.rows }

  /// The key of whatever is random in a model: the same on every worker.
  package struct Place: Equatable, Sendable {
    /// The job's seed.
    package var seed: UInt64
    /// Updates that the parameters have had.
    package var step: Int
    /// The first example's position in its epoch; the others follow it.
    package var position: Int

    /// A place.
    package init(seed: UInt64, step: Int, position: Int) {
      self.seed = seed
      self.step = step
      self.position = position
    }
  }

  /// What examples should be predicted as.
  package enum Targets {
    /// A class each.
    case classes(Labels)
    /// A row of numbers each.
    case values(Matrix)
    /// There is no data: the examples are all alike, and have no features either.
    case nothing
  }

  /// A batch over borrowed features and targets.
  package init(features: Matrix, targets: Targets, place: Place = Place(seed: 0, step: 0, position: 0)) {
    self.features = features
    self.targets = targets
    self.place = place
  }

  /// The examples that `range` names.
  package subscript(range: Range<Int>) -> Batch {
    var place = place
    place.position += range.lowerBound
    let targets: Targets =
      switch targets {
      case .classes(let labels): .classes(labels[range])
      case .values(let matrix): .values(matrix.rows(range))
      case .nothing: .nothing
      }
    return Batch(features: features.rows(range), targets: targets, place: place)
  }
}

/// Gathers examples into memory of its own, one thread's.
package final class BatchBuffer {
  private let examples: Examples
  private let scaling: ScalingVectors
  private var features: FloatBuffer
  private var labels: LabelBuffer
  private var values: FloatBuffer
  /// The present batch's rows in the dataset.
  private var rows: [Int] = []

  /// A gatherer of `examples`, scaled by `scaling`.
  package init(_ examples: Examples, scaling: Scaling) {
    precondition(scaling.offset.count == examples.featureCount, "the scaling has another number of features")
    self.examples = examples
    self.scaling = ScalingVectors(scaling)
    features = FloatBuffer(count: 0)
    labels = LabelBuffer(count: 0)
    values = FloatBuffer(count: 0)
  }

  /// The examples at `positions`, which `index` names; valid until the next call, while the buffer lives.
  package func gather(
    _ positions: Range<Int>, place: Batch.Place = Batch.Place(seed: 0, step: 0, position: 0),
    index: (Int) -> Int = { $0 }
  ) -> Batch {
    if case .nothing = examples.dataset.targets {
      return Batch(
        features: Matrix(features.values, rows: positions.count, columns: 0), targets: .nothing, place: place)
    }
    reserve(positions.count)
    let columns = examples.featureCount
    // Rows lie anywhere in memory: the next ones are fetched while one is scaled.
    rows.removeAll(keepingCapacity: true)
    for position in positions { rows.append(examples.row(index(position))) }
    for place in 0..<rows.count {
      let row = rows[place]
      if place + 4 < rows.count { examples.dataset.prefetchRow(rows[place + 4]) }
      examples.dataset.scaleRow(row, scaling, into: features.all[place * columns..<(place + 1) * columns])
      switch examples.dataset.targets {
      case .classes(let classes): labels[place] = classes[row]
      case .values(let all):
        let outputs = examples.dataset.outputs
        for output in 0..<outputs { values.all[place * outputs + output] = all[row * outputs + output] }
      case .nothing: break
      }
    }
    let matrix = Matrix(features.values[0..<rows.count * columns], rows: rows.count, columns: columns)
    switch examples.dataset.targets {
    case .classes: return Batch(features: matrix, targets: .classes(labels.prefix(rows.count)), place: place)
    case .values:
      let outputs = examples.dataset.outputs
      let targets = Matrix(values.values[0..<rows.count * outputs], rows: rows.count, columns: outputs)
      return Batch(features: matrix, targets: .values(targets), place: place)
    case .nothing: return Batch(features: matrix, targets: .nothing, place: place)
    }
  }

  private func reserve(_ rows: Int) {
    if features.count < rows * examples.featureCount { features = FloatBuffer(count: rows * examples.featureCount) }
    switch examples.dataset.targets {
    case .classes: if labels.count < rows { labels = LabelBuffer(count: rows) }
    case .values:
      if values.count < rows * examples.dataset.outputs { values = FloatBuffer(count: rows * examples.dataset.outputs) }
    case .nothing: break
    }
  }
}
