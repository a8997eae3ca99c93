/// The way that parameters and sums of gradients take between hosts. It changes no bit.
package enum Topology: Hashable, Sendable, CustomStringConvertible {
  /// All workers exchange them with the coordinator.
  case star
  /// Each worker sums a slice for all others, and passes the slice's parameters on.
  case mesh
  /// Each worker exchanges them with the next one, the first with the coordinator.
  case chain
  /// Each worker, and the coordinator, exchanges them with up to so many others.
  case tree(Int)

  /// K of a tree.
  package static let childCounts = 2...1024

  /// The forms of ``description``.
  package static let forms = "star, mesh, chain or tree:K with K from 2 to 1024"

  /// Reads a ``description``; nil if `text` is none.
  package init?(_ text: some StringProtocol) {
    switch text {
    case "star": self = .star
    case "mesh": self = .mesh
    case "chain": self = .chain
    default:
      guard text.hasPrefix("tree:"), let children = Int(text.dropFirst("tree:".count)),
        Topology.childCounts.contains(children)
      else { return nil }
      self = .tree(children)
    }
  }

  package var description: String {
    switch self {
    case .star: "star"
    case .mesh: "mesh"
    case .chain: "chain"
    case .tree(let children): "tree:\(children)"
    }
  }

  /// How many members exchange them with the coordinator, and with each member that listens; nil where all do so with the
  /// coordinator.
  package var childCount: Int? {
    switch self {
    case .star, .mesh: nil
    case .chain: 1
    case .tree(let children): children
    }
  }
}
