internal import Foundation
internal import Protocol

/// The address to which workers on other machines connect.
struct AdvertisedAddress {
  /// Such as `tcp://10.0.0.7:5555`.
  let address: String
  /// How the address was chosen, for output; empty if the user gave it.
  let remark: String

  /// The address of a coordinator that listens on `listening`.
  ///
  /// - Parameter host: this machine's name as the user gave it; nil takes its address on the route to other networks.
  /// - Throws: if it listens on all interfaces and only loopback is up.
  init(of listening: String, as host: String?) throws {
    let colon = listening.lastIndex(of: ":") ?? listening.endIndex
    let port = listening[colon...]
    if let host {
      guard listening.hasPrefix("tcp://") else {
        throw TrainingError("--advertise \(host): \(listening) is reached on this machine alone")
      }
      address = "tcp://\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host)\(port)"
      remark = ", reached as \(host)"
      return
    }
    guard ["tcp://0.0.0.0", "tcp://[::]", "tcp://*"].contains(String(listening[..<colon])) else {
      (address, remark) = (listening, "")
      return
    }
    let interfaces = networkAddresses()
    guard let chosen = interfaces.first(where: { $0.address == outgoingAddress() }) ?? interfaces.first else {
      throw TrainingError(
        "\(listening): no network interface but loopback is up, so no other machine can reach this one; "
          + "--bind tcp://127.0.0.1\(port) keeps to this machine, --advertise HOST names what others call it")
    }
    address = "tcp://\(chosen.address)\(port)"
    let others = interfaces.count > 1 ? " of \(interfaces.count)" : ""
    remark = ", reached as \(chosen.address) (interface \(chosen.name)\(others); --advertise HOST for another)"
  }
}

/// The IPv4 addresses of all interfaces that are up, except loopback.
private func networkAddresses() -> [(name: String, address: String)] {
  var first: UnsafeMutablePointer<ifaddrs>?
  guard getifaddrs(&first) == 0 else { return [] }
  defer { freeifaddrs(first) }
  return sequence(first: first, next: { $0?.pointee.ifa_next }).prefix { $0 != nil }.compactMap { entry in
    guard let entry = entry?.pointee, let address = entry.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET),
      entry.ifa_flags & UInt32(IFF_UP) != 0, entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0
    else { return nil }
    return (String(cString: entry.ifa_name), text(address))
  }
}

/// This machine's IPv4 address on the default route. Sends nothing.
private func outgoingAddress() -> String? {
  #if canImport(Darwin)
    let descriptor = socket(AF_INET, SOCK_DGRAM, 0)
  #else
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
  #endif
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  // An address reserved for documentation, which takes the default route.
  var target = sockaddr_in()
  target.sin_family = sa_family_t(AF_INET)
  target.sin_port = UInt16(9).bigEndian
  inet_pton(AF_INET, "192.0.2.1", &target.sin_addr)
  var own = sockaddr_in()
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let isFound = withUnsafeMutablePointer(to: &own) { own in
    own.withMemoryRebound(to: sockaddr.self, capacity: 1) { own in
      withUnsafePointer(to: &target) { target in
        target.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
      } == 0 && getsockname(descriptor, own, &length) == 0
    }
  }
  guard isFound else { return nil }
  return withUnsafeMutablePointer(to: &own) { own in
    own.withMemoryRebound(to: sockaddr.self, capacity: 1) { text($0) }
  }
}

private func text(_ address: UnsafeMutablePointer<sockaddr>) -> String {
  var characters = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
  return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
    var address = pointer.pointee.sin_addr
    guard inet_ntop(AF_INET, &address, &characters, socklen_t(INET_ADDRSTRLEN)) != nil else { return "" }
    return String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
