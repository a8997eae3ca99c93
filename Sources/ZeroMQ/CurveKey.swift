internal import CZeroMQ
internal import Foundation

/// A public CURVE key (Curve25519): 32 bytes, written in base64.
package struct CurveKey: Hashable, Sendable, CustomStringConvertible {
  let bytes: [UInt8]

  /// nil unless `bytes` are 32.
  init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    self.bytes = Array(bytes)
  }

  /// nil unless `base64` encodes 32 bytes.
  package init?(base64: some StringProtocol) {
    guard let data = Data(base64Encoded: String(base64)) else { return nil }
    self.init(data)
  }

  /// 44 characters of base64.
  package var description: String { Data(bytes).base64EncodedString() }
}

/// A secret CURVE key with its public key. Printing it shows only the public key.
package struct CurveKeyPair: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The most bytes that encryption adds to a frame: a command name, a nonce, an authentication tag, flags.
  package static let messageOverhead = 64

  /// The key by which peers identify this side.
  package let publicKey: CurveKey
  let secretBytes: [UInt8]

  /// A new pair from the system's random numbers.
  package static func random() throws(ZeroMQError) -> CurveKeyPair {
    var publicText = [CChar](repeating: 0, count: 41)
    var secretText = publicText
    guard zmq_curve_keypair(&publicText, &secretText) == 0 else { throw ZeroMQError("make a key pair") }
    return CurveKeyPair(publicText, secretText)
  }

  /// The pair of a secret key as ``secretBase64`` writes it.
  package init?(secretBase64: some StringProtocol) {
    guard let bytes = Data(base64Encoded: String(secretBase64)), bytes.count == 32 else { return nil }
    var secretText = [CChar](repeating: 0, count: 41)
    var publicText = secretText
    guard zmq_z85_encode(&secretText, Array(bytes), bytes.count) != nil,
      zmq_curve_public(&publicText, secretText) == 0
    else { return nil }
    self.init(publicText, secretText)
  }

  private init(_ publicText: [CChar], _ secretText: [CChar]) {
    func decoded(_ text: [CChar]) -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: 32)
      let decoded = zmq_z85_decode(&bytes, text)
      precondition(decoded != nil, "ZeroMQ's own key cannot be decoded")
      return bytes
    }
    guard let key = CurveKey(decoded(publicText)) else { preconditionFailure("a key has 32 bytes") }
    publicKey = key
    secretBytes = decoded(secretText)
  }

  /// 44 characters of base64, for a file that only its owner can read.
  package var secretBase64: String { Data(secretBytes).base64EncodedString() }

  package var description: String { "\(publicKey)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKey]) }
}

extension Socket {
  /// Encrypts connections that are accepted from now on, and authenticates this side with `pair`. A ``Gatekeeper`` of
  /// the same context decides which peers are admitted.
  package func secure(asServer pair: CurveKeyPair) throws(ZeroMQError) {
    try set(ZMQ_CURVE_SERVER, Int32(1))
    try set(ZMQ_CURVE_SECRETKEY, pair.secretBytes)
    try set(ZMQ_ZAP_DOMAIN, Array("lockstep".utf8))
  }

  /// Encrypts connections that are opened from now on, and authenticates this side with `pair`. Only a peer that has
  /// the secret key of `server` is accepted.
  package func secure(asClient pair: CurveKeyPair, of server: CurveKey) throws(ZeroMQError) {
    try set(ZMQ_CURVE_SERVERKEY, server.bytes)
    try set(ZMQ_CURVE_PUBLICKEY, pair.publicKey.bytes)
    try set(ZMQ_CURVE_SECRETKEY, pair.secretBytes)
  }
}
