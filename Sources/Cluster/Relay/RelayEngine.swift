internal import Kernels
internal import Protocol
internal import Reduction
internal import Schema
internal import ZeroMQ

/// In place of a worker's engine, for a relay that computes nothing and needs neither data nor a model.
final class RelayEngine: WorkerEngine {
  let ready = Ready(data: "", layout: ParameterLayout(), numerics: .here(digest: ""))
  let plan: StepPlan
  let chunks: ChunkLayout
  let onNonFinite: NonFinitePolicy

  init(_ job: SummedJob, _ welcome: Welcome) {
    (plan, chunks, onNonFinite) = (job.plan, job.chunks(size: welcome.chunkSize), welcome.onNonFinite)
  }

  func shareMemory(_ name: SharedVectorsName?) -> SharedVectorsName? { nil }

  /// Parameters are only passed on.
  func store(_ payload: Payload, chunk: Int, step: Int, _ element: ElementKind) {}

  func message(of payload: Payload, chunk: Int, _ element: ElementKind) -> Message {
    guard case .frame(let message) = payload else { preconditionFailure("a relay opens no shared memory") }
    return message
  }

  func valueCount(shared index: Int, _ chunk: UInt32) -> Int { 0 }

  func sharedIndex(of gradient: Gradient) -> Int? { nil }

  func compute(_ node: Node, _ task: StepTask, _ start: RoundStart?, reportsChunks: Bool) {
    preconditionFailure("a relay that computes nothing has no leaves")
  }

  func combine(_ left: Gradient, _ right: Gradient, _ chunks: [Int], into parent: Node) {
    preconditionFailure("a relay that computes nothing has no gradients")
  }

  func help() -> Bool { false }

  func cancel() {}

  func close() {}
}
