internal import Foundation

/// Refuses addresses that ZeroMQ would listen on in a way that nobody means.
///
/// ZeroMQ takes ports modulo 65536, and removes whatever stands at an `ipc://` path, be it a file or the socket of a
/// coordinator that runs.
func checkEndpoint(_ endpoint: String) throws {
  if endpoint.hasPrefix("tcp://") {
    let port = endpoint.split(separator: ":", omittingEmptySubsequences: false).last.map(String.init) ?? ""
    guard port == "*" || Int(port).map({ (1...65535).contains($0) }) == true else {
      throw TrainingError("--bind \(endpoint): '\(port)' is no port; ports are 1 to 65535, or 0 for any free one")
    }
  } else if endpoint.hasPrefix("ipc://") {
    try checkSocketPath(String(endpoint.dropFirst("ipc://".count)), of: endpoint)
  } else {
    throw TrainingError("--bind \(endpoint): an address is tcp://HOST:PORT or ipc://PATH")
  }
}

private func checkSocketPath(_ path: String, of endpoint: String) throws {
  var status = stat()
  guard lstat(path, &status) == 0 else { return }
  guard status.st_mode & S_IFMT == S_IFSOCK else {
    throw TrainingError("--bind \(endpoint): there is a file already, and it is no socket")
  }
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let fits = withUnsafeMutableBytes(of: &address.sun_path) { target -> Bool in
    guard path.utf8.count < target.count else { return false }
    target.copyBytes(from: path.utf8)
    return true
  }
  #if canImport(Darwin)
    let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
  #else
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  #endif
  guard fits, descriptor >= 0 else { return }
  defer { close(descriptor) }
  let answer = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
  guard answer != 0 else {
    throw TrainingError("\(endpoint) is in use by another process: choose another path with --bind")
  }
}
