/// A contiguous range of leaves that is summed as one: a node of a ``ReductionTree``.
package struct Node: Hashable, Sendable, CustomStringConvertible {
  /// The first leaf.
  package let start: Int
  /// One past the last leaf.
  package let end: Int

  /// The node over `leaves`, which must not be empty.
  package init(_ leaves: Range<Int>) {
    precondition(!leaves.isEmpty, "a node without leaves")
    start = leaves.lowerBound
    end = leaves.upperBound
  }

  /// Its leaves.
  package var leaves: Range<Int> { start..<end }

  /// Its two children, or nil for a leaf: split at the largest power of two below its count.
  package var children: (left: Node, right: Node)? {
    let count = end - start
    guard count > 1 else { return nil }
    let middle = start + treeSplit(count)
    return (Node(start..<middle), Node(middle..<end))
  }

  /// Whether all leaves of `other` are leaves of this node.
  package func covers(_ other: Node) -> Bool { start <= other.start && other.end <= end }

  /// `[start, end)`.
  package var description: String { "[\(start), \(end))" }
}

/// The fixed binary tree by which a step's micro-batches are summed.
///
/// The root covers all leaves; a node is its left child plus its right child. Nothing about workers enters, so the sum
/// has the same bits whoever computes which node. Leaves that do not exist (a step with fewer examples than
/// micro-batches) are always the last ones, and then the tree of the leaves that exist is the tree of all leaves with
/// the missing ones taken away: a prefix of a perfect tree splits where the perfect tree does.
package struct ReductionTree: Equatable, Sendable {
  /// How many leaves there are; at least one.
  package let leafCount: Int

  /// The tree over `leafCount` leaves.
  package init(leafCount: Int) {
    precondition(leafCount >= 1, "a tree of \(leafCount) leaves")
    self.leafCount = leafCount
  }

  /// The node that covers all leaves.
  package var root: Node { Node(0..<leafCount) }

  /// The nodes from the root down to `leaves`, or nil where `leaves` is no node of the tree.
  package func path(to leaves: Range<Int>) -> [Node]? {
    guard !leaves.isEmpty, leaves.lowerBound >= 0, leaves.upperBound <= leafCount else { return nil }
    var path = [root]
    while path[path.count - 1].leaves != leaves {
      guard let (left, right) = path[path.count - 1].children else { return nil }
      if leaves.upperBound <= left.end {
        path.append(left)
      } else if leaves.lowerBound >= right.start {
        path.append(right)
      } else {
        return nil
      }
    }
    return path
  }

  /// Whether `leaves` is a node of the tree.
  package func contains(_ leaves: Range<Int>) -> Bool { path(to: leaves) != nil }

  /// The fewest nodes that cover exactly `range`, from left to right: what a worker with these leaves pushes. At most
  /// 2·⌈log₂ leafCount⌉, or 1.
  package func maximalNodes(in range: Range<Int>) -> [Node] {
    var nodes: [Node] = []
    func collect(_ node: Node) {
      guard node.start < range.upperBound && range.lowerBound < node.end else { return }
      if range.lowerBound <= node.start && node.end <= range.upperBound {
        nodes.append(node)
      } else if let (left, right) = node.children {
        collect(left)
        collect(right)
      }
    }
    collect(root)
    return nodes
  }
}
