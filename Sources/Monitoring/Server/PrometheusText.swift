internal import Foundation
internal import Protocol
package import Runs

/// Runs' states as Prometheus reads them (Prometheus, *Exposition formats*, text 0.0.4; OpenMetrics 1.0).
package struct PrometheusText {
  private enum Kind: String {
    case counter, gauge, histogram
  }

  /// Members beyond are counted, but have no figures of their own.
  static let mostWorkers = 64

  private let version: String
  private let isOpen: Bool

  /// - Parameters:
  ///   - version: of this program.
  ///   - isOpen: OpenMetrics.
  package init(version: String, isOpen: Bool) { (self.version, self.isOpen) = (version, isOpen) }

  static func contentType(isOpen: Bool) -> String {
    isOpen ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8"
  }

  private typealias Sample = (suffix: String, labels: [(String, String)], value: Double)

  package func text(_ runs: [(name: String, status: RunStatus)]) -> String {
    var text = ""
    func family(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
      guard !samples.isEmpty else { return }
      // In OpenMetrics a family of counters is named without the suffix of its samples.
      let family = isOpen && kind == .counter ? String(name.dropLast("_total".count)) : name
      text += "# HELP \(family) \(escaped(help))\n# TYPE \(family) \(kind.rawValue)\n"
      for sample in samples {
        let labels = sample.labels.map { "\($0)=\"\(escaped($1))\"" }.joined(separator: ",")
        text += "\(name)\(sample.suffix){\(labels)} \(valueText(sample.value))\n"
      }
    }
    func each(_ value: (RunStatus) -> Double?) -> [Sample] {
      runs.compactMap { run in value(run.status).map { ("", [("run", run.name)], $0) } }
    }
    func many(_ values: (RunStatus) -> [(label: String, of: String, value: Double)]) -> [Sample] {
      runs.flatMap { run in values(run.status).map { ("", [("run", run.name), ($0.label, $0.of)], $0.value) } }
    }
    family("lockstep_build_info", .gauge, "The program's version.", [("", [("version", version)], 1)])
    family(
      "lockstep_run_info", .gauge, "What is trained, how, on what, and where the coordinator is.",
      runs.map { run in
        let status = run.status
        let labels = [
          ("run", run.name), ("model", status.model), ("optimizer", status.optimizer), ("data", status.data),
          ("host", status.host),
        ]
        return ("", labels, 1)
      })
    family(
      "lockstep_run_state", .gauge, "1 for the state that the run is in.",
      many { status in
        RunStatus.State.allCases.map { ("state", $0.rawValue, status.state == $0 ? 1 : 0) }
      })
    family("lockstep_start_timestamp_seconds", .gauge, "When the process began.", each { $0.started })
    family(
      "lockstep_last_progress_timestamp_seconds", .gauge, "When a step or an evaluation last ended.",
      each { $0.lastProgress })
    family(
      "lockstep_step", .gauge, "Steps done in the whole run, those it was resumed from among them.",
      each { Double($0.step) })
    family(
      "lockstep_steps_total", .counter, "Steps since the process began, skipped ones among them.",
      each { Double($0.process.steps) })
    family("lockstep_planned_steps", .gauge, "Steps of the whole run.", each { Double($0.totalSteps) })
    family("lockstep_epoch", .gauge, "The present epoch, from 1.", each { Double($0.epoch) })
    family(
      "lockstep_skipped_steps_total", .counter, "Steps without an update, because a value was not finite.",
      each { Double($0.process.skippedSteps) })
    family("lockstep_examples_total", .counter, "Examples computed.", each { Double($0.process.examples) })
    family(
      "lockstep_step_duration_seconds", .histogram, "How long steps took, since the process began.",
      runs.flatMap { durations($0.status.durations, $0.name) })
    family(
      "lockstep_step_phase_seconds_total", .counter,
      "Seconds of steps: computing, waiting for workers, sums and updates, messages.",
      many { status in
        let phases = status.phases
        return [
          ("phase", "compute", phases.compute), ("phase", "wait", phases.wait),
          ("phase", "sum_update", phases.sumUpdate), ("phase", "transfer", phases.transfer),
        ]
      })
    family("lockstep_learning_rate", .gauge, "The last step's.", each { $0.learningRate })
    for (name, title) in figures(runs.map(\.status)) {
      family("lockstep_\(name)", .gauge, title, each { figure(name, of: $0) })
    }
    family(
      "lockstep_workers", .gauge, "Workers and relays by what they do.",
      many { status in
        MemberStatus.State.allCases.map { state in
          let count = status.workers.count { $0.state == state.rawValue }
          return ("state", state.rawValue.replacing(" ", with: "_"), Double(count))
        }
      })
    family("lockstep_workers_joined_total", .counter, "Workers that have joined.", each { Double($0.joinedWorkers) })
    family("lockstep_workers_lost_total", .counter, "Workers that have left.", each { Double($0.lostWorkers) })
    func worker(_ value: @escaping (RunStatus.Worker) -> Double) -> [Sample] {
      many { status in
        status.workers.filter { $0.state != "left" && $0.number > 0 }.prefix(PrometheusText.mostWorkers).map {
          ("worker", "\($0.number)", value($0))
        }
      }
    }
    family(
      "lockstep_worker_last_seen_timestamp_seconds", .gauge, "When the worker last sent anything.",
      worker { $0.lastHeard })
    family(
      "lockstep_worker_leaves_total", .counter, "Micro-batches that the worker computed.", worker { Double($0.leaves) })
    family(
      "lockstep_worker_busy_seconds_total", .counter,
      "Seconds in which the worker computed, the mean over its threads.",
      worker { $0.busySeconds })
    family(
      "lockstep_leaves_reassigned_total", .counter, "Micro-batches taken from a worker that has left or is slow.",
      each { Double($0.reassignedLeaves) })
    family(
      "lockstep_bytes_total", .counter, "Bytes over the coordinator's socket; what is shared in memory is not counted.",
      many { [("direction", "sent", Double($0.bytes.sent)), ("direction", "received", Double($0.bytes.received))] })
    family("lockstep_checkpoints_total", .counter, "Checkpoints begun.", each { Double($0.checkpoints) })
    family(
      "lockstep_checkpoint_step", .gauge, "Steps done at the last checkpoint.",
      each { $0.checkpoint.map { Double($0.step) } })
    family(
      "lockstep_checkpoint_last_timestamp_seconds", .gauge, "When the last checkpoint was begun.",
      each { $0.checkpoint?.time })
    return isOpen ? text + "# EOF\n" : text
  }

  private func durations(_ durations: RunStatus.Durations, _ run: String) -> [Sample] {
    var samples: [Sample] = []
    var count = 0.0
    let bounds = RunStatus.Durations.bounds.map { "\($0)" } + ["+Inf"]
    for (bound, more) in zip(bounds, durations.counts) {
      count += Double(more)
      samples.append(("_bucket", [("run", run), ("le", bound)], count))
    }
    return samples + [("_sum", [("run", run)], durations.sum), ("_count", [("run", run)], count)]
  }

  /// The metrics of what models measure, such as `train_loss`, with what they are.
  private func figures(_ statuses: [RunStatus]) -> [(name: String, help: String)] {
    var found: [String: String] = [:]
    for status in statuses {
      for (figure, title) in [("loss", "loss")] + status.figures.map({ ($0.name, $0.title) }) {
        for part in ["train", "validation", "test"] {
          let name = "\(part)_\(metricName(figure))"
          guard self.figure(name, of: status) != nil else { continue }
          let moment = part == "train" ? "of the last step" : "at its last evaluation"
          found[name] = "The \(title) of the \(part) part, \(moment)."
        }
      }
    }
    return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// A last step whose loss is not finite has NaN.
  private func figure(_ name: String, of status: RunStatus) -> Double? {
    status.latest.first { metricName($0.key) == name }?.value
      ?? (name == "train_loss" && status.step > 0 && status.learningRate != nil ? .nan : nil)
  }

  private func metricName(_ name: String) -> String {
    String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "_" })
  }

  private func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      case "\r": " "
      default: String(scalar)
      }
    }.joined()
  }

  private func valueText(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    guard value.isFinite else { return value > 0 ? "+Inf" : "-Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }
}
