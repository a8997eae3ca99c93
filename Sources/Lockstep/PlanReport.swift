internal import Foundation
internal import Kernels
internal import Models
internal import Optimizers
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

/// The hosts that `plan` is asked about.
struct PlannedHosts {
  /// At least 1.
  var count: Int
  /// Mbit/s of each one's link, each way.
  var bandwidth: Double
  /// Compute threads of each one's worker.
  var threads: Int
  /// What one worker computes; nil if it is to be estimated.
  var examplesPerSecond: Double?
}

/// What a step of a job computes and sends.
struct PlannedJob {
  let parameterCount: Int
  let batchSize: Int
  /// Nil if it may be chosen.
  let microBatches: Int?
  /// Those of the job, or all if it names none.
  let precisions: [Precision]
  /// As in ``Job/wholeGradientCauses()``.
  let wholeGradientCauses: [String]
  /// Floating-point operations for an example's gradient, and how they are counted.
  let operations: (count: Double, text: String)

  /// - Parameter parameters: of the model; nil for the model and the data of `options`.
  init(_ options: JobOptions, parameters: Double?) throws {
    let given = options.given
    precisions = given["precision"].flatMap { Precision(rawValue: $0.description) }.map { [$0] } ?? Precision.allCases
    microBatches = given["micro-batches"]?.number.map { Int($0) }
    wholeGradientCauses = try options.wholeGradientCauses()
    if let parameters {
      for name in [JobOptions.modelOption.name, JobOptions.dataOption.name] where given[name] != nil {
        throw OptionError(
          "--parameters \(OptionValue.real(parameters).description): --\(name) \(given[name]!.description) says how many "
            + "there are; give one")
      }
      parameterCount = Int(parameters.rounded())
      batchSize = given["batch-size"]?.number.map { Int($0) } ?? 128
      operations = (6 * Double(parameterCount), "6 operations a parameter and example")
    } else {
      let prepared = try PreparedJob(options, models: ModelKinds.registry.all)
      parameterCount = prepared.model.layout.parameterCount
      batchSize = prepared.job.batchSize
      let products = prepared.model.network?.layers.reduce(0) { $0 + $1.multiplyAdds } ?? parameterCount
      operations = (6 * Double(products), "three products of \(grouped(products)) multiply-adds an example")
    }
  }
}

extension PlannedJob {
  fileprivate func estimate(_ hosts: PlannedHosts, batchSeconds: Double, microBatches: Int) -> StepEstimate {
    StepEstimate(
      parameterCount: parameterCount, bandwidth: 1e6 * hosts.bandwidth, batchSeconds: batchSeconds,
      microBatches: microBatches, threads: hosts.threads, updatesTogether: !wholeGradientCauses.isEmpty)
  }
}

/// What `plan` prints.
struct PlanReport {
  private static let topologies: [Topology] = [.star, .mesh, .chain, .tree(2)]

  private let job: PlannedJob
  private let hosts: PlannedHosts
  private let microBatches: Int
  private let computing: ComputingTime
  private let plan: NetworkPlan

  /// Measures the speed of a core for half a second where the examples a second are not given.
  ///
  /// - Throws: ``OptionError`` if the hosts have less than one example or micro-batch each.
  init(_ job: PlannedJob, _ hosts: PlannedHosts) throws {
    func check(_ option: String, _ value: Int, _ what: String) throws {
      guard value < hosts.count else { return }
      throw OptionError(
        "--\(option) \(value): \(hosts.count) hosts need at least \(what) each; give at least \(hosts.count), or "
          + "--hosts \(value)")
    }
    try check("batch", job.batchSize, "an example")
    microBatches = min(job.batchSize, job.microBatches ?? max(8, hosts.count * hosts.threads))
    try check("micro-batches", microBatches, "one")
    (self.job, self.hosts) = (job, hosts)
    computing = ComputingTime(job, hosts, microBatches: microBatches)
    plan = NetworkPlan(
      job.estimate(hosts, batchSeconds: computing.seconds, microBatches: microBatches), hostCount: hosts.count,
      topologies: PlanReport.topologies, precisions: job.precisions)
  }

  var lines: [String] { facts + [""] + seconds + [""] + advice }

  private func estimate(_ precision: Precision, updatesTogether: Bool) -> StepEstimate {
    var estimate = job.estimate(hosts, batchSeconds: computing.seconds, microBatches: microBatches).with(precision)
    estimate.updatesTogether = updatesTogether
    return estimate
  }

