package import Reduction

/// Cuts a worker's leaves into nodes, each of which one thread computes at once.
///
/// Large nodes are best, because their leaves are summed in the cache. But all threads should have equal work, and the
/// activations of a node should stay small: it has at most `mostRows` rows, or one leaf.
package func pieces(of leaves: Range<Int>, in tree: ReductionTree, threads: Int, rowsPerLeaf: Int, mostRows: Int)
  -> [Node]
{
  var best: [Node] = []
  var least = Int.max
  var size = 1
  while size == 1 || size < 2 * leaves.count && size * rowsPerLeaf <= mostRows {
    let cut = tree.maximalNodes(in: leaves).flatMap { $0.descendants(ofAtMost: size) }
    var loads = Array(repeating: 0, count: min(threads, cut.count))
    for piece in cut {
      let free = loads.indices.min { loads[$0] < loads[$1] }!
      loads[free] += piece.leaves.count
    }
    if loads.max()! <= least { (best, least) = (cut, loads.max()!) }
    size *= 2
  }
  return best
}

extension Node {
  /// The node cut into its largest descendants of at most `count` leaves.
  fileprivate func descendants(ofAtMost count: Int) -> [Node] {
    guard leaves.count > count, let (left, right) = children else { return [self] }
    return left.descendants(ofAtMost: count) + right.descendants(ofAtMost: count)
  }
}
