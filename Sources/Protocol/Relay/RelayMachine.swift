package import Reduction

/// Decides what a member does for others as their relay: it adds nodes of its chunks along the tree and pushes the root
/// to the coordinator, and passes parameters on. It has no socket, no clock and no bulk data.
///
/// It holds the sums of one step. What comes of a later step replaces them, because a step does not begin before the
/// coordinator has all roots of the one before.
package struct RelayMachine {
  /// A connection's identity on the relay's socket.
  package typealias Peer = CoordinatorMachine.Peer

  package enum Event {
    /// The coordinator's routes; nil when the session is lost. `run` is the session's.
    case routes(Routes?, run: UInt64)
    /// The coordinator is at this step, so that others may push sums of it.
    case reached(step: Int)
    /// A message of another member. The driver holds the payload of `byteCount` bytes.
    case received(Header, byteCount: Int, from: Peer)
    /// A chunk of a node that this member has computed itself.
    case own(Node, step: Int, chunk: Int)
    /// A message could not be sent: the connection is gone.
    case unreachable(Peer)
  }

  package enum Action: Equatable {
    case pong(Header, to: Peer)
    /// Keep the payload just received, or a copy of the member's own chunk.
    case keep(Node, chunk: Int)
    /// Add the right sum to the left one, which becomes their parent's sum.
    case combine(left: Node, right: Node, chunk: Int)
    /// Drop the sum.
    case discard(Node, chunk: Int)
    /// Push the sum to the coordinator, and drop it.
    case push(Node, step: Int, chunk: Int)
    /// Drop all sums.
    case clear
  }

  private let plan: StepPlan
  private let chunks: ChunkLayout
  private var run: UInt64 = 0
  private var routes: Routes?
  /// The last step that the coordinator is known to be at.
  private var newestStep = -1
  private var step = -1
  private var tree: ReductionTree
  /// By chunk; nil after the root is pushed.
  private var sums: [Int: PartialSums?] = [:]
  /// Those to pass parameters on to.
  package private(set) var peers: Set<Peer> = []

  package static let mostPeers = 1024
  /// How many rounds others may be ahead of what this member knows: a member without leaves hears of skipped ones late.
  static let roundsAhead = 8

  package init(_ plan: StepPlan, _ chunks: ChunkLayout) {
    (self.plan, self.chunks) = (plan, chunks)
    tree = plan.tree(.train(step: 0))
  }

  /// What messages with others bear as their session; nil if this member is no relay.
  package var ticket: UInt64? { routes.flatMap { routes in routes.own.flatMap { routes.relays[$0]?.ticket } } }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .routes(let routes, let run):
      let isOther = routes == nil || run != self.run
      (self.routes, self.run) = (routes, run)
      guard isOther else { return [] }
      (newestStep, step, sums, peers) = (-1, -1, [:], [])
      return [.clear]
    case .reached(let step):
      newestStep = max(newestStep, step)
      return []
    case .own(let node, let step, let chunk): return add(node, step: step, chunk: chunk)
    case .unreachable(let peer):
      peers.remove(peer)
      return []
    case .received(let header, let byteCount, let peer): return receive(header, byteCount, from: peer)
    }
  }

  private mutating func receive(_ header: Header, _ byteCount: Int, from peer: Peer) -> [Action] {
    // Strangers and members of other sessions get no answer; they learn their routes from the coordinator.
    guard let ticket, header.session == ticket, header.run == run else { return [] }
    let (chunk, leaves) = (Int(header.chunk), header.leafRange)
    switch header.kind {
    case .ping:
      peers.remove(peer)
      let wantsParameters = header.chunk == 0
      guard !wantsParameters || peers.count < RelayMachine.mostPeers else { return [] }
      if wantsParameters { peers.insert(peer) }
      return [.pong(Header(.pong, run: run, session: ticket), to: peer)]
    case .push:
      guard let step = Int(exactly: header.step), step < plan.totalSteps, plan.isBetweenRounds(step),
        newestStep < 0 || plan.round(atStep: step) <= plan.round(atStep: newestStep) + RelayMachine.roundsAhead,
        chunk < chunks.count, header.vector == chunks.kind(chunk), header.element == chunks.element(chunk),
        byteCount == chunks.byteCount(chunk, header.element),
        plan.tree(.train(step: step)).contains(leaves)
      else { return [] }
      return add(Node(leaves), step: step, chunk: chunk)
    default: return []
    }
  }

  private mutating func add(_ node: Node, step: Int, chunk: Int) -> [Action] {
    guard step >= self.step else { return [] }
    var actions: [Action] = []
    if step > self.step {
      (self.step, sums, tree) = (step, [:], plan.tree(.train(step: step)))
      actions.append(.clear)
    }
    guard var known = sums[chunk, default: PartialSums(tree)], let (changes, top) = known.add(node) else {
      return actions
    }
    actions += changes.map { Action($0, chunk: chunk) }
    sums[chunk] = known
    if top == tree.root {
      sums[chunk] = .some(nil)
      actions.append(.push(top, step: step, chunk: chunk))
    }
    return actions
  }
}

extension RelayMachine.Action {
  fileprivate init(_ change: PartialSums.Change, chunk: Int) {
    self =
      switch change {
      case .keep(let node): .keep(node, chunk: chunk)
      case .discard(let node): .discard(node, chunk: chunk)
      case .combine(let left, let right): .combine(left: left, right: right, chunk: chunk)
      }
  }
}
