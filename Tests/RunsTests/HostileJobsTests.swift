import TestSupport
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Runs
@testable import Schema

/// Spoiled YAML jobs: each is read or refused.
@Suite struct HostileJobsTests {
  @Test func spoiledJobs() throws {
    // A job takes 80 µs in a debug build; the fuzzer reads many millions.
    let read = try readSpoiled("jobs", count: randomCases(200_000), readJob)
    #expect(read > randomCases(100))
  }

  @Test(
    "jobs of great depth or many copies",
    arguments: [
      String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 100_000),
      String(repeating: "- ", count: 100_000),
      "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + zip("bcdefghij", "abcdefghi").map {
          "\($0): &\($0) [*\($1),*\($1),*\($1),*\($1),*\($1),*\($1),*\($1),*\($1)]\n"
        }
        .joined(),
    ])
  func deepJobs(_ text: String) throws {
    #expect(try !readJob(Array(text.utf8)))
  }

  @Test func memoryIsBoundedByTheTextsLength() throws {
    for text in [
      "a: [" + String(repeating: "x,", count: 50_000) + "]", "a: " + String(repeating: "x", count: 100_000),
      String(repeating: "a:\n", count: 30_000), (0..<10_000).map { "\($0):\n" }.joined(),
      String(repeating: "- &a\n", count: 20_000), String(repeating: "#\n", count: 50_000),
      "a: \"" + String(repeating: "\\x41", count: 20_000) + "\"", String(repeating: "---\n", count: 20_000),
      "[" + String(repeating: "!a ,", count: 20_000), "? " + String(repeating: "\n", count: 50_000),
    ] {
      _ = try readJob(Array(text.utf8))
    }
  }
}
