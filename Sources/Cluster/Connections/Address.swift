internal import Foundation

/// Whether only this machine can reach an address: it is a socket's file, a loopback address or none.
package func isLocal(_ endpoint: String) -> Bool {
  guard endpoint.hasPrefix("tcp://") else { return true }
  guard let colon = endpoint.lastIndex(of: ":") else { return false }
  let host = String(endpoint[..<colon].dropFirst("tcp://".count))
  if ["localhost", "lo", "[::1]"].contains(host) { return true }
  var address = in_addr()
  return inet_pton(AF_INET, host, &address) == 1 && UInt32(bigEndian: address.s_addr) >> 24 == 127
}

/// The path of an `ipc://` address; nil if it has no file, as abstract sockets do.
package func socketPath(_ endpoint: String) -> String? {
  guard endpoint.hasPrefix("ipc://") else { return nil }
  let path = endpoint.dropFirst("ipc://".count)
  return path.isEmpty || path == "*" || path.hasPrefix("@") ? nil : String(path)
}
