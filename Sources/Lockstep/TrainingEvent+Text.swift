internal import Protocol
internal import Reports
internal import Runs

extension TrainingEvent {
  /// What people are told of it, besides steps and evaluations; nil for those and for a wait.
  var note: (kind: RunLog.Line.Kind, text: String)? {
    switch self {
    case .workerJoined(let name, let number, let threads, let active):
      let of = threads == 1 ? "" : " with \(count(threads, "thread"))"
      return (.joined, "worker \(number) (\(name)) has joined\(of); \(count(active, "worker"))")
    case .workerLeft(let name, let number, let reason, let active):
      let who = number > 0 ? "worker \(number) (\(name))" : "worker \(name)"
      return (.left, "\(who) has left: \(reason); \(active > 0 ? count(active, "worker") : "no worker is") left")
    case .relays(let relays):
      return (
        .note,
        relays > 0
          ? "relays: \(relays) workers sum the gradient for each other"
          : "relays: none; gradients go to the coordinator"
      )
    case .leftOut(let computing, let all, let seconds, let allSeconds):
      return (
        .note,
        "\(computing) of \(all) workers compute, because steps take \(format(seconds)) s in place of "
          + "\(format(allSeconds)) s (--use-all-workers uses all)"
      )
    case .otherNumerics(let text), .warning(let text): return (.warning, text)
    case .waiting, .step, .evaluation: return nil
    }
  }
}
