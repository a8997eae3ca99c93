import Schema

@testable import Protocol

extension WorkerMachine {
  /// A worker in session 1 of run 7, at time 0, which has loaded a job and awaits an assignment.
  static func ready(_ plan: StepPlan, _ chunks: ChunkLayout) -> WorkerMachine {
    let start = Instant(nanoseconds: 0)
    var worker = WorkerMachine(address: "here")
    _ = worker.handle(.started, at: start)
    _ = worker.handle(.received(Header(.welcome, run: 7, session: 1), .welcome(.simulated)), at: start)
    let ready = Ready(data: "d", layout: ParameterLayout(), numerics: .simulated)
    _ = worker.handle(.loaded(ready, plan, chunks), at: start)
    return worker
  }
}