  private var facts: [String] {
    let sending = job.precisions.map { precision in
      "\(secondsText(estimate(precision, updatesTogether: false).vectorSeconds)) in \(precision.rawValue)"
    }
    return [
      "\(count(job.parameterCount, "parameter")), batch \(grouped(job.batchSize)) in "
        + "\(count(microBatches, "micro-batch", "micro-batches")), workers of \(count(hosts.threads, "thread"))",
      "computing: one worker needs \(secondsText(computing.seconds)) for a step (\(computing.text))",
      "sending: a link of \(OptionValue.real(hosts.bandwidth).description) Mbit/s carries the parameters in "
        + sending.joined(separator: ", "),
    ]
  }

  private var seconds: [String] {
    let titles = ["seconds a step"] + plan.hosts.map { count($0, "host") } + ["pays up to"]
    let rows = plan.ways.map { way in
      ["\(name(way))"] + way.seconds.map(number) + [count(plan.hosts[way.payingIndex], "host")]
    }
    return table([titles] + rows, numbers: Set(1...plan.hosts.count + 1))
  }

  private var advice: [String] {
    let best = plan.best
    let (bestHosts, taken) = (plan.hosts[best.payingIndex], secondsText(best.payingSeconds))
    var lines: [String] = []
    if !job.wholeGradientCauses.isEmpty {
      let apart = estimate(best.precision, updatesTogether: false).seconds(best.topology, hosts: bestHosts)
      lines.append(
        "chunks are updated only when all have come, because of \(job.wholeGradientCauses.joined(separator: ", ")): on "
          + "\(count(bestHosts, "host")) \(name(best)) takes \(taken) in place of \(secondsText(apart))")
    }
    if best.payingIndex + 1 < plan.hosts.count {
      let next = best.payingIndex + 1
      lines.append(
        "\(plan.hosts[next]) hosts do not pay: \(name(best)) takes \(secondsText(best.seconds[next])) a step in place of "
          + taken)
    } else if hosts.count > 1 {
      lines.append("all \(hosts.count) hosts pay")
    }
    let options = [
      best.topology == .star ? nil : "workers with --bind",
      [.star, .mesh].contains(best.topology) ? nil : "--topology \(best.topology)",
      best.precision == .bf16 ? "--precision bf16" : nil,
      microBatches == 8 ? nil : "--micro-batches \(microBatches)",
    ].compactMap(\.self)
    let examples = Int((Double(job.batchSize) / best.payingSeconds).rounded())
    lines.append(
      "take: \(name(best)), \(count(bestHosts, "host")): \(taken) a step, \(grouped(examples)) examples a second"
        + (options.isEmpty ? "" : " (\(options.joined(separator: ", ")))"))
    if best.payingSeconds > (1 - NetworkPlan.leastGain) * computing.seconds {
      lines.append("but without a network, one worker takes \(secondsText(computing.seconds)) a step")
    }
    return lines
  }
}

/// The seconds in which one worker computes a step's whole batch.
private struct ComputingTime {
  let seconds: Double
  /// Where they come from.
  let text: String

  init(_ job: PlannedJob, _ hosts: PlannedHosts, microBatches: Int) {
    if let rate = hosts.examplesPerSecond {
      seconds = Double(job.batchSize) / rate
      text = "\(OptionValue.real(rate).description) examples a second, as given"
      return
    }
    let speed = LayerSpeed(examples: 128, inputs: 784, outputs: 256)
    let operationsPerSecond = 3 / (1 / speed.forward + 1 / speed.weightGradient + 1 / speed.inputGradient)
    let rounds = (microBatches + hosts.threads - 1) / hosts.threads
    seconds =
      job.operations.count * Double(job.batchSize) / operationsPerSecond * Double(rounds) / Double(microBatches)
    text =
      "estimated: \(job.operations.text), at \(Int((operationsPerSecond / 1e9).rounded())) GFLOP/s a core, measured here"
  }
}

private func name(_ way: NetworkPlan.Way) -> String { "\(way.topology), \(way.precision.rawValue)" }

private func number(_ seconds: Double) -> String { String(format: seconds < 0.9995 ? "%.3f" : "%.2f", seconds) }

private func secondsText(_ seconds: Double) -> String { "\(number(seconds)) s" }
