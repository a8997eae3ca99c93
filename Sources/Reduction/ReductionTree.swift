/// A node of a ``ReductionTree``: a contiguous range of leaves.
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

  package var leaves: Range<Int> { start..<end }

  /// The node split at the largest power of two below its count; nil for a leaf.
  package var children: (left: Node, right: Node)? {
    let count = end - start
    guard count > 1 else { return nil }
    let middle = start + treeSplit(count)
    return (Node(start..<middle), Node(middle..<end))
  }

  /// Whether all leaves of `other` are leaves of this node.
  package func covers(_ other: Node) -> Bool { start <= other.start && other.end <= end }

  package var description: String { "[\(start), \(end))" }
}

/// The fixed binary tree along which a step's micro-batches are summed.
///
/// The root covers all leaves; a node's sum is its left child's plus its right child's. The tree does not depend on the
/// workers, so the sum has the same bits whichever worker computes a node. A step with fewer examples than
/// micro-batches lacks the last leaves. Its tree is the full tree without them, because nodes split at powers of two.
package struct ReductionTree: Equatable, Sendable {
  /// At least 1.
  package let leafCount: Int

  package init(leafCount: Int) {
    precondition(leafCount >= 1, "a tree of \(leafCount) leaves")
    self.leafCount = leafCount
  }

  package var root: Node { Node(0..<leafCount) }

  /// The nodes from the root down to `leaves`; nil if `leaves` is not a node of the tree.
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

  package func contains(_ leaves: Range<Int>) -> Bool { path(to: leaves) != nil }

  /// The other child of the node's parent; nil for the root.
  package func sibling(of node: Node) -> Node? {
    guard let (left, right) = path(to: node.leaves)?.dropLast().last?.children else { return nil }
    return left == node ? right : left
  }

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
