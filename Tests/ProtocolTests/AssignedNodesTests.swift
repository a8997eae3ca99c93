import Reduction
import TestSupport
import Testing

@testable import Protocol

/// The nodes of an assignment, whose chunks become final in any order.
@Suite struct AssignedNodesTests {
  private func metrics(_ node: Node, flaw: NodeMetrics.Flaw? = nil) -> [NodeMetrics] {
    // Weights whose sums depend on the order of adding.
    let leaves = node.leaves.map { NodeMetrics(examples: 1, weight: 0.1 * Double($0 + 1), sums: [0.3 * Double($0)]) }
    func sum(_ node: Node) -> NodeMetrics {
      node.children.map { sum($0.left) + sum($0.right) } ?? leaves[node.start - first]
    }
    let first = node.start
    var all = sum(node)
    all.flaw = flaw
    return [all]
  }

  @Test func aFinalChunkGoesOnWhileOthersAreComputed() {
    let tree = ReductionTree(leafCount: 8)
    var nodes = AssignedNodes(tree, leaves: 0..<5, chunks: 0..<3, pushesFlaws: false)
    let (left, right, alone) = (Node(0..<2), Node(2..<4), Node(4..<5))
    let weights = [left, right, alone].map { metrics($0)[0].weight }
    // A maximal node's is pushed, another one waits for its sibling's.
    #expect(nodes.add(alone, [2], weight: weights[2]) == [.push(alone, chunks: [2], weight: weights[2])])
    #expect(nodes.add(left, [1, 2], weight: weights[0]) == [])
    #expect(nodes.add(right, [2, 0], weight: weights[1]) == [.combine(left: left, right: right, chunks: [2])])
    let sum = weights[0] + weights[1]
    #expect(nodes.addSum(Node(0..<4), [2], nonFinite: nil) == [.push(Node(0..<4), chunks: [2], weight: sum)])
    #expect(
      nodes.add(left, metrics(left)) == [.combine(left: left, right: right, chunks: [0])])
    #expect(
      nodes.add(right, metrics(right)) == [
        .combine(left: left, right: right, chunks: [1]), .forget(left), .forget(right),
      ])
    #expect(nodes.addSum(Node(0..<4), [1], nonFinite: nil) == [.push(Node(0..<4), chunks: [1], weight: sum)])
    #expect(
      nodes.addSum(Node(0..<4), [0], nonFinite: nil) == [
        .push(Node(0..<4), chunks: [0], weight: sum), .finish(Node(0..<4), metrics(Node(0..<4))),
      ])
    #expect(!nodes.isDone)
    #expect(
      nodes.add(alone, metrics(alone)) == [
        .push(alone, chunks: [0, 1], weight: weights[2]), .finish(alone, metrics(alone)),
      ])
    #expect(nodes.isDone)
  }

  @Test("a flaw ends the node with its metrics, after sums that are being added")
  func flaws() {
    var nodes = AssignedNodes(ReductionTree(leafCount: 2), leaves: 0..<2, chunks: 0..<2, pushesFlaws: false)
    let (left, right) = (Node(0..<1), Node(1..<2))
    _ = nodes.add(left, [0], weight: 1)
    #expect(nodes.add(right, [0], weight: 1) == [.combine(left: left, right: right, chunks: [0])])
    let flaw = NodeMetrics.Flaw(leaf: 1, tensor: 0)
    #expect(nodes.add(left, metrics(left)) == [])
    #expect(nodes.add(right, metrics(right, flaw: flaw)) == [] && !nodes.isDone)
    let last = nodes.addSum(Node(0..<2), [0], nonFinite: nil)
    #expect(last.first == .push(Node(0..<2), chunks: [0], weight: 2))
    guard case .finish(let node, let found) = last[1] else {
      Issue.record("\(last)")
      return
    }
    #expect(node == Node(0..<2) && found[0].flaw == flaw && nodes.isDone)
    #expect(last.dropFirst(2) == [.forget(left), .forget(right)])
  }

  @Test("a sum that is not finite ends the node above it too, and nothing is kept")
  func overflow() {
    var nodes = AssignedNodes(ReductionTree(leafCount: 4), leaves: 0..<4, chunks: 0..<1, pushesFlaws: false)
    let (left, right, other) = (Node(0..<1), Node(1..<2), Node(2..<4))
    _ = nodes.add(left, metrics(left))
    _ = nodes.add(right, metrics(right))
    #expect(nodes.add(other, metrics(other)) == [])
    let last = nodes.addSum(Node(0..<2), [0], nonFinite: 3)
    guard case .finish(let node, let found) = last.first else {
      Issue.record("\(last)")
      return
    }
    #expect(node == Node(0..<4) && found[0].flaw == NodeMetrics.Flaw(leaf: nil, tensor: 3) && nodes.isDone)
    #expect(last.dropFirst() == [.forget(Node(0..<2)), .forget(other)])
  }

  @Test("an evaluation has metrics alone")
  func evaluation() {
    var nodes = AssignedNodes(ReductionTree(leafCount: 4), leaves: 0..<2, chunks: 0..<0, pushesFlaws: false)
    #expect(nodes.add(Node(1..<2), metrics(Node(1..<2))) == [])
    #expect(nodes.add(Node(0..<1), metrics(Node(0..<1))) == [.finish(Node(0..<2), metrics(Node(0..<2)))])
    #expect(nodes.isDone)
  }

  /// A gradient of which each chunk is text that says how it was added.
  private final class Gradient {
    var chunks: [String?]

    init(_ count: Int) { chunks = Array(repeating: nil, count: count) }
  }

  private static func text(_ node: Node) -> String {
    node.children.map { "(\(text($0.left))+\(text($0.right)))" } ?? "\(node.start)"
  }

  /// Computes an assignment in a random order, and checks what it is told to do.
  private struct Run {
    enum Event { case report(Node, [Int]), computed(Node), sum(Node, [Int]) }

    var random: SeededGenerator
    let tree: ReductionTree
    let leaves: Range<Int>
    let chunks: Int
    let pushesFlaws: Bool
    /// The piece with a leaf that is not finite.
    var flawed: Node?
    var nodes: AssignedNodes
    var gradients: [Node: Gradient] = [:]
    /// Adding that is asked for, done when its event comes.
    var sums: [(left: Gradient, right: Gradient, parent: Node, chunks: [Int])] = []
    var pushed: [Node: [Int: String]] = [:]
    var finished: [Node] = []

    init(seed: UInt64) {
      random = SeededGenerator(seed: seed)
      tree = ReductionTree(leafCount: Int.random(in: 1...13, using: &random))
      let first = Int.random(in: 0..<tree.leafCount, using: &random)
      leaves = first..<Int.random(in: first + 1...tree.leafCount, using: &random)
      chunks = Int.random(in: 1...5, using: &random)
      pushesFlaws = Bool.random(using: &random)
      nodes = AssignedNodes(tree, leaves: leaves, chunks: 0..<chunks, pushesFlaws: pushesFlaws)
    }

    private mutating func pieces(of node: Node) -> [Node] {
      guard let (left, right) = node.children, Bool.random(using: &random) else { return [node] }
      return pieces(of: left) + pieces(of: right)
    }

    mutating func run(_ metrics: (Node, NodeMetrics.Flaw?) -> [NodeMetrics]) {
      let all = tree.maximalNodes(in: leaves).reduce(into: [Node]()) { $0 += pieces(of: $1) }
      if Int.random(in: 0..<4, using: &random) == 0 { flawed = all.randomElement(using: &random) }
      // Of each piece, chunks that are not reported yet.
      var open = Dictionary(uniqueKeysWithValues: all.map { ($0, Array(0..<chunks)) })
      for piece in all { gradients[piece] = Gradient(chunks) }
      while !open.isEmpty || !sums.isEmpty {
        if !sums.isEmpty, open.isEmpty || Bool.random(using: &random) {
          let sum = sums.remove(at: Int.random(in: sums.indices, using: &random))
          for chunk in sum.chunks {
            sum.left.chunks[chunk] = "(\(sum.left.chunks[chunk]!)+\(sum.right.chunks[chunk]!))"
            sum.right.chunks[chunk] = nil
          }
          carryOut(nodes.addSum(sum.parent, sum.chunks, nonFinite: nil))
          continue
        }
        let piece = open.keys.sorted { $0.start < $1.start }.randomElement(using: &random)!
        let ready = open[piece]!.filter { _ in Bool.random(using: &random) }
        if !ready.isEmpty && Bool.random(using: &random) {
          for chunk in ready { gradients[piece]!.chunks[chunk] = AssignedNodesTests.text(piece) }
          open[piece]!.removeAll(where: ready.contains)
          carryOut(nodes.add(piece, ready, weight: metrics(piece, nil)[0].weight))
        } else {
          let isFlawed = flawed == piece
          for chunk in open.removeValue(forKey: piece)! {
            gradients[piece]?.chunks[chunk] = AssignedNodesTests.text(piece)
          }
          carryOut(nodes.add(piece, metrics(piece, isFlawed ? NodeMetrics.Flaw(leaf: piece.start, tensor: 0) : nil)))
        }
      }
    }

    private mutating func carryOut(_ changes: [AssignedNodes.Change]) {
      for change in changes {
        switch change {
        case .push(let node, let chunks, _):
          #expect(!finished.contains(node))
          for chunk in chunks {
            let former = pushed[node, default: [:]].updateValue(gradients[node]?.chunks[chunk] ?? "none", forKey: chunk)
            #expect(former == nil, "chunk \(chunk) of \(node) is pushed twice")
          }
        case .combine(let left, let right, let chunks):
          let parent = Node(left.start..<right.end)
          guard let leftSum = gradients[left], let rightSum = gradients[right] else {
            Issue.record("\(left) and \(right) are not at hand")
            continue
          }
          gradients[parent] = leftSum
          sums.append((leftSum, rightSum, parent, chunks))
        case .forget(let node):
          #expect(!tree.maximalNodes(in: leaves).contains(node), "\(node) may be pushed again")
          gradients[node] = nil
        case .finish(let node, let metrics):
          finished.append(node)
          let isFlawed = flawed.map(node.covers) ?? false
          #expect((metrics[0].flaw != nil) == isFlawed)
          if !isFlawed || pushesFlaws { #expect(pushed[node]?.count == chunks) }
          gradients[node] = nil
        }
      }
    }
  }

  @Test("in any order, each maximal node is pushed once, summed along the tree, and nothing is kept")
  func anyOrder() {
    for seed in 0..<3000 as Range<UInt64> {
      var run = Run(seed: seed)
      run.run { metrics($0, flaw: $1) }
      #expect(run.nodes.isDone && run.gradients.isEmpty && run.sums.isEmpty, "seed \(seed)")
      #expect(Set(run.finished) == Set(run.tree.maximalNodes(in: run.leaves)), "seed \(seed)")
      for (node, chunks) in run.pushed {
        #expect(chunks.values.allSatisfy { $0 == AssignedNodesTests.text(node) }, "seed \(seed): \(chunks)")
      }
    }
  }
}
