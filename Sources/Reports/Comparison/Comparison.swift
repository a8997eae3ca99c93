internal import Cluster
package import Runs
package import Schema

/// Several runs, with their results, and which of them gave the same bits.
package struct Comparison: Sendable {
  package enum Outcome: Equatable, Sendable {
    case notRun
    case completed
    case failed(String)
  }

  package struct Run: Sendable {
    package var configuration: RunConfiguration
    package var job: Job
    /// The path, as a user would give it.
    package var folder: String
    package var outcome = Outcome.notRun
    /// nil until the run has one.
    package var summary: RunSummary?
    package var history: RunHistory?

    package var isCompleted: Bool { outcome == .completed }

    package init(
      configuration: RunConfiguration, job: Job, folder: String, outcome: Outcome = Outcome.notRun,
      summary: RunSummary? = nil, history: RunHistory? = nil
    ) {
      (self.configuration, self.job, self.folder, self.outcome) = (configuration, job, folder, outcome)
      (self.summary, self.history) = (summary, history)
    }
  }

  /// Two runs of one job that gave different bits.
  package struct Difference: Equatable, Sendable {
    package var first: String
    package var second: String
    /// The first epoch after which they differ; nil if only the last parameters do.
    package var epoch: Int?
  }

  package var runs: [Run]
  package var figures: [Figure]
  /// The parts of the data that the runs evaluate; the first decides which run is the best.
  package var parts: [HeldOutPart]
  /// A sentence without a full stop for each option that some optimizers lack.
  package var notes: [String] = []

  /// The first completed run with the job of run `index`.
  private func reference(for index: Int) -> Int? {
    runs.firstIndex { $0.isCompleted && $0.configuration.hasSameJob(as: runs[index].configuration) }
  }

  /// Whether a run gave the same bits as the first completed run of its job; nil if fewer than two are completed.
  package func isEqual(_ index: Int) -> Bool? {
    let peers = runs.indices.filter {
      runs[$0].isCompleted && runs[$0].configuration.hasSameJob(as: runs[index].configuration)
    }
    guard peers.count > 1, peers.contains(index) else { return nil }
    return difference(index) == nil
  }

  /// The runs that differ from the first run of their job.
  package var differences: [Difference] { runs.indices.compactMap(difference) }

  private func difference(_ index: Int) -> Difference? {
    guard runs[index].isCompleted, let first = reference(for: index), first != index else { return nil }
    let (left, right) = (runs[first], runs[index])
    let (ours, theirs) = (left.history?.epochs ?? [], right.history?.epochs ?? [])
    for place in 0..<max(ours.count, theirs.count) {
      let one = ours.indices.contains(place) ? ours[place] : nil
      let other = theirs.indices.contains(place) ? theirs[place] : nil
      if one?.parametersSHA256 != other?.parametersSHA256 {
        return Difference(first: left.folder, second: right.folder, epoch: one?.epoch ?? other?.epoch)
      }
    }
    guard left.summary?.parametersSHA256 != right.summary?.parametersSHA256 else { return nil }
    return Difference(first: left.folder, second: right.folder, epoch: nil)
  }

  /// The first completed run with the optimizer of run `index`.
  private func baseline(for index: Int) -> Run? {
    runs.first { $0.isCompleted && $0.configuration.optimizer == runs[index].configuration.optimizer }
  }

  /// The run's examples per second, divided by those of the first completed run with the same optimizer.
  package func speedUp(_ index: Int) -> Double? {
    guard runs[index].isCompleted, let rate = runs[index].history?.examplesASecond,
      let base = baseline(for: index)?.history?.examplesASecond
    else { return nil }
    return rate / base
  }

  /// The speed-up divided by the ratio of compute threads.
  package func efficiency(_ index: Int) -> Double? {
    guard let speedUp = speedUp(index), let base = baseline(for: index)?.configuration else { return nil }
    let mine = runs[index].configuration
    return speedUp * Double(base.workers * base.threads) / Double(mine.workers * mine.threads)
  }

  /// Completed runs, grouped by job.
  private var completedByJob: [[Run]] {
    var jobs: [[Run]] = []
    for run in runs where run.isCompleted {
      if let job = jobs.firstIndex(where: { $0[0].configuration.hasSameJob(as: run.configuration) }) {
        jobs[job].append(run)
      } else {
        jobs.append([run])
      }
    }
    return jobs
  }

  /// The results in sentences without a full stop: first of all runs, then of each job.
  package var verdict: [String] {
    let completed = runs.count { $0.isCompleted }
    var sentences: [String] = []
    let failed = runs.count { if case .failed = $0.outcome { true } else { false } }
    if completed < runs.count {
      sentences.append(
        "\(completed) of \(count(runs.count, "run")) completed"
          + (failed > 0 ? ", \(failed) failed" : "")
          + (completed + failed < runs.count ? ", \(runs.count - completed - failed) not run" : ""))
    }
    sentences += differences.map { "T" + text($0).dropFirst() }
    let jobs = completedByJob
    let shared = jobs.filter { $0.count > 1 }
    for job in shared {
      let equal = job.filter { run in !differences.contains { $0.second == run.folder } }
      let who = shared.count > 1 || jobs.count > 1 ? "\(jobName(job[0])): " : ""
      guard equal.count > 1 else { continue }
      let hash = job[0].summary?.parametersSHA256 ?? ""
      sentences.append("\(who)\(count(equal.count, "run")), the same bits after every epoch: parameters sha256 \(hash)")
    }
    if shared.isEmpty && completed > 1 {
      sentences.append("\(count(completed, "run")), each of a job of its own: none has another to be equal with")
    }
    if completed == 1 && runs.count == 1 {
      sentences.append("1 run: parameters sha256 \(runs[0].summary?.parametersSHA256 ?? "")")
    }
    return sentences
  }

  private func jobName(_ run: Run) -> String {
    let parts = [
      run.configuration.namesOptimizer ? run.configuration.optimizer : nil,
      run.configuration.batchFactor > 1 || runs.contains { $0.configuration.batchFactor > 1 }
        ? "batch \(grouped(run.job.batchSize))" : nil,
    ]
    return parts.compactMap { $0 }.joined(separator: ", ")
  }

  private func text(_ difference: Difference) -> String {
    let place = difference.epoch.map { "part at epoch \($0)" } ?? "differ in their last parameters"
    return "the runs \(difference.first) and \(difference.second) are not the same bits: they \(place) "
      + "(see `lockstep diff \(shellQuoted(difference.first)) \(shellQuoted(difference.second))`)"
  }

  /// Why the comparison has failed, in one line; nil if it has not.
  package var failure: String? {
    let differences = differences.map(text)
    let failed = runs.compactMap { run -> String? in
      if case .failed(let reason) = run.outcome { "\(run.configuration.label): \(reason)" } else { nil }
    }
    let failures = failed.isEmpty ? [] : ["\(failed.count) of \(count(runs.count, "run")) failed: \(failed[0])"]
    let all = differences + failures
    return all.isEmpty ? nil : all.joined(separator: "; ")
  }

  package init(runs: [Run], figures: [Figure], parts: [HeldOutPart], notes: [String] = []) {
    (self.runs, self.figures, self.parts, self.notes) = (runs, figures, parts, notes)
  }
}
