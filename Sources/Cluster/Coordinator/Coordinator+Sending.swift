internal import Kernels
internal import Optimizers
internal import Protocol
internal import ZeroMQ

/// How what ``CoordinatorMachine`` sends becomes messages, or records in shared memory.
extension Coordinator {
  /// Sends a message; false if the peer is gone.
  func send(_ header: Header, _ body: CoordinatorMachine.Body, to peer: CoordinatorMachine.Peer) throws -> Bool {
    if let outbox = links.outbox(to: peer), let record = record(header, body) {
      if case .roundStart = body { outbox.append(record, roundStart) } else { outbox.append(record) }
      return true
    }
    return try socket.send(header, payload(of: header, body, to: peer), to: peer)
  }

  /// The record that replaces the message for a worker with shared memory; nil if the message goes over the socket.
  private func record(_ header: Header, _ body: CoordinatorMachine.Body) -> Header? {
    var header = header
    switch body {
    case .parameters:
      guard let index = store.shared?.index(of: parameters(of: header)) else {
        preconditionFailure("parameters are outside of the memory that is shared")
      }
      header.sharedSlot = UInt64(index) + 1
    case .none where header.kind == .assign, .roundStart: header.sharedSlot = 1
    case .none, .welcome, .reason, .routes, .unassigned, .ways: return nil
    }
    return header
  }

  private func payload(
    of header: Header, _ body: CoordinatorMachine.Body, to peer: CoordinatorMachine.Peer
  ) -> Message? {
    switch body {
    case .none: return nil
    case .welcome:
      var welcome = welcome
      let member = machine.members[peer]
      // A relay on this machine may stand for a worker on another one.
      if isLocalPeer, member?.parent == nil { welcome.host = links.names }
      if member?.threads == 0 { welcome.summed = SummedJob(plan, chunks) }
      return Message(welcome.encodedPayload())
    case .reason(let reason): return Message(Reason(reason: reason).encodedPayload())
    case .routes(let routes): return Message(routes.encodedPayload())
    case .roundStart: return Message(roundStart)
    case .unassigned(let unassigned): return Message(unassigned.encodedPayload())
    case .ways(let ways): return Message(ways.encodedPayload())
    case .parameters(let chunk):
      let buffer = parameters(of: header)
      let values = buffer.values[chunks[chunk]]
      guard header.element != .bf16 else { return Message(packing: values) }
      return store.canLend ? Message(lending: values.bytes, of: buffer) : Message(copying: values.bytes)
    }
  }

  /// What a round that begins now starts from besides vectors.
  private var roundStart: [UInt8] {
    RoundStart(updates: store.state.updates, rateFactor: store.state.plateau.factor).encodedPayload()
  }

  private func parameters(of header: Header) -> FloatBuffer {
    store.parameters(isUpdated: header.step != UInt64(step), header.element)
  }
}
