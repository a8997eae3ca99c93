import Foundation
import Models
import Testing
import ZeroMQ

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

@Suite struct MemoryWatchTests {
  private func problem(resident: Int, available: Int, total: Int = 1000 << 20, usual: Int = 100 << 20) -> String? {
    MemoryWatch { _ in MemoryWatch.Reading(resident: resident << 20, available: available << 20, total: total) }
      .problem(usual: usual)
  }

  @Test func aRunEndsOnlyWhereItTakesTooMuchAndLittleIsLeft() {
    #expect(problem(resident: 101, available: 99)?.hasPrefix("this process has 101 MB of memory") == true)
    #expect(problem(resident: 100, available: 1) == nil, "others take it")
    #expect(problem(resident: 900, available: 100) == nil, "there is enough")
    #expect(MemoryWatch { _ in nil }.problem(usual: 0) == nil)
  }

  @Test func theSystemTellsOfThisProcess() {
    // Above one byte there is always a reading; whether it is a problem depends on the machine.
    _ = MemoryWatch.system.problem(usual: 1)
    #expect(MemoryWatch.system.problem(usual: .max) == nil)
  }

  @Test("a message without an end ends the run, saved, before the memory does")
  func endlessMessage() throws {
    var options = JobOptions()
    for (name, value) in [("model", "mlp:6"), ("steps", "100000000"), ("batch-size", "64"), ("micro-batches", "4")] {
      try options.set(name, to: value)
    }
    let prepared = try PreparedJob(options, models: ModelFactory.builtIn)
    // As on a machine with 200 MB more than this process has now.
    let limit = residentBytes() + 200 << 20
    let memory = MemoryWatch { _ in
      MemoryWatch.Reading(
        resident: .max, available: max(limit - residentBytes(), 0), total: 1 << 30)
    }
    let coordinator = RunningCoordinator(prepared, silence: 30, workers: 60, memory: memory)
    let address = try coordinator.waitForAddress()
    let worker = RunningWorker(address)
    let socket = try Socket(Context(), .dealer)
    try socket.set(.linger(milliseconds: 0))
    try socket.connect(address)
    let block = [UInt8](repeating: 1, count: 60_000)
    let deadline = Date().addingTimeInterval(60)
    while !coordinator.outcome.isOver && Date() < deadline {
      if try !socket.send(block.withUnsafeBytes { Message(copying: $0) }, more: true) { usleep(1000) }
    }
    let outcome = coordinator.waitForEnd()
    #expect(outcome.error?.contains("messages without an end") == true, "\(outcome.error ?? "no error")")
    // On a busy machine before the first step.
    #expect(outcome.last?.state.step == outcome.reported.last ?? 0, "the run can be saved")
    worker.end()
  }
}

/// What this process has in memory.
private func residentBytes() -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? "0 0"
  return Int(text.split(separator: " ")[1])! * Int(getpagesize())
}
