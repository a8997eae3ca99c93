import Foundation
import TestSupport
import Testing

@testable import Training

/// Spoiled YAML jobs: each is read or refused.
@Suite struct HostileJobsTests {
  private func merge(_ bytes: [UInt8]) throws {
    let path = NSTemporaryDirectory() + "lockstep-job-\(UUID()).yaml"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    var options = JobOptions()
    try options.merge(file: path)
  }

  @Test func spoiledJobs() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("HostileJobsTests: seed \(seed)")
    var mutator = Mutator(seed: seed)
    let corpus = [
      "data: digits\nmodel: mlp:64,32\nbatch-size: 128\nlearning-rate: 0.001\n",
      "# a job\nepochs: 3\noptimizer: adam\nseed: 7\nmicro-batches: 8\n", "{steps: 10, loss: cross-entropy}\n",
      "dropout: &a 0.5\ntest-fraction: *a\n", "? [a, b]\n: |\n  text\n  more\n",
    ].map { Array($0.utf8) }
    var read = 0
    for _ in 0..<10_000 {
      do {
        try merge(
          mutator.mutated(
            corpus.randomElement(using: &mutator.generator)!, with: corpus.randomElement(using: &mutator.generator)!))
        read += 1
      } catch is JobError {}
    }
    #expect(read > 100, "seed \(seed)")
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
    #expect(throws: JobError.self) { try merge(Array(text.utf8)) }
  }
}
