internal import Optimizers
internal import Protocol
internal import Synchronization

/// The optimizer in a step that needs the whole gradient. The first thread that updates a chunk begins the step, and others
/// wait for it: to measure all chunks, and to transform whole tensors, may take long, and the coordinator's own thread must
/// answer its members meanwhile.
final class BegunOptimizer: Sendable {
  private let state: Mutex<(optimizer: Optimizer, seconds: Double?)>
  private let begin: @Sendable (inout Optimizer) -> Void

  /// - Parameter begin: begins the step.
  init(_ optimizer: Optimizer, _ begin: @escaping @Sendable (inout Optimizer) -> Void) {
    state = Mutex((optimizer, nil))
    self.begin = begin
  }

  /// The optimizer after its step has begun.
  var value: Optimizer {
    state.withLock { state in
      if state.seconds == nil {
        let start = Instant.now
        begin(&state.optimizer)
        state.seconds = Instant.now.seconds(since: start)
      }
      return state.optimizer
    }
  }

  /// How long the beginning took; 0 before it.
  var seconds: Double { state.withLock { $0.seconds ?? 0 } }
}
