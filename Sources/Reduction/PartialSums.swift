/// The nodes whose sums are available: disjoint nodes of one tree, no two of them siblings.
///
/// Holds the nodes, not their sums. Nodes may arrive in any order, more than once, and overlap: a node that is already
/// covered changes nothing, a node that covers others replaces them, and two siblings become their parent.
package struct PartialSums: Sendable {
  package let tree: ReductionTree
  package private(set) var nodes: Set<Node> = []

  /// What the caller must do with the sum of an inserted node.
  package enum Insertion: Equatable {
    /// Drop it: an available sum contains it.
    case covered
    /// Keep it, and drop the sums of `replacing`, which it covers.
    case kept(replacing: [Node])
    /// Drop the sums of `replacing`, add those of `left` and `right`, and insert `parent` with the result. ``nodes``
    /// holds neither child any more.
    case paired(left: Node, right: Node, parent: Node, replacing: [Node])
  }

  package init(_ tree: ReductionTree) {
    self.tree = tree
  }

  /// Whether an available sum contains `node`.
  package func covers(_ node: Node) -> Bool { nodes.contains { $0.covers(node) } }

  /// Forgets the sum of `node`.
  package mutating func remove(_ node: Node) { nodes.remove(node) }

  /// Adds `node`. Traps if it is not a node of the tree.
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

extension PartialSums {
  /// What to do with the sums of nodes.
  package enum Change: Equatable {
    /// Keep the sum that was added.
    case keep(Node)
    case discard(Node)
    /// Add the right sum to the left one, which becomes their parent's.
    case combine(left: Node, right: Node)
  }

  /// Inserts `node`, and each parent of which both children are there.
  ///
  /// - Returns: what to do, in this order, and the node that then holds the sum; nil if an available sum contains `node`.
  package mutating func add(_ node: Node) -> (changes: [Change], top: Node)? {
    var changes: [Change] = [.keep(node)]
    var inserted = node
    while true {
      switch insert(inserted) {
      case .covered: return nil
      case .kept(let replaced):
        changes += replaced.map { .discard($0) }
        return (changes, inserted)
      case .paired(let left, let right, let parent, let replaced):
        changes += replaced.map { .discard($0) } + [.combine(left: left, right: right)]
        inserted = parent
      }
    }
  }
}

/// Sums small values along a tree as the values of its nodes arrive.
package struct NodeSums<Value: Sendable>: Sendable {
  package private(set) var sums: PartialSums
  private var values: [Node: Value] = [:]
  private let add: @Sendable (Value, Value) -> Value

  /// - Parameter add: adds the values of a left and a right child.
  package init(_ tree: ReductionTree, add: @escaping @Sendable (Value, Value) -> Value) {
    sums = PartialSums(tree)
    self.add = add
  }

  package var count: Int { values.count }

  /// The sum over all leaves; nil until it is complete.
  package var root: Value? { values[sums.tree.root] }

  /// - Returns: false if an available sum already contained the node.
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
