import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

@Suite struct RemoteHostTests {
  @Test(
    arguments: [
      ("a", "a", 1), ("a:8", "a", 8), ("user@a.example:16", "user@a.example", 16), ("10.0.0.7:2", "10.0.0.7", 2),
      ("[fe80::1]:8", "fe80::1", 8), ("[::1]", "::1", 1), ("user@[fe80::1]:4", "user@fe80::1", 4),
    ])
  func aHostAndItsThreads(_ text: String, _ name: String, _ threads: Int) throws {
    let host = try RemoteHost(text)
    #expect(host.name == name && host.threads == threads)
  }

  @Test(arguments: ["", ":8", "a:", "a:0", "a:-1", "a:x", "a:1025", "-oProxyCommand=x", "a b", "fe80::1", "fe80::1:8"])
  func whatIsNoHostIsRefused(_ text: String) {
    #expect(throws: TrainingError.self) { try RemoteHost(text) }
  }

  @Test(arguments: [
    ("a-b_c/d.e:f=g,h+i@j%k", "a-b_c/d.e:f=g,h+i@j%k"), ("", "''"), ("a b", "'a b'"), ("a'b", #"'a'\''b'"#),
  ])
  func aWordOfAShell(_ text: String, _ quoted: String) {
    #expect(shellQuoted(text) == quoted)
  }
}
