/// Which values of the gradient vector are final after each node's backward pass.
///
/// Backward passes run from the last node to the first. So the gradient of a parameter, or the sum that stands in place of
/// a statistic's, is final after the backward pass of the first node that uses it.
struct FinalRanges: Sendable {
  /// The fewest values that are reported before the last ranges of a pass: 64 KiB of floats, a sixteenth of a chunk of the
  /// default size. Smaller ranges wait until their neighbours are final too, so that a model of many small tensors makes
  /// few reports: at most 2·count / least + 1 of a vector of `count` values.
  static let least = 1 << 14

  private let ofNodes: [[Range<Int>]]

  /// - Parameter least: the fewest values of a report, except for those after the last node that completes any.
  init(_ graph: Graph, least: Int) {
    var completed = graph.nodes.map { _ in RangeSet<Int>() }
    for (parameter, use) in graph.firstUses.enumerated() {
      completed[use].insert(contentsOf: graph.parameters[parameter].range)
    }
    let last = completed.firstIndex { !$0.isEmpty }
    var waiting = RangeSet<Int>()
    var ofNodes = graph.nodes.map { _ in [Range<Int>]() }
    for node in graph.nodes.indices.reversed() {
      waiting.formUnion(completed[node])
      ofNodes[node] = waiting.ranges.filter { node == last || $0.count >= least }
      for range in ofNodes[node] { waiting.remove(contentsOf: range) }
    }
    self.ofNodes = ofNodes
  }

  /// What to report after the backward pass of `node`, ascending. The ranges of all nodes together are the whole vector.
  subscript(node: Int) -> [Range<Int>] { ofNodes[node] }
}
