import Foundation
import TestSupport
import Testing

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// Random schedules of faults, each of which must end with the undisturbed run's bits or with the error that it calls for.
///
/// `LOCKSTEP_SIMULATION_SEEDS=1000000` runs so many seeds, `LOCKSTEP_SIMULATION_SEEDS=1000-2000` those from the first to
/// below the second, `LOCKSTEP_SIMULATION_SECONDS=60` stops after that time; `LOCKSTEP_SIMULATION_SEED=123` runs that one and
/// prints what happens in it. A release build runs ten times as many a second:
/// `swift test -c release -Xswiftc -enable-testing --filter SimulationTests`.
///
/// How many seeds it took to find bugs that were planted:
///
/// | bug                                                            | seeds |
/// | -------------------------------------------------------------- | ----: |
/// | sums of an earlier session are taken                           |    50 |
/// | a chunk is summed in the order of arrival                      |     6 |
/// | a worker that leaves keeps its leaves                          |    21 |
/// | a node that is covered already is taken once more              |    85 |
/// | a checkpoint's step is later than its parameters               |    11 |
/// | a local worker that may return is not waited for               |   412 |
/// | a local worker that has joined is still awaited                |     6 |
/// | a local worker that has ended is still waited for              |   674 |
/// | a local worker that is started again is not waited for         |   101 |
/// | the time in which the coordinator was stopped counts           |   103 |
/// | more time than that is taken out                               |    47 |
/// | metrics that come once more update a step a second time        |   301 |
/// | beside a validation part the test part is evaluated each epoch |     7 |
/// | metrics of the validation part count for the test part         |    47 |
/// | a resumed run evaluates a part again                           |   178 |
/// | a run resumed between its last evaluations leaves the test out |  4345 |
/// | a relay adds sums in the order of arrival                      |    22 |
/// | a relay forgets its sums when another member gets leaves       |   159 |
/// | a node whose chunks were all pushed early cannot go again      |   757 |
/// | a relay takes the sum of a former step                         | 19765 |
@Suite struct SimulationTests {
  @Test("every schedule of faults ends with the undisturbed run's bits, or with its error")
  func everySchedule() async {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["LOCKSTEP_SIMULATION_SEED"].flatMap(UInt64.init) {
      var simulation = Simulation(seed: seed)
      simulation.printsEvents = true
      let failure = simulation.run()
      #expect(failure == nil, "LOCKSTEP_SIMULATION_SEED=\(seed)")
      return
    }
    let numbers = (environment["LOCKSTEP_SIMULATION_SEEDS"] ?? "\(randomCases(20_000))").split(separator: "-")
      .map { UInt64($0)! }
    let seeds = (numbers.count == 1 ? 0 : numbers[0])..<numbers[numbers.count - 1]
    let end = environment["LOCKSTEP_SIMULATION_SECONDS"].flatMap(Double.init).map { Date().addingTimeInterval($0) }
    let stride = UInt64(ProcessInfo.processInfo.activeProcessorCount)
    let count = await withTaskGroup(of: (count: Int, failures: [String]).self) { group in
      for first in 0..<stride {
        group.addTask {
          var failures: [String] = []
          var count = 0
          for seed in Swift.stride(from: seeds.lowerBound + first, to: seeds.upperBound, by: Int(stride)) {
            if let end, Date() > end { break }
            var simulation = Simulation(seed: seed)
            if let failure = simulation.run() { failures.append("LOCKSTEP_SIMULATION_SEED=\(seed) \(failure)") }
            count += 1
            if failures.count == 10 { break }
          }
          return (count, failures)
        }
      }
      var count = 0
      for await part in group {
        count += part.count
        for failure in part.failures { Issue.record("\(failure)") }
      }
      return count
    }
    print("\(count) schedules of faults, from seed \(seeds.lowerBound) on")
    #expect(count > 0)
  }

  @Test(
    "schedules that have found bugs",
    arguments: [
      1_436_506_737,  // A relay that new routes leave out did not serve the present task.
      1_712_416_728,  // A relay was given up while those behind it computed what was lost.
      684_343_466,  // Those behind a relay that went another way asked for a session by the former one, in vain.
      953_767_130,  // The same.
    ] as [UInt64])
  func formerFailures(_ seed: UInt64) {
    var simulation = Simulation(seed: seed)
    #expect(simulation.run() == nil)
  }

  @Test func aSeedReplaysExactly() {
    for seed in 0..<300 as Range<UInt64> {
      var (first, second) = (Simulation(seed: seed), Simulation(seed: seed))
      #expect(first.run() == second.run(), "seed \(seed)")
      // Every message and every fault has drawn numbers.
      let numbers: [UInt64] = [first.random.next(), second.random.next()]
      #expect(first.now == second.now && numbers[0] == numbers[1], "seed \(seed)")
    }
  }
}
