/// What a model has to predict.
public enum Target: Equatable, Sendable {
  /// One of `classes` classes, numbered from 0.
  case classification(classes: Int)
  /// `outputs` real numbers; none without data, where the loss is a function of the parameters alone.
  case regression(outputs: Int)
  /// At each of `count` positions one of `classes` classes.
  case positions(count: Int, classes: Int)

  /// Whether classes are to be predicted.
  public var isClassification: Bool { if case .regression = self { false } else { true } }

  /// How many numbers a model puts out: for positions, those of one after the other.
  public var outputs: Int {
    switch self {
    case .classification(let classes): classes
    case .regression(let outputs): outputs
    case .positions(let count, let classes): count * classes
    }
  }

  /// How many targets an example has that are predicted each by a part of the outputs.
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

  /// Reads `{"classification":{"classes":10}}` and the like. Former versions wrote `nothing` where there was no data.
  public init(from decoder: any Decoder) throws {
    let form = try Form(from: decoder)
    if let classes = form.classification?.classes {
      self = .classification(classes: classes)
    } else if let positions = form.positions {
      self = .positions(count: positions.count, classes: positions.classes)
    } else {
      self = .regression(outputs: form.regression?.outputs ?? 0)
    }
  }

  /// Writes the case with its numbers.
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
