/// Examples as a source has read them, before their targets are interpreted as classes or numbers.
public struct DataTable: Sendable {
  /// Numbers in the element type of their file, example after example.
  public enum Values: Sendable {
    /// 0…255, such as pixels.
    case bytes([UInt8])
    /// Any finite numbers.
    case floats([Float])
    /// Numbers that stay in their file's element type, and in the file where it is mapped into memory.
    case stored(StoredNumbers)

    /// The number of values.
    public var count: Int {
      switch self {
      case .bytes(let bytes): bytes.count
      case .floats(let floats): floats.count
      case .stored(let numbers): numbers.count
      }
    }

    var floats: [Float] {
      switch self {
      case .bytes(let bytes): bytes.map { Float($0) }
      case .floats(let floats): floats
      case .stored(let numbers): numbers.floats
      }
    }

    /// Whether the values are bytes from 0 to 255, such as pixels.
    var areBytes: Bool {
      switch self {
      case .bytes: true
      case .floats: false
      case .stored(let numbers): numbers.areBytes
      }
    }

    /// The position of the first value that is not finite, and the value as the file has it; nil if all are finite.
    fileprivate var firstNonFinite: (index: Int, text: String)? {
      switch self {
      case .bytes: nil
      case .floats(let floats): floats.firstIndex { !$0.isFinite }.map { ($0, "\(floats[$0])") }
      case .stored(let numbers): numbers.firstNonFinite.map { ($0, numbers.text($0)) }
      }
    }

    /// - Throws: ``DatasetError`` if the values stay in a file that has changed since it was opened.
    func checkUnchanged() throws { if case .stored(let numbers) = self { try numbers.checkUnchanged() } }
  }

  /// Its name in errors, such as a path.
  public var name: String
  /// The number of examples.
  public var count: Int
  /// ``count`` × (the product of ``shape``) numbers.
  public var features: Values
  /// The shape of an example, row-major: 28×28×1 for a grey image.
  public var shape: [Int]
  /// The numbers to predict: ``count`` × ``targetCount``. Classes are whole numbers from 0.
  public var targets: [Float]
  /// The number of targets per example: outputs, or positions with a class each.
  public var targetCount: Int
  /// Describes where target i is in the source, for errors.
  public var place: @Sendable (Int) -> String
  /// For text: examples are windows, each this many bytes after the one before, and the target at a position is the byte
  /// after it. Then ``targets`` is empty. Nil for examples that do not overlap.
  private(set) var windowStep: Int?

  /// The properties describe the parameters.
  public init(
    name: String, count: Int, features: Values, shape: [Int], targets: [Float], targetCount: Int = 1,
    place: @escaping @Sendable (Int) -> String
  ) {
    (self.name, self.count, self.features, self.shape) = (name, count, features, shape)
    (self.targets, self.targetCount, self.place) = (targets, targetCount, place)
  }

  /// Windows of `text`: each of the examples has `context` bytes, the next one `step` bytes later, and for each byte the
  /// one after it as its class.
  ///
  /// - Throws: ``DatasetError`` if the text is too short for one window.
  public init(name: String, text: [UInt8], context: Int, step: Int) throws {
    precondition(context > 0 && step > 0, "windows of \(context) bytes every \(step)")
    guard text.count > context else {
      throw DatasetError("\(name) has \(text.count) bytes, and a window of --context \(context) needs \(context + 1)")
    }
    self.init(
      name: name, count: (text.count - 1 - context) / step + 1, features: .bytes(text), shape: [context], targets: [],
      targetCount: context, place: { "\(name), byte \($0 / context * step + $0 % context + 2)" })
    windowStep = step
  }

  /// - Throws: ``DatasetError`` if the counts contradict each other or a number is not finite.
  func check() throws {
    guard windowStep == nil else { return }
    let width = shape.reduce(1, *)
    guard count >= 0, shape.allSatisfy({ $0 >= 0 }), features.count == count * width,
      targets.count == count * targetCount
    else {
      throw DatasetError(
        "\(name) has \(features.count) values and \(targets.count) targets, where \(count) examples of the shape \(shape) with \(targetCount) targets need \(count * width) and \(count * targetCount)"
      )
    }
    if let bad = features.firstNonFinite {
      let place = "\(name), example \(bad.index / width + 1), value \(bad.index % width + 1)"
      guard let value = Double(bad.text), value.isFinite else {
        throw DatasetError("\(place) is \(bad.text); fill such values first, or leave their examples out")
      }
      throw DatasetError("\(place) is \(bad.text), which float32 cannot hold; scale the values first")
    }
    if let bad = targets.firstIndex(where: { !$0.isFinite }) {
      throw DatasetError("\(place(bad)): the label is \(targets[bad])")
    }
  }
}

extension DataTable {
  /// Interprets the targets as classes if `classify` is true, or if it is nil, there is one per example, and they are
  /// exactly the whole numbers from 0 to some k − 1, 2 ≤ k ≤ 1000.
  func target(classify: Bool?) throws -> Target {
    if windowStep != nil {
      guard classify != false else {
        throw DatasetError("\(name): a byte is a class, and this --loss is of numbers; try --loss cross-entropy")
      }
      return .positions(count: targetCount, classes: 256)
    }
    let mostClasses = 100_000
    let largest = targets.max() ?? 0
    let regression = Target.regression(outputs: targetCount)
    guard let classify else {
      let areWhole = targets.allSatisfy { $0 >= 0 && $0 == $0.rounded() }
      guard targetCount == 1, areWhole, largest >= 1, largest < 1000, Set(targets).count == Int(largest) + 1 else {
        return regression
      }
      return .classification(classes: Int(largest) + 1)
    }
    guard classify, targetCount > 0 else { return regression }
    if let bad = targets.firstIndex(where: { $0 < 0 || $0 != $0.rounded() || $0 >= Float(mostClasses) }) {
      throw DatasetError(
        "\(place(bad)): label \(targets[bad]) is no class; classes are the whole numbers 0, 1, 2, … below \(mostClasses) "
          + "(for numbers to predict, say --loss mean-squared-error)")
    }
    let classes = max(Int(largest) + 1, 2)
    return targetCount == 1 ? .classification(classes: classes) : .positions(count: targetCount, classes: classes)
  }

  /// The table as examples of `target`.
  func dataset(_ target: Target) throws -> Dataset {
    func dataset(_ targets: TargetStorage) -> Dataset {
      Dataset(
        count: count, features: features, shape: shape, targets: targets, targetCount: targetCount, step: windowStep)
    }
    if windowStep != nil { return dataset(.nextBytes) }
    guard target.isClassification else { return dataset(.values(targets)) }
    let classes = target.outputs / target.positions
    if let bad = targets.firstIndex(where: { $0 < 0 || $0 != $0.rounded() || $0 >= Float(classes) }) {
      throw DatasetError(
        "\(place(bad)): label \(targets[bad]) is out of range; the training part has classes 0 to \(classes - 1)")
    }
    return dataset(.classes(targets.map { Int32($0) }))
  }
}
