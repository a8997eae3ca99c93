package import Reduction

/// The nodes of a worker's task: from the pieces that its threads compute, whose gradients become final chunk by chunk, up to
/// the maximal nodes of its leaves, which it pushes.
///
/// A chunk that is final in two siblings is added to their parent's at once, while others are still computed; of a maximal
/// node it is pushed at once. The node is done when all of its chunks and its metrics are there. If a gradient is not finite
/// and such gradients are not pushed, it is done with its metrics, which say so.
package struct AssignedNodes {
  package enum Change: Equatable {
    /// Push these chunks of a maximal node's gradient, which has this weight.
    case push(Node, chunks: [Int], weight: Double)
    /// Add these chunks of the right gradient to the left one, which becomes their parent's.
    case combine(left: Node, right: Node, chunks: [Int])
    /// The node's gradient is not needed any more, but for what is being added.
    case forget(Node)
    /// A maximal node is done, with the metrics of each step of the task, in order.
    case finish(Node, [NodeMetrics])
  }

  private struct State {
    /// Chunks that are not final yet.
    var open: ChunkSet
    /// Final chunks that wait for those of the sibling.
    var waiting = ChunkSet()
    /// That of the gradient; nil before any chunk of it is final.
    var weight: Double?
    var metrics: [NodeMetrics]?
    /// The last tensor that is not finite though both children's is.
    var tensor: Int?
    var isForgotten = false
  }

  private let tree: ReductionTree
  private let chunks: Range<Int>
  private let pushesFlaws: Bool
  /// The maximal nodes that are not done.
  private var unfinished: [Node]
  private var nodes: [Node: State] = [:]
  /// Sums that are being added.
  private var combining = 0
  /// Maximal nodes that are done but for these.
  private var held: Set<Node> = []

  /// - Parameters:
  ///   - chunks: those from 0 on; none for an evaluation.
  ///   - pushesFlaws: whether gradients that are not finite are pushed.
  package init(_ tree: ReductionTree, leaves: Range<Int>, chunks: Range<Int>, pushesFlaws: Bool) {
    (self.tree, self.chunks, self.pushesFlaws) = (tree, chunks, pushesFlaws)
    unfinished = tree.maximalNodes(in: leaves)
  }

  package var isDone: Bool { unfinished.isEmpty }

  /// Some chunks of a piece's gradient are final, and finite.
  package mutating func add(_ node: Node, _ chunks: [Int], weight: Double) -> [Change] {
    var changes: [Change] = []
    add(node, chunks, weight, &changes)
    return changes
  }

  /// A piece is computed.
  package mutating func add(_ node: Node, _ metrics: [NodeMetrics]) -> [Change] {
    if nodes[node] == nil, !isFlawed(metrics), let index = unfinished.firstIndex(of: node) {
      // A maximal node that one thread has computed at once.
      unfinished.remove(at: index)
      let push = Change.push(node, chunks: Array(chunks), weight: metrics[0].weight)
      return (chunks.isEmpty ? [] : [push]) + [.finish(node, metrics)]
    }
    var changes: [Change] = []
    let open = state(of: node).open.elements
    if !isFlawed(metrics) { add(node, open, metrics[0].weight, &changes) }
    know(node) { $0.metrics = metrics }
    // All of its chunks may have been added before.
    if open.isEmpty && nodes[node]!.isForgotten { changes.append(.forget(node)) }
    settle(node, &changes)
    return changes
  }

  /// These chunks of two siblings are added to those of their parent.
  ///
  /// - Parameter tensor: the last tensor with a value in them that is not finite.
  package mutating func addSum(_ node: Node, _ chunks: [Int], nonFinite tensor: Int?) -> [Change] {
    guard let sum = nodes[node], let weight = sum.weight else { return [] }
    combining -= 1
    var changes: [Change] = []
    nodes[node]!.tensor = [sum.tensor, tensor].compactMap(\.self).max()
    if tensor == nil || pushesFlaws {
      add(node, chunks, weight, &changes)
    } else {
      for chunk in chunks { nodes[node]!.open.remove(chunk) }
    }
    settle(node, &changes)
    if combining == 0 {
      for node in held.sorted(by: { $0.start < $1.start }) { finish(node, &changes) }
    }
    return changes
  }

  private func state(of node: Node) -> State { nodes[node] ?? State(open: ChunkSet(below: chunks.upperBound)) }

  private mutating func know(_ node: Node, _ change: (inout State) -> Void) {
    var state = state(of: node)
    change(&state)
    nodes[node] = state
  }

  private func isFlawed(_ metrics: [NodeMetrics]) -> Bool { !pushesFlaws && metrics.contains { $0.flaw != nil } }

  private func family(of node: Node) -> (left: Node, right: Node, parent: Node) {
    guard let parent = tree.path(to: node.leaves)?.dropLast().last, let (left, right) = parent.children else {
      preconditionFailure("\(node), which is not pushed, has no parent")
    }
    return (left, right, parent)
  }

  private mutating func add(_ node: Node, _ chunks: [Int], _ weight: Double, _ changes: inout [Change]) {
    var state = state(of: node)
    state.weight = weight
    let new = chunks.filter { state.open.remove($0) }
    nodes[node] = state
    guard !new.isEmpty else { return }
    guard !unfinished.contains(node) else {
      changes.append(.push(node, chunks: new, weight: weight))
      return
    }
    let (left, right, parent) = family(of: node)
    let sibling = left == node ? right : left
    let theirs = nodes[sibling]?.waiting ?? ChunkSet()
    let both = new.filter(theirs.contains)
    for chunk in new where !theirs.contains(chunk) { nodes[node]!.waiting.insert(chunk) }
    guard !both.isEmpty else { return }
    for chunk in both { nodes[sibling]!.waiting.remove(chunk) }
    let weight = nodes[left]!.weight! + nodes[right]!.weight!
    know(parent) { $0.weight = weight }
    combining += 1
    changes.append(.combine(left: left, right: right, chunks: both))
    guard nodes[node]!.open.isEmpty && nodes[node]!.waiting.isEmpty else { return }
    for child in [left, right] { forget(child, &changes) }
  }

  private mutating func forget(_ node: Node, _ changes: inout [Change]) {
    know(node) { $0.isForgotten = true }
    changes.append(.forget(node))
  }

  /// Goes on with a node of which all is known, and its parents.
  private mutating func settle(_ node: Node, _ changes: inout [Change]) {
    guard let state = nodes[node], var metrics = state.metrics, state.open.isEmpty || isFlawed(metrics) else { return }
    if let tensor = state.tensor, metrics.allSatisfy({ $0.flaw == nil }) {
      metrics[metrics.count - 1].flaw = NodeMetrics.Flaw(leaf: nil, tensor: tensor)
      nodes[node]!.metrics = metrics
    }
    guard !unfinished.contains(node) else {
      if isFlawed(metrics) && combining > 0 { held.insert(node) } else { finish(node, &changes) }
      return
    }
    let (left, right, parent) = family(of: node)
    guard let first = settledMetrics(left), let second = settledMetrics(right),
      nodes[parent]?.metrics == nil
    else { return }
    know(parent) { $0.metrics = zip(first, second).map(+) }
    settle(parent, &changes)
  }

  /// The metrics of a node of which all is known.
  private func settledMetrics(_ node: Node) -> [NodeMetrics]? {
    guard let state = nodes[node], let metrics = state.metrics else { return nil }
    return state.open.isEmpty || isFlawed(metrics) ? metrics : nil
  }

  private mutating func finish(_ node: Node, _ changes: inout [Change]) {
    changes.append(.finish(node, nodes[node]!.metrics!))
    unfinished.removeAll { $0 == node }
    held.remove(node)
    for below in nodes.keys.filter({ node.covers($0) }).sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      if below != node && !chunks.isEmpty && !nodes[below]!.isForgotten { changes.append(.forget(below)) }
      nodes[below] = nil
    }
  }
}
