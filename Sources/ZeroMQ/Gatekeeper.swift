/// Decides at each CURVE handshake of a context's sockets whether the peer is admitted (ZAP, ZeroMQ RFC 27).
///
/// Works on its own thread until it is deallocated.
package final class Gatekeeper: Sendable {
  private let thread: SocketThread

  /// Must be created before any socket of `context` listens.
  ///
  /// - Parameter admits: whether to admit a peer with this key and IP address. Called on the gatekeeper's thread.
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
      // User ID and metadata are empty.
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
