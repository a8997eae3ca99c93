package import Reduction

/// The state of the current task. Belongs to its machine alone.
package final class Work {
  package let task: StepTask
  package let tree: ReductionTree
  /// The summed nodes of each chunk; empty for an evaluation.
  package var sums: [PartialSums]
  /// Chunks that are not updated yet.
  package var openChunks: Int
  /// Of a round, those of its last step.
  package var metrics: NodeSums<NodeMetrics>
  /// Those of the other steps of a round, in order. Each member sends a node's in order, so these are complete when
  /// ``metrics`` is.
  package var earlierMetrics: [NodeSums<NodeMetrics>]
  /// The weights of pushed nodes. Its root is complete before the first chunk's.
  package var weights: NodeSums<Double>
  /// Chunks whose root is not checked yet.
  package var uncheckedChunks: Int
  /// Chunks whose root is finite, and that are not updated because others or the weight are not known yet.
  package var finiteChunks: [Int] = []
  /// Nil if all chunks go to the coordinator.
  package var routes: RouteTable?
  /// The leaves that were assigned to each member that is a relay and to those behind it.
  package var groupedLeaves: [CoordinatorMachine.Peer: Set<Int>] = [:]
  /// Relays of the task before its routes were changed; their sums may still come.
  package var formerRelays: Set<CoordinatorMachine.Peer> = []
  /// The last tensor with a non-finite value in a root.
  package var flawedTensor: Int?
  /// The worker that reported each flaw.
  package var finders: [NodeMetrics.Flaw: String] = [:]
  /// Whether a flaw will end the run with this task, so that gradients do not matter any more.
  package var endsRun = false
  /// Parameter and gradient vectors sent to or expected from workers.
  package var transfers = 0
  /// When members were last told to push again what relays did not deliver.
  package var repushTime = Instant(nanoseconds: 0)
  /// Leaves that no worker has.
  package var unassigned: [Range<Int>]
  package let start: Instant
  package var lastProgress: Instant

  package init(_ task: StepTask, _ plan: StepPlan, chunkCount: Int, at now: Instant) {
    self.task = task
    tree = plan.tree(task)
    sums = task.isTraining ? Array(repeating: PartialSums(tree), count: chunkCount) : []
    (openChunks, uncheckedChunks) = (sums.count, sums.count)
    metrics = NodeSums(tree, add: +)
    earlierMetrics = (1..<plan.stepCount(of: task)).map { [tree] _ in NodeSums(tree, add: +) }
    weights = NodeSums(tree, add: +)
    unassigned = [0..<tree.leafCount]
    start = now
    lastProgress = now
  }

  /// The sums over all leaves of each step, in order; nil until they are complete.
  package var steps: [NodeMetrics]? {
    guard let last = metrics.root else { return nil }
    return earlierMetrics.map { sums in
      guard let root = sums.root else { preconditionFailure("the last step of a round is measured before another one") }
      return root
    } + [last]
  }

  /// Whether sums of finished nodes may still be on their way through relays.
  package var usesRelays: Bool { routes != nil || !formerRelays.isEmpty || !groupedLeaves.isEmpty }

  /// Whether all sums and metrics include `leaf`.
  package func isSummed(_ leaf: Int) -> Bool {
    let node = Node(leaf..<leaf + 1)
    return metrics.sums.covers(node) && (endsRun || isPushed(node))
  }

  package func isPushed(_ node: Node) -> Bool { sums.allSatisfy { $0.covers(node) } }
}
