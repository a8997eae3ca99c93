import Foundation
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

@Suite struct LocalPeersTests {
  @Test func aLocalPeerIsAProcessOfThisUserOnThisMachine() {
    let localPeers = LocalPeers()
    #expect(localPeers.contains("127.0.0.1"))
    #expect(localPeers.contains("localhost:\(geteuid()):0:123"))
    for other in [
      nil, "", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "localhost:\(geteuid() + 1):0:123", "localhost",
      "localhost:x:0:1", "localhost::0:1", "localhost:0:0:0:0", "other:\(geteuid()):0:123",
    ] as [String?] {
      #expect(!localPeers.contains(other), "\(other ?? "nil")")
    }
  }
}
