/// Which nodes' sums are at hand: disjoint nodes of one tree, no two of them siblings.
///
/// Holds names only. Nodes may come from anyone, in any order, more than once, and one inside the other: a node that is
/// covered already changes nothing, a node that covers others replaces them, and siblings become their parent.
package struct PartialSums: Sendable {
  package let tree: ReductionTree
  package private(set) var nodes: Set<Node> = []

  /// What became of a node that was inserted.
  package enum Insertion: Equatable {
    /// Its sum is at hand already, alone or inside another; drop it.
    case covered
    /// Its sum is to be kept, in place of `replaced`, which it covers.
    case kept(replacing: [Node])
    /// Its sum and its sibling's are to be added. Both are taken out; the parent is inserted once it is computed.
    case paired(left: Node, right: Node, parent: Node, replacing: [Node])
  }

  package init(_ tree: ReductionTree) {
    self.tree = tree
  }

  /// Whether all leaves are summed.
  package var isComplete: Bool { nodes.contains(tree.root) }

  /// Whether `node` is part of a sum at hand.
  package func covers(_ node: Node) -> Bool { nodes.contains { $0.covers(node) } }

  /// Adds a node of the tree.
  package mutating func insert(_ node: Node) -> Insertion {
    guard let path = tree.path(to: node.leaves) else { preconditionFailure("\(node) is no node of \(tree)") }
    if path.contains(where: { nodes.contains($0) }) { return .covered }
    let replaced = nodes.filter { node.covers($0) }
    nodes.subtract(replaced)
    let replacing = replaced.sorted { $0.start < $1.start }
    if let parent = path.dropLast().last, let (left, right) = parent.children {
      let sibling = left == node ? right : left
      if nodes.remove(sibling) != nil {
        return .paired(left: left, right: right, parent: parent, replacing: replacing)
      }
    }
    nodes.insert(node)
    return .kept(replacing: replacing)
  }
}

/// Values of nodes that are summed along a tree as they come in, small enough to be kept here.
package struct NodeSums<Value: Sendable>: Sendable {
  /// Which nodes' sums are at hand.
  package private(set) var sums: PartialSums
  private var values: [Node: Value] = [:]
  private let add: @Sendable (Value, Value) -> Value

  /// Sums of `tree`, by `add` of a left and a right value.
  package init(_ tree: ReductionTree, add: @escaping @Sendable (Value, Value) -> Value) {
    sums = PartialSums(tree)
    self.add = add
  }

  /// How many values are kept.
  package var count: Int { values.count }

  /// The sum over all leaves; nil before it is complete.
  package var root: Value? { values[sums.tree.root] }

  /// Adds a node of the tree.
  ///
  /// - Returns: whether its sum was not at hand yet.
  @discardableResult package mutating func insert(_ node: Node, _ value: Value) -> Bool {
    var (node, value) = (node, value)
    var isNew = false
    while true {
      switch sums.insert(node) {
      case .covered: return isNew
      case .kept(let replaced):
        for old in replaced { values[old] = nil }
        values[node] = value
        return true
      case .paired(let left, let right, let parent, let replaced):
        for old in replaced { values[old] = nil }
        value =
          node == left ? add(value, values.removeValue(forKey: right)!) : add(values.removeValue(forKey: left)!, value)
        node = parent
        isNew = true
      }
    }
  }
}
