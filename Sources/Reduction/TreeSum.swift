/// Where the reduction tree cuts `count` > 1 neighbours in two: at the largest power of two below it.
package func treeSplit(_ count: Int) -> Int {
  precondition(count > 1, "\(count) leaves have no children")
  return 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
}

/// Sums `leaves` along the tree in a stack of accumulators, of which ⌈log₂ count⌉ + 1 are needed: a node is its left
/// child plus its right child, so the sum has the same bits wherever the tree is cut between calls.
///
/// - Parameters:
///   - depth: the accumulator that the sum goes to; those behind it are overwritten.
///   - leaf: writes a leaf into an accumulator.
///   - add: adds the accumulator behind `depth` to the one at `depth`.
package func sumAlongTree(
  _ leaves: Range<Int>, depth: Int = 0, leaf: (_ leaf: Int, _ depth: Int) -> Void, add: (_ depth: Int) -> Void
) {
  guard leaves.count > 1 else {
    leaf(leaves.lowerBound, depth)
    return
  }
  let middle = leaves.lowerBound + treeSplit(leaves.count)
  sumAlongTree(leaves.lowerBound..<middle, depth: depth, leaf: leaf, add: add)
  sumAlongTree(middle..<leaves.upperBound, depth: depth + 1, leaf: leaf, add: add)
  add(depth)
}

/// How many accumulators ``sumAlongTree(_:depth:leaf:add:)`` uses for `count` leaves.
package func treeDepth(_ count: Int) -> Int {
  count <= 1 ? 1 : 1 + Int.bitWidth - (count - 1).leadingZeroBitCount
}
