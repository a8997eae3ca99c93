/// Decides at each CURVE handshake of a context's sockets whether the peer may come in (ZAP, ZeroMQ RFC 27).
///
/// Answers on a thread of its own, until it is let go.
package final class Gatekeeper: Sendable {
  private let thread: SocketThread

  /// Begins to answer; to be made before any socket of `context` listens.
  ///
  /// - Parameter admits: whether a peer with this key may come in from this address, an IP without a port. Called on the
  ///   thread that answers.
  package init(_ context: Context, admits: @escaping @Sendable (CurveKey, String) -> Bool) throws(ZeroMQError) {
    thread = try SocketThread(context, .router) { socket throws(ZeroMQError) in
      try socket.bind("inproc://zeromq.zap.01")
    } take: { socket, request throws(ZeroMQError) in
      // Sender, delimiter, version, request, domain, address, identity, mechanism, key.
      guard request.total == 9 else { return }
      let key = request.frames[7].text == "CURVE" ? CurveKey(request.frames[8].bytes) : nil
      let isAdmitted = key.map { admits($0, request.frames[5].text) } ?? false
      let (code, text) = isAdmitted ? ("200", "OK") : ("400", "this key is not admitted")
      for frame in [request.frames[0], Message(""), Message("1.0"), request.frames[3]] {
        try socket.send(frame, more: true)
      }
      // The user's name and metadata stay empty.
      for frame in [code, text, ""] { try socket.send(Message(frame), more: true) }
      try socket.send(Message(""))
    }
  }
}

extension Message {
  fileprivate convenience init(_ text: String) {
    self.init(count: text.utf8.count)
    mutableBytes.copyBytes(from: text.utf8)
  }

  fileprivate var text: String { String(decoding: bytes, as: UTF8.self) }
}
