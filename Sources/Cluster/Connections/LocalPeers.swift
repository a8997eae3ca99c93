internal import Foundation

/// Tells which peers are processes of this user on this machine, so that memory can be shared with them.
struct LocalPeers {
  /// This machine's IPs at the start.
  private let addresses: Set<String>

  init() { addresses = ownAddresses() }

  /// Whether a peer at `address` runs on this machine and, as far as the address says, for this user. An IP does not
  /// say the user; the system checks that when shared memory is opened.
  ///
  /// - Parameter address: as in `Message.peerAddress`.
  func contains(_ address: String?) -> Bool {
    guard let address else { return false }
    let parts = address.split(separator: ":", omittingEmptySubsequences: false)
    // The address of a peer that has connected to a socket's file.
    if parts.count == 4, parts[0] == "localhost" { return UInt32(parts[1]) == geteuid() }
    return addresses.contains(address)
  }
}

private func ownAddresses() -> Set<String> {
  var first: UnsafeMutablePointer<ifaddrs>?
  guard getifaddrs(&first) == 0 else { return [] }
  defer { freeifaddrs(first) }
  var addresses: Set<String> = []
  for entry in sequence(first: first, next: { $0?.pointee.ifa_next }) {
    guard let address = entry?.pointee.ifa_addr else { continue }
    let length: Int
    switch Int32(address.pointee.sa_family) {
    case AF_INET: length = MemoryLayout<sockaddr_in>.size
    case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
    default: continue
    }
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard getnameinfo(address, socklen_t(length), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
      continue
    }
    addresses.insert(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
  }
  return addresses
}
