/// How many leaves the left child of a node of `count` > 1 leaves has: the largest power of two below `count`.
package func treeSplit(_ count: Int) -> Int {
  precondition(count > 1, "\(count) leaves have no children")
  return 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
}

/// Sums `leaves` along the reduction tree in a stack of ⌈log₂ count⌉ + 1 accumulators. The bits of a tree's sum do not
/// depend on which of its nodes are summed by which call.
///
/// - Parameters:
///   - depth: the index of the accumulator for the sum; those after it are overwritten.
///   - leaf: writes a leaf into an accumulator.
///   - add: adds accumulator `depth` + 1 to accumulator `depth`.
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
