import TestSupport

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Runs
@testable import Schema

/// Reads bytes as a job file's.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readJob(_ bytes: [UInt8]) throws -> Bool {
  let text = String(decoding: bytes, as: UTF8.self)
  var result: Result<Void, any Error> = .success(())
  let allocation = Allocation {
    result = Result {
      var options = JobOptions()
      try options.merge(yaml: text, of: "job.yaml")
    }
  }
  // Yams keeps a node for each scalar, be it a byte, and marks beside it. libyaml's buffers have 64 KiB, and what the
  // first job takes for good has 200.
  try allocation.check(honest: bytes.count, peak: 160, block: 55, constant: 1 << 19)
  do {
    try result.get()
    return true
  } catch is OptionError {
    return false
  }
}
