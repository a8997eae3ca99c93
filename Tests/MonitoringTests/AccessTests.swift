import Foundation
import Testing

@testable import Files
@testable import Monitoring
@testable import Runs

/// Who may read what the server shows.
@Suite struct AccessTests {
  private func request(
    _ target: String = "/", method: String = "GET", host: String? = "127.0.0.1:8270", _ more: [(String, String)] = []
  ) -> Request {
    Request(method: method, target: target, headers: (host.map { [("Host", $0)] } ?? []) + more)
  }

  private let open = AccessPolicy(token: nil, names: ["nova", "nova.example.org"])
  private let closed = AccessPolicy(token: "0123456789abcdef", names: ["nova"])

  @Test(
    "addresses, localhost and this machine's names may be asked",
    arguments: [
      "127.0.0.1:8270", "127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8270", "10.1.2.3:80", "Nova:1",
      "nova.example.org",
    ])
  func hosts(_ host: String) { #expect(open.answer(request(host: host)) == nil) }

  @Test(
    "other names may not: they may have been made to resolve to this machine",
    arguments: [
      "evil.example:8270", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "nova.evil.example",
      "evil@localhost",
    ])
  func rebinding(_ host: String) { #expect(open.answer(request(host: host))?.status == 421) }

  @Test("a request needs one Host header")
  func missingHost() {
    #expect(open.answer(request(host: nil))?.status == 421)
    #expect(open.answer(request(host: "localhost", [("Host", "evil.example")]))?.status == 421)
  }

  @Test("a request that another page makes is refused")
  func origin() {
    #expect(open.answer(request("/api/runs", [("Origin", "http://127.0.0.1:8270")])) == nil)
    for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", ""] {
      #expect(open.answer(request("/api/runs", [("Origin", origin)]))?.status == 403, "\(origin)")
    }
  }

  @Test("nothing but reading is answered", arguments: ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"])
  func methods(_ method: String) {
    let answer = open.answer(request(method: method))
    #expect(answer?.status == 405 && answer?.headers["Allow"] == "GET, HEAD")
    #expect(open.answer(request(method: "HEAD")) == nil)
  }

  @Test("with a token, nothing is shown without it")
  func token() throws {
    #expect(closed.answer(request())?.status == 401)
    #expect(closed.answer(request("/metrics"))?.status == 401)
    #expect(closed.answer(request("/?token=0123456789abcdeX"))?.status == 401)
    #expect(closed.answer(request("/?token=0123456789abcde"))?.status == 401)
    #expect(
      closed.answer(request("/metrics", host: "evil.example", [("Authorization", "Bearer 0123456789abcdef")])) == nil)
    #expect(closed.answer(request("/metrics", [("Authorization", "Bearer wrong")]))?.status == 401)
    let answer = try #require(closed.answer(request("/?token=0123456789abcdef")))
    #expect(answer.status == 303 && answer.headers["Location"] == "/")
    let cookie = try #require(answer.headers["Set-Cookie"]?.split(separator: ";").first.map(String.init))
    #expect(
      !cookie.contains("0123456789abcdef")
        && answer.headers["Set-Cookie"]?.contains("HttpOnly; SameSite=Lax") == true)
    #expect(closed.answer(request("/api/runs", [("Cookie", "a=b; \(cookie)")])) == nil)
    #expect(closed.answer(request("/api/runs", [("Cookie", cookie + "0")]))?.status == 401)
    // A page of another site has no cookie, and a name of another site is not this machine's even with one.
    #expect(closed.answer(request("/api/runs", host: "evil.example", [("Cookie", cookie)]))?.status == 421)
  }

  @Test("probes need neither")
  func probes() {
    #expect(closed.answer(request("/healthz", host: nil)) == nil && closed.answer(request("/readyz", host: "x")) == nil)
  }

  @Test("a token's file is a secret of enough plain characters")
  func tokenFile() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("token-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    func read(_ text: String, mode: Int = 0o600) throws -> String {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      return try AccessToken.read(path)
    }
    #expect(try read("0123456789abcdef\n") == "0123456789abcdef")
    for text in ["", "short", "0123456789 abcdef", "0123456789abcdéf", String(repeating: "a", count: 600)] {
      #expect(throws: FileError.self, "\(text)") { try read(text) }
    }
    #expect { try read("0123456789abcdef", mode: 0o644) } throws: { "\($0)".contains("chmod 600") }
    #expect(throws: FileError.self) { try AccessToken.read("/") }
    #expect(throws: FileError.self) { try AccessToken.read("/nowhere") }
  }

  @Test("an address is a host and a port")
  func addresses() throws {
    #expect(try ServerAddress("127.0.0.1:0") == ServerAddress(host: "127.0.0.1", port: 0))
    #expect(try ServerAddress("[::1]:80").description == "[::1]:80")
    for text in ["127.0.0.1", ":80", "host:", "host:65536", "host:-1", "http://host:80", "host:8o", "a/b:1"] {
      #expect(throws: AddressError.self, "\(text)") { try ServerAddress(text) }
    }
    for text in ["127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"] { #expect(try ServerAddress(text).isLoopback) }
    for text in ["0.0.0.0:1", "127.evil.example:1", "[::]:1", "10.0.0.1:1"] {
      #expect(try !ServerAddress(text).isLoopback)
    }
  }

  @Test("what is not there is not found, and what is asked wrongly is refused")
  func answers() throws {
    let folder = try RunFolderFixture()
    var site = Site(hasPage: true, command: "train", version: "1")
    site.add(.run(try RunFeed(folder.path)))
    func status(_ target: String) -> Int {
      guard case .response(let response) = site.answer(request(target), at: 0) else { return 0 }
      return response.status
    }
    for target in [
      "/", "/app.js", "/style.css", "/api/runs", "/api/runs/0", "/api/runs/0/curves?points=10", "/metrics", "/healthz",
    ] {
      #expect(status(target) == 200, "\(target)")
    }
    for target in [
      "/x", "/../job.yaml", "/%2e%2e/etc/passwd", "//", "/api/runs/1", "/api/runs/-1", "/api/runs/x", "/api/runs/0/x",
      "/api/runs/0/curves/x", "/api/runs/", "/index.html/", "",
    ] { #expect(status(target) == 404, "\(target)") }
    for query in ["points=0", "points=99999", "points=x", "from=5&to=1", "from=x", "to="] {
      #expect(status("/api/runs/0/curves?\(query)") == 400, "\(query)")
    }
    #expect(status("/readyz") == 503)
    let metrics = Site(hasPage: false, command: "train", version: "1")
    guard case .response(let response) = metrics.answer(request("/"), at: 0) else { return }
    #expect(response.status == 404)
  }

  @Test("all files of the page are served")
  func files() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources/Monitoring/Page")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(Set(names) == Set(PageFiles.files.keys))
    for name in names {
      #expect(
        try PageFiles.response("/\(name)")?.body == [UInt8](Data(contentsOf: folder.appendingPathComponent(name))))
    }
    #expect(PageFiles.response("/")?.headers["Content-Security-Policy"]?.contains("default-src 'none'") == true)
  }
}
