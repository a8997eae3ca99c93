/// What a model should predict.
public enum Target: Equatable, Sendable {
  /// One of `classes` classes, numbered from 0.
  case classification(classes: Int)
  /// `outputs` real numbers: 0 without data, where the loss depends only on the parameters.
  case regression(outputs: Int)
  /// One of `classes` classes at each of `count` positions.
  case positions(count: Int, classes: Int)

  /// Whether the targets are classes.
  public var isClassification: Bool { if case .regression = self { false } else { true } }

  /// The number of a model's outputs: for positions `count` × `classes`.
  public var outputs: Int {
    switch self {
    case .classification(let classes): classes
    case .regression(let outputs): outputs
    case .positions(let count, let classes): count * classes
    }
  }

  /// The number of positions, each with its own part of the outputs; 1 without positions.
  public var positions: Int { if case .positions(let count, _) = self { count } else { 1 } }
}

extension Target: Codable {
  private struct Form: Codable {
    var classification: Classes?
    var regression: Outputs?
    var positions: Positions?
    struct Classes: Codable { var classes: Int }
    struct Outputs: Codable { var outputs: Int }
    struct Positions: Codable { var count, classes: Int }
  }

  /// Reads `{"classification":{"classes":10}}` and the like. Files of former versions say `nothing` if there is no
  /// data.
  public init(from decoder: any Decoder) throws {
    let form = try Form(from: decoder)
    if let classes = form.classification?.classes {
      self = .classification(classes: classes)
    } else if let positions = form.positions {
      self = .positions(count: positions.count, classes: positions.classes)
    } else {
      self = .regression(outputs: form.regression?.outputs ?? 0)
    }
    // So that no product of them overflows; models set narrower limits.
    let sizes = form.positions.map { [$0.count, $0.classes] } ?? []
    guard sizes.allSatisfy((1...1 << 30).contains) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "\(sizes) positions and classes"))
    }
  }

  /// Writes `{"classification":{"classes":10}}` and the like.
  public func encode(to encoder: any Encoder) throws {
    var form = Form()
    switch self {
    case .classification(let classes): form.classification = Form.Classes(classes: classes)
    case .regression(let outputs): form.regression = Form.Outputs(outputs: outputs)
    case .positions(let count, let classes): form.positions = Form.Positions(count: count, classes: classes)
    }
    try form.encode(to: encoder)
  }
}
