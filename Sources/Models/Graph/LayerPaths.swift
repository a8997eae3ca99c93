/// The path of each layer of a model, such as `blocks.0.attention`, from the names of properties.
struct LayerPaths {
  private var paths: [LayerIdentity: (path: String, isTied: Bool)] = [:]

  /// - Throws: ``ModelError`` if two paths that are not `tied` lead to one layer.
  init(_ model: any Layer) throws {
    try add(model, at: "", isTied: false)
  }

  /// Nil if no property of the model holds the layer.
  subscript(identity: LayerIdentity) -> String? { paths[identity]?.path }

  private mutating func add(_ value: Any, at path: String, isTied: Bool) throws {
    func below(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    switch value {
    case let identity as LayerIdentity: try add(identity, at: path, isTied: isTied)
    case let layer as any LayerOfParts:
      for (name, part) in layer.parts {
        try add(part, at: name.map(below) ?? path, isTied: isTied || layer.isTied)
      }
    default:
      let mirror = Mirror(reflecting: value)
      // Their order differs between processes.
      guard mirror.displayStyle != .dictionary, mirror.displayStyle != .set || mirror.children.isEmpty else {
        guard let layers = value as? [String: Any] else { return }
        for (key, layer) in layers.sorted(by: { $0.key < $1.key }) { try add(layer, at: below(key), isTied: isTied) }
        return
      }
      for (index, child) in mirror.children.enumerated() {
        // Neither the identity nor the inside of an optional is a part of the path.
        let isPart = !(child.value is LayerIdentity) && mirror.displayStyle != .optional
        // The parts of a tuple are labelled `.0`, `.1`, …
        let label = child.label.map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 }
        try add(child.value, at: isPart ? below(label ?? "\(index)") : path, isTied: isTied)
      }
    }
  }

  private mutating func add(_ identity: LayerIdentity, at path: String, isTied: Bool) throws {
    guard let other = paths[identity] else {
      paths[identity] = (path, isTied)
      return
    }
    guard isTied || other.isTied else {
      throw ModelError(
        "\(other.path) and \(path) are the same layer, so they would share their parameters: make a layer for each, "
          + "or write tied(…) if they should")
    }
    paths[identity]!.isTied = isTied && other.isTied
  }
}

/// A layer that names its parts itself.
protocol LayerOfParts: Layer {
  /// Layers and identities. One without a name has the path of this layer.
  var parts: [(name: String?, part: Any)] { get }
  /// Whether the parts may be used at several places.
  var isTied: Bool { get }
}

extension LayerOfParts {
  var isTied: Bool { false }
}
