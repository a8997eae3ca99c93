import Foundation
import TestSupport
import Testing

/// Some cells of the matrix of faults, on hosts of a network; the script runs all of them.
@Suite(.serialized) struct ChaosTests {
  @Test(
    "faults on a network do not change a bit", .tags(.heavy), .enabled(if: runsHeavyCases),
    arguments: [
      (
        ["shm", "zmq"],
        [
          "worker:kill:pushing", "worker:half-open:receiving", "worker:cut:computing", "coordinator:kill:checkpoint",
          "coordinator:terminate:evaluating",
        ]
      ),
      (["relay"], ["relay:kill:pushing"]),
    ])
  func faultsOnANetworkDoNotMatter(_ transports: [String], _ cells: [String]) throws {
    let arguments = transports.flatMap { ["--transport", $0] } + cells.flatMap { ["--only", $0] }
    guard let (run, code) = try runOnHosts("Benchmarks/chaos.py", arguments, seconds: 540)
    else { return }
    // On a busy machine a phase may be over before the fault comes, three times in a row.
    if code == 2 { print("MISSED: \(run.output)") }
    #expect(code == 0 || code == 2, "\(run.output)\(run.errors)")
    #expect(!run.output.contains("\n0 of "), "\(run.output)")
  }
}
