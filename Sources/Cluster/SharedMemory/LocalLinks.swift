internal import Foundation
internal import Kernels
internal import Protocol

/// What a coordinator shares with the workers on its machine: their gradients' memory, and messages past the socket.
struct LocalLinks {
  typealias Peer = CoordinatorMachine.Peer

  private struct Link {
    let session: UInt64
    /// Where the worker leaves gradients.
    let gradients: SharedVectors
    let outbox: RecordOutbox
  }

  /// Where workers put messages; nil where nothing is shared.
  let inbox: RecordInbox?
  /// Where workers find the parameters and the inbox; nil where nothing is shared. Only for processes of this user on
  /// this machine.
  let names: SharedMemoryNames?
  private let parameters: SharedVectors?
  private let chunks: ChunkLayout
  private var links: [Peer: Link] = [:]
  /// Whether memory is to be shared with a worker on this machine, and it was not said yet that it cannot be.
  private var shouldWarn: Bool

  /// - Parameter parameters: the vectors that workers may read; nil shares nothing.
  init(sharing parameters: SharedVectors?, _ chunks: ChunkLayout, warnsIfUnshared: Bool) {
    self.parameters = parameters
    inbox = parameters == nil ? nil : RecordInbox(marker: Header.firstBytes)
    names = parameters.flatMap { [inbox] in
      guard let inbox else { return nil }
      return SharedMemoryNames(vectors: $0.name, inbox: inbox.name)
    }
    self.chunks = chunks
    shouldWarn = warnsIfUnshared
  }

  /// Opens what the worker `peer`, which is about to be admitted, shares; it is told in its assignments whether that
  /// worked. What is the coordinator's own, or another worker's, is refused. Lets go of those that are not among `members`.
  mutating func open(
    _ names: SharedMemoryNames?, with peer: Peer, _ session: UInt64, keeping members: some Collection<Peer>
  ) {
    let gone = Set(links.keys).subtracting(members)
    for peer in gone { links[peer] = nil }
    links[peer] = nil
    links[peer] = names.flatMap { names in
      let known = links.values.map(\.gradients) + [parameters].compactMap(\.self)
      // Written, because sums are computed in place.
      guard inbox != nil, names.vectors.count == chunks.parameterCount,
        names.vectors.process != getpid(), names.inbox.process != getpid(),
        let gradients = SharedVectors(names.vectors, isWritable: true, otherThan: known),
        names.inbox.inode != inbox?.name.inode, let outbox = RecordOutbox(names.inbox)
      else { return nil }
      return Link(session: session, gradients: gradients, outbox: outbox)
    }
  }

  /// Whose `session` is.
  func peer(of session: UInt64) -> Peer? { links.first { $0.value.session == session }?.key }

  /// What goes past the socket to `peer`; nil where all must go over it.
  func outbox(to peer: Peer) -> RecordOutbox? { links[peer]?.outbox }

  /// A chunk of the gradient that `peer` has left in its vector `index`; nil where there is none.
  func gradient(_ index: Int, chunk: Int, of peer: Peer) -> FloatBuffer? {
    guard let vectors = links[peer]?.gradients, index < vectors.name.vectors, chunk < chunks.count else { return nil }
    return vectors[index].part(chunks[chunk])
  }

  /// Sends what waits to be sent; whether some of it still does.
  @discardableResult func flush() -> Bool {
    var isWaiting = false
    for link in links.values where !link.outbox.isEmpty {
      link.outbox.flush()
      isWaiting = isWaiting || !link.outbox.isEmpty
    }
    return isWaiting
  }

  /// What to say, once, where `peer` has just joined from this machine and shares no memory all the same.
  mutating func warning(of member: Member, _ peer: Peer) -> String? {
    guard shouldWarn, links[peer] == nil, member.name.hasPrefix(Worker.host + "/") else { return nil }
    shouldWarn = false
    return "worker \(member.number) (\(member.name)) is on this machine, but no memory can be shared with it: "
      + "parameters and gradients go over the socket"
  }
}
