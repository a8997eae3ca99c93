import Foundation
import Testing

@testable import Monitoring
@testable import Runs

/// Metrics as Prometheus reads them. That it reads them is shown end to end.
@Suite struct PrometheusTests {
  private func lines(_ status: RunStatus, isOpen: Bool = false) -> [String] {
    PrometheusText(version: "0.1.0", isOpen: isOpen).text([("one", status)]).split(separator: "\n").map(String.init)
  }

  @Test("steps' durations are counted from the shortest on")
  func durations() {
    var status = RunFolderFixture.status()
    for seconds in [0.00005, 0.0001, 0.3, 1e9] { status.durations.add(seconds) }
    let all = lines(status)
    #expect(all.contains("lockstep_step_duration_seconds_bucket{run=\"one\",le=\"0.0001\"} 2"))
    #expect(all.contains("lockstep_step_duration_seconds_bucket{run=\"one\",le=\"0.25\"} 2"))
    #expect(all.contains("lockstep_step_duration_seconds_bucket{run=\"one\",le=\"0.5\"} 3"))
    #expect(all.contains("lockstep_step_duration_seconds_bucket{run=\"one\",le=\"60.0\"} 3"))
    #expect(all.contains("lockstep_step_duration_seconds_bucket{run=\"one\",le=\"+Inf\"} 4"))
    #expect(all.contains("lockstep_step_duration_seconds_count{run=\"one\"} 4"))
  }

  @Test("a user's own figure is a metric, by a name that Prometheus takes")
  func figures() {
    var status = RunFolderFixture.status()
    status.figures = [RunStatus.Named(name: "mean-é/x", title: "own")]
    (status.step, status.learningRate) = (1, 0.1)
    status.latest = ["train_mean-é/x": 0.25, "test_loss": 2]
    let all = lines(status)
    #expect(
      all.contains("lockstep_train_mean___x{run=\"one\"} 0.25") && all.contains("lockstep_test_loss{run=\"one\"} 2"))
    // The last step's loss is not finite.
    #expect(all.contains("lockstep_train_loss{run=\"one\"} NaN"))
  }

  @Test("labels are escaped, and each family has its help and type once")
  func escaping() {
    var status = RunFolderFixture.status()
    status.model = "a\"b\\c\nd"
    let all = lines(status)
    #expect(all.contains { $0.contains("model=\"a\\\"b\\\\c\\nd\"") })
    let types = all.filter { $0.hasPrefix("# TYPE") }
    #expect(Set(types).count == types.count && types.count > 15)
    #expect(all.filter { $0.hasPrefix("# HELP") }.count == types.count)
  }

  @Test("in OpenMetrics a counter's family has no suffix, and the text has an end")
  func openMetrics() {
    let open = lines(RunFolderFixture.status(), isOpen: true)
    #expect(open.last == "# EOF" && open.contains("# TYPE lockstep_steps counter"))
    #expect(open.contains("lockstep_steps_total{run=\"one\"} 0"))
    #expect(lines(RunFolderFixture.status()).contains("# TYPE lockstep_steps_total counter"))
  }

  @Test("of very many workers only some have metrics of their own, and all are counted")
  func manyWorkers() {
    var status = RunFolderFixture.status()
    status.workers = (1...1000).map { number in
      RunStatus.Worker(
        number: number, name: "w\(number)", host: nil, threads: 1, state: number % 2 == 0 ? "idle" : "standing by",
        isSlow: false, reason: nil, parent: nil, sharesMemory: false, leaves: 1, busySeconds: 0.5, busy: nil,
        waiting: nil, sending: nil, lastHeard: 5)
    }
    let all = lines(status)
    #expect(all.count { $0.hasPrefix("lockstep_worker_leaves_total{") } == 64)
    #expect(all.contains("lockstep_workers{run=\"one\",state=\"idle\"} 500"))
    #expect(all.contains("lockstep_workers{run=\"one\",state=\"standing_by\"} 500"))
  }
}
