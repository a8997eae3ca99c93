import Foundation
import Testing

/// The picture of a run: whole, valid, and true to what every process has done.
@Suite struct TimelineTests {
  private struct Event: Decodable {
    struct Arguments: Decodable {
      var name: String?
      var step, chunk, worker: Int?
      var leaves: String?

      enum CodingKeys: String, CodingKey {
        case name, step, chunk, worker
        case leaves = "micro-batches"
      }
    }

    var name, ph: String
    var pid, tid: Int
    var ts, dur: Double?
    var args: Arguments
  }

  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  @Test(
    "what all processes did is there, a row a thread, nothing at the same time as another", arguments: ["auto", "zmq"])
  func wholeRun(transport: String) throws {
    let path = scratch.path("timeline.json")
    // 756,510 parameters are three chunks.
    _ = try train(
      scratch,
      [
        "--workers", "2", "--threads", "2", "--micro-batches", "4", "--steps", "6", "--model", "mlp:700,1000",
        "--transport", transport, "--timeline", path,
      ])
    let events = try JSONDecoder().decode([Event].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    let processes = events.filter { $0.name == "process_name" }.compactMap(\.args.name)
    #expect(processes.count { $0 == "coordinator" } == 1 && processes.count { $0.hasPrefix("worker ") } == 2)
    #expect(processes.count == 3)
    let spans = events.filter { $0.ph == "X" }
    let chunks = 3
    let training = { (name: String) in spans.filter { $0.name == name && $0.args.chunk != nil } }
    #expect(spans.filter { $0.name == "step" }.compactMap(\.args.step) == Array(1...6))
    for name in ["update", "check"] {
      // Each chunk of each step once, whichever thread is first.
      let done = training(name).map { [$0.args.step ?? 0, $0.args.chunk ?? -1] }
      #expect(
        done.sorted { $0.lexicographicallyPrecedes($1) } == (1...6).flatMap { s in (0..<chunks).map { [s, $0] } })
    }
    // Each push is received once.
    func named(_ spans: [Event]) -> [String] {
      spans.map { "\($0.args.step ?? 0) \($0.args.leaves ?? "") \($0.args.chunk ?? -1)" }.sorted()
    }
    let receptions = training("receive").filter { $0.args.worker != nil }
    #expect(named(training("push")) == named(receptions))
    #expect(Set(receptions.compactMap(\.args.worker)) == [1, 2])
    // Each leaf of each step is computed, and each process computes in two rows at least.
    for step in 1...6 {
      let leaves = spans.filter { $0.name == "compute" && $0.args.step == step }.flatMap { span in
        let bounds = (span.args.leaves ?? "").components(separatedBy: "..<").compactMap { Int($0) }
        return bounds.count == 2 ? Array(bounds[0]..<bounds[1]) : []
      }
      #expect(Set(leaves).isSuperset(of: 0..<4), "step \(step): \(leaves)")
    }
    // A thread does one thing at a time; times are rounded to nanoseconds, and Double holds a little less of them.
    for (row, spans) in Dictionary(grouping: spans, by: { [$0.pid, $0.tid] }) {
      let ordered = spans.sorted { $0.ts! < $1.ts! }
      for (one, next) in zip(ordered, ordered.dropFirst()) {
        #expect(one.ts! + one.dur! <= next.ts! + 0.01, "\(row): \(one) and \(next)")
      }
    }
  }

  @Test func aTimelineThatCannotBeWrittenIsNamedBeforeTheRun() throws {
    let program = try Program(["train", "--timeline", "/proc/nothing.json", "--output", scratch.path("run")])
    #expect(program.wait() == 1)
    #expect(program.errors.contains("/proc/nothing.json"))
  }
}
