internal import Foundation
internal import Kernels

/// Who may read what the server shows.
///
/// There is no TLS. On loopback every process of this machine may read; a web page from elsewhere, which a browser here has
/// opened, must not: the Host header must name this machine (else a name that is made to resolve to it, "DNS rebinding",
/// would do) and the Origin header must agree with it. With a token, who knows it may read.
struct AccessPolicy: Sendable {
  /// Nil for none.
  let token: String?
  /// Names of this machine besides addresses and `localhost`, in lower case.
  let names: Set<String>

  /// Browsers do not tell ports apart, so servers with other tokens have other names.
  private static func cookie(_ digest: String) -> String { "lockstep_\(digest.prefix(8))" }

  /// The answer to a request that is refused, or that brings the token; nil to go on.
  func answer(_ request: Request) -> Response? {
    guard request.method == "GET" || request.method == "HEAD" else {
      var response = Response(405, "only GET and HEAD are answered: a run can be seen here, not changed")
      response.headers["Allow"] = "GET, HEAD"
      return response
    }
    // Probes of Kubernetes bring neither; these answers say no more than whether it goes on.
    if ["/healthz", "/readyz"].contains(request.path) { return nil }
    let bearer = request.headers["authorization"].flatMap {
      $0.lowercased().hasPrefix("bearer ") ? String($0.dropFirst(7)) : nil
    }
    if let token, let bearer, isEqual(bearer, token) { return nil }
    guard let host = request.headers["host"], !request.isAmbiguous, isOwn(host) else {
      return Response(
        421, "the Host header does not name this machine: open the page by an address, localhost or the machine's name")
    }
    if let origin = request.headers["origin"], !isOrigin(origin, host) {
      return Response(403, "the request comes from another page")
    }
    guard let token else { return nil }
    let digest = Self.digest(token)
    if let given = request.query["token"], isEqual(given, token) {
      // So that the token does not stay in the address bar.
      var response = Response(303, "")
      response.headers["Location"] = request.path.hasPrefix("//") ? "/" : request.path
      response.headers["Set-Cookie"] = "\(Self.cookie(digest))=\(digest); HttpOnly; SameSite=Lax; Path=/"
      return response
    }
    let cookies = (request.headers["cookie"] ?? "").split(separator: ";").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    let name = Self.cookie(digest) + "="
    if cookies.contains(where: { $0.hasPrefix(name) && isEqual($0.dropFirst(name.count), digest) }) { return nil }
    var response = Response(
      401, "a token is needed: open /?token=… with the content of --dashboard-token-file, or send it as a bearer token")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
  }

  private static func digest(_ token: String) -> String {
    var hash = SHA256()
    Array("lockstep \(token)".utf8).withUnsafeBytes { hash.update($0) }
    return hash.digest.hex
  }

  /// The host of a `Host` header, without the port. The port may be another one, as with a forwarded connection.
  static func hostName(_ header: String) -> String? {
    if header.hasPrefix("[") {
      guard let end = header.firstIndex(of: "]") else { return nil }
      return String(header[header.index(after: header.startIndex)..<end])
    }
    return header.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init)
  }

  private func isOwn(_ header: String) -> Bool {
    guard let host = Self.hostName(header)?.lowercased(), !host.isEmpty else { return false }
    return host == "localhost" || names.contains(host) || Self.isAddress(host)
  }

  static func isAddress(_ host: String) -> Bool {
    var four = in_addr()
    var six = in6_addr()
    return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1
  }

  private func isOrigin(_ origin: String, _ host: String) -> Bool {
    guard let range = origin.range(of: "://") else { return false }
    return origin[range.upperBound...].lowercased() == host.lowercased()
  }

  /// Takes as long for every text of a length.
  private func isEqual(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
    let (left, right) = (Array(left.utf8), Array(right.utf8))
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
