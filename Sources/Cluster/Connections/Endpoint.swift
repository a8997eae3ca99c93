internal import Protocol

/// Refuses addresses that are neither tcp nor ipc, and ports out of range, which ZeroMQ would take modulo 65536.
func checkEndpoint(_ endpoint: String) throws {
  if endpoint.hasPrefix("tcp://") {
    let port = endpoint.split(separator: ":", omittingEmptySubsequences: false).last.map(String.init) ?? ""
    guard port == "*" || Int(port).map({ (1...65535).contains($0) }) == true else {
      throw TrainingError("--bind \(endpoint): '\(port)' is no port; ports are 1 to 65535, or 0 for any free one")
    }
  } else if !endpoint.hasPrefix("ipc://") {
    throw TrainingError("--bind \(endpoint): an address is tcp://HOST:PORT or ipc://PATH")
  }
}
