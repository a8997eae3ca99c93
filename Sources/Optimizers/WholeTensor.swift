public import Kernels

/// A slot with sizes of its own.
public struct TensorSlot: Equatable, Sendable {
  /// Such as `row-mean-square`.
  public var name: String
  /// Its sizes as stored.
  public var shape: [Int]

  /// The properties describe the parameters.
  public init(_ name: String, _ shape: [Int]) {
    (self.name, self.shape) = (name, shape)
  }

  var count: Int { shape.reduce(1, *) }
}

/// A whole tensor in a step of a rule that ``UpdateRule/transformsTensors``.
public struct WholeTensor: Sendable {
  /// What the rule has measured; is changed.
  public var direction: MutableFloats
  /// Its sizes as stored; empty if it has one axis.
  public var shape: [Int]
  /// The slots of ``UpdateRule/tensorSlots(shape:count:)``, to be written.
  public var slots: [MutableFloats]
  /// The distance, in values, from each slot to its values before the step. 0 updates in place.
  var before: Int

  /// Slot `index` as it was before the step.
  public func slotBefore(_ index: Int) -> Floats { slots[index].readOnly.displaced(by: before) }
}
