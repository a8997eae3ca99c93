import TestSupport
import Testing

@testable import Protocol
@testable import Reduction
@testable import Schema

@Suite struct ReductionTreeTests {
  @Test func aNodeSplitsAtTheLargestPowerOfTwoBelowItsCount() {
    func split(_ count: Int) -> Int? { Node(0..<count).children?.left.end }
    #expect((1...9).map(split) == [nil, 1, 2, 2, 4, 4, 4, 4, 8])
    #expect(Node(8..<13).children?.left == Node(8..<12))
  }

  @Test("missing leaves at the end leave the tree of the others", arguments: 1...64)
  func prefixesAgree(_ leafCount: Int) {
    /// The tree's shape with leaves from `present` on taken away; a node with one child is that child.
    func shape(_ node: Node, present: Int) -> String? {
      guard node.start < present else { return nil }
      guard let (left, right) = node.children else { return "\(node.start)" }
      let (a, b) = (shape(left, present: present), shape(right, present: present))
      return b == nil ? a : "(\(a!) \(b!))"
    }
    for present in 1...leafCount {
      let prefix = ReductionTree(leafCount: present).root
      #expect(shape(Node(0..<leafCount), present: present) == shape(prefix, present: present))
    }
  }

  @Test("maximal nodes cover a range exactly, from left to right, and there are few of them", arguments: 1...64)
  func maximalNodes(_ leafCount: Int) {
    let tree = ReductionTree(leafCount: leafCount)
    let bound = max(1, 2 * (Int.bitWidth - (leafCount - 1).leadingZeroBitCount))
    for start in 0..<leafCount {
      for end in start + 1...leafCount {
        let nodes = tree.maximalNodes(in: start..<end)
        #expect(nodes.flatMap { Array($0.leaves) } == Array(start..<end))
        #expect(nodes.allSatisfy { tree.contains($0.leaves) })
        #expect(nodes.count <= bound, "\(nodes.count) nodes for \(start)..<\(end) of \(leafCount)")
        let covered = Set(nodes)
        for node in nodes {
          #expect(
            !tree.path(to: node.leaves)!.dropLast().contains { ancestor in
              ancestor.leaves.allSatisfy { leaf in covered.contains { $0.leaves.contains(leaf) } }
            })
        }
      }
    }
  }

  @Test func rangesThatAreNoNodesAreNotInTheTree() {
    let tree = ReductionTree(leafCount: 6)
    for range in [0..<6, 0..<4, 4..<6, 2..<4, 5..<6] { #expect(tree.contains(range)) }
    for range in [0..<5, 1..<3, 3..<5, 0..<3, 6..<7, 0..<0, -1..<1, 0..<8] { #expect(!tree.contains(range)) }
  }

  @Test("any cut, order, duplicate and overlap gives the same bits", arguments: 1...64)
  func sumsAreTheSameBits(_ leafCount: Int) {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let tree = ReductionTree(leafCount: leafCount)
    // Sizes far apart: another order of summing gives other bits.
    let leaves = (0..<leafCount).map { _ in
      Float.random(in: -1...1, using: &random) * Float([1e-4, 1, 1e4].randomElement(using: &random)!)
    }
    func sum(_ node: Node) -> Float { node.children.map { sum($0.left) + sum($0.right) } ?? leaves[node.start] }
    let expected = sum(tree.root)
    for round in 0..<200 {
      // Some workers' cuts, several times over.
      var pushes: [Node] = []
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        var start = 0
        while start < leafCount {
          let end = Int.random(in: start + 1...leafCount, using: &random)
          pushes += tree.maximalNodes(in: start..<end)
          start = end
        }
      }
      pushes.shuffle(using: &random)
      var sums = PartialSums(tree)
      var values: [Node: Float] = [:]
      for push in pushes {
        var (node, value) = (push, sum(push))
        insertion: while true {
          switch sums.insert(node) {
          case .covered: break insertion
          case .kept(let replaced):
            for old in replaced { values[old] = nil }
            values[node] = value
            break insertion
          case .paired(let left, let right, let parent, let replaced):
            for old in replaced { values[old] = nil }
            value =
              node == left ? value + values.removeValue(forKey: right)! : values.removeValue(forKey: left)! + value
            node = parent
          }
        }
        #expect(Set(values.keys) == sums.nodes)
      }
      #expect(sums.nodes == [tree.root])
      #expect(values[tree.root]?.bitPattern == expected.bitPattern, "seed \(seed), round \(round)")
    }
  }
}
