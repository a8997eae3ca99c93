internal import Protocol
package import Schema
internal import ZeroMQ

/// Refuses addresses that are neither tcp nor ipc, and ports out of range, which ZeroMQ would take modulo 65536.
///
/// - Parameter option: the option that gives the address. To `bind`, port 0 or * is any free one.
/// - Throws: ``OptionError``.
package func checkEndpoint(_ endpoint: String, of option: String) throws(OptionError) {
  guard endpoint.hasPrefix("tcp://") else {
    guard endpoint.hasPrefix("ipc://") else {
      throw OptionError("--\(option) \(endpoint): an address is tcp://HOST:PORT or ipc://PATH")
    }
    return
  }
  let parts = endpoint.dropFirst("tcp://".count).split(separator: ":", omittingEmptySubsequences: false)
  guard parts.count > 1, let port = parts.last else {
    throw OptionError("--\(option) \(endpoint): the port is missing; an address is tcp://HOST:PORT")
  }
  let isAny = option == "bind" && ["0", "*"].contains(port)
  guard isAny || Int(port).map({ (1...65535).contains($0) }) == true else {
    let any = option == "bind" ? ", or 0 for any free one" : ""
    throw OptionError("--\(option) \(endpoint): '\(port)' is no port; ports are 1 to 65535\(any)")
  }
}

extension Socket {
  /// Listens on the address that `--bind` gave.
  ///
  /// - Throws: ``TrainingError`` that says why it cannot.
  func listen(_ endpoint: String) throws(TrainingError) {
    do throws(ZeroMQError) {
      try bind(endpoint)
    } catch {
      throw TrainingError(
        error.isAddressInUse
          ? "\(endpoint) is in use by another process: choose another port with --bind, or port 0 for any free one"
          : "--bind \(endpoint): \(error)")
    }
  }
}
