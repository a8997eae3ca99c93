internal import Foundation
internal import Kernels
internal import Protocol

/// Shared memory between a coordinator and the workers on its machine: vectors, and pipes for records.
struct LocalLinks {
  typealias Peer = CoordinatorMachine.Peer

  private struct Link {
    let session: UInt64
    let gradients: SharedVectors
    let outbox: RecordOutbox
  }

  /// Receives workers' records; nil if nothing is shared.
  let inbox: RecordInbox?
  /// The names of the shared parameters and the inbox; nil if nothing is shared.
  let names: SharedMemoryNames?
  private let parameters: SharedVectors?
  private let chunks: ChunkLayout
  private var links: [Peer: Link] = [:]
  /// Whether to warn of a worker on this machine with which no memory can be shared.
  private var shouldWarn: Bool

  /// - Parameter parameters: the vectors that workers may read; nil if nothing is shared.
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

  /// Opens the shared memory of the worker `peer` before it is admitted. Memory of the coordinator or of another worker
  /// is refused. Closes the links of peers that are not `members`.
  mutating func open(
    _ names: SharedMemoryNames?, with peer: Peer, _ session: UInt64, keeping members: some Collection<Peer>
  ) {
    let gone = Set(links.keys).subtracting(members)
    for peer in gone { links[peer] = nil }
    links[peer] = nil
    links[peer] = names.flatMap { names in
      let known = links.values.map(\.gradients) + [parameters].compactMap(\.self)
      // Opened for writing, because sums are computed in place.
      guard inbox != nil, names.vectors.count == chunks.valueCount,
        names.vectors.process != getpid(), names.inbox.process != getpid(),
        let gradients = SharedVectors(names.vectors, isWritable: true, otherThan: known),
        names.inbox.inode != inbox?.name.inode, let outbox = RecordOutbox(names.inbox)
      else { return nil }
      return Link(session: session, gradients: gradients, outbox: outbox)
    }
  }

  /// The peer that has `session`.
  func peer(of session: UInt64) -> Peer? { links.first { $0.value.session == session }?.key }

  /// The outbox for records to `peer`; nil if all messages go over the socket.
  func outbox(to peer: Peer) -> RecordOutbox? { links[peer]?.outbox }

  /// A chunk of the gradient in vector `index` of `peer`; nil if there is none.
  func gradient(_ index: Int, chunk: Int, of peer: Peer) -> FloatBuffer? {
    guard let vectors = links[peer]?.gradients, index < vectors.name.vectors, chunk < chunks.count else { return nil }
    return vectors[index].part(chunks[chunk])
  }

  /// Writes waiting records; true if some still wait.
  @discardableResult func flush() -> Bool {
    var isWaiting = false
    for link in links.values where !link.outbox.isEmpty {
      link.outbox.flush()
      isWaiting = isWaiting || !link.outbox.isEmpty
    }
    return isWaiting
  }

  /// The warning if `peer` has joined from this machine but shares no memory. Given once.
  mutating func warning(of member: Member, _ peer: Peer) -> String? {
    guard shouldWarn, links[peer] == nil, member.name.hasPrefix(Worker.host + "/") else { return nil }
    shouldWarn = false
    return "worker \(member.number) (\(member.name)) is on this machine, but no memory can be shared with it: "
      + "parameters and gradients go over the socket"
  }
}
