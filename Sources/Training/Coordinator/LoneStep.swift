internal import Datasets
internal import Dispatch
internal import Kernels
internal import Wire
internal import ZeroMQ

/// Computes the gradient of a whole step on the calling side, without a worker.
///
/// - Parameter parameters: those the step begins with.
/// - Throws: ``TrainingError`` where the data has changed since it was prepared, and where the gradient is not finite.
func computeAlone(
  _ task: StepTask, of prepared: PreparedJob, parameters: FloatBuffer, _ chunks: ChunkLayout
) throws -> (Gradient, NodeMetrics) {
  let done = DispatchSemaphore(value: 0)
  let letters = Mailbox<WorkerLetter> { done.signal() }
  let welcome = Welcome(job: prepared.job, scaling: prepared.scaling, chunkSize: chunks.size)
  let engine = try loadEngine(welcome, threads: 1, mailbox: letters) { _, _ in prepared.model }
  defer { engine.close() }
  guard engine.ready.data == prepared.fingerprint else {
    throw TrainingError("\(prepared.job.source.data) has changed since the run began")
  }
  for chunk in 0..<chunks.count {
    engine.store(.frame(Message(copying: parameters.values[chunks[chunk]].bytes)), chunk: chunk)
  }
  engine.compute(prepared.plan.tree(task).root, task)
  done.wait()
  guard case .computed(_, let metrics, let gradient?) = letters.takeAll().first, metrics.flaw == nil else {
    throw TrainingError("its gradient is not finite")
  }
  return (gradient, metrics)
}
