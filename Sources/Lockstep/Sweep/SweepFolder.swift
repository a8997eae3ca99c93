internal import Files
internal import Foundation
internal import Reports
internal import Runs
internal import Schema

/// A sweep's folder: what it sweeps, a file for each trial that has ended, and the reports.
final class SweepFolder: @unchecked Sendable {
  // Sendable: trials end one at a time.
  private(set) var results: [Trial: TrialResult] = [:]
  private let folder: OutputFolder

  var path: String { folder.path }

  var losses: [Trial: Double] { results.mapValues(\.loss) }

  /// Makes the folder, or reads what a sweep of the same `description` has left there. Trials that failed run again.
  ///
  /// - Throws: an error that names the folder if another sweep is in it, or a file that cannot be read.
  init(_ path: String?, _ description: PreparedSweep.Description, overwrites: Bool) throws {
    folder = try OutputFolder(path, prefix: "sweep-")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let file = "\(folder.path)/\(SweepFolder.mark)"
    if overwrites {
      try? FileManager.default.removeItem(atPath: trials)
      for name in SweepFolder.reports + [SweepFolder.mark] { unlink("\(folder.path)/\(name)") }
    } else if FileManager.default.fileExists(atPath: file) {
      let earlier = try SweepFolder.read(PreparedSweep.Description.self, file)
      if let difference = description.difference(from: earlier) {
        throw OptionError(
          "--output \(folder.path): there is a sweep with \(difference); give the same options to go on, choose another folder, "
            + "or replace it by --overwrite")
      }
      for name in try FileManager.default.contentsOfDirectory(atPath: trials) where name.hasSuffix(".json") {
        let result = try SweepFolder.read(TrialResult.self, "\(trials)/\(name)")
        if result.outcome != .failed { results[result.trial] = result }
      }
      return
    } else {
      try folder.refuseOthers(than: SweepFolder.mark)
    }
    try makeFolders(trials)
    try AtomicFile.write(String(decoding: encoder.encode(description), as: UTF8.self) + "\n", to: file)
  }

  private static let mark = "sweep.json"
  private static let reports = ["report.html", "results.json", "trials.csv", SweepStatus.name]

  private var trials: String { "\(folder.path)/trials" }

  private static func read<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      throw FileError("\(path) cannot be read, remove it or give --overwrite: \(error)")
    }
  }

  func add(_ result: TrialResult) throws {
    results[result.trial] = result
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(
      String(decoding: encoder.encode(result), as: UTF8.self) + "\n", to: "\(trials)/\(result.trial.name).json")
  }

  func write(_ report: SweepReport) throws {
    try AtomicFile.write(report.json, to: "\(folder.path)/results.json")
    try AtomicFile.write(report.csv, to: "\(folder.path)/trials.csv")
    try AtomicFile.write(report.html, to: "\(folder.path)/report.html")
  }
}

extension PreparedSweep.Description {
  /// Such as `--batch-size 64`: the first thing in which an earlier sweep differs; nil if it is the same.
  fileprivate func difference(from earlier: Self) -> String? {
    for name in Set(options.keys).union(earlier.options.keys).sorted() where options[name] != earlier.options[name] {
      return earlier.options[name].map { "--\(name) \($0)" } ?? "no --\(name)"
    }
    if optimizers != earlier.optimizers { return "--optimizers \(earlier.optimizers.joined(separator: ","))" }
    if grids != earlier.grids {
      return earlier.grids.isEmpty ? "no --grid" : "--grid \(earlier.grids.joined(separator: " --grid "))"
    }
    if sample != earlier.sample {
      return earlier.sample.isEmpty ? "no --sample" : "--sample \(earlier.sample.joined(separator: " "))"
    }
    if seeds != earlier.seeds { return "the seeds \(earlier.seeds.map(String.init).joined(separator: ","))" }
    if halves != earlier.halves { return earlier.halves == true ? "--halving" : "no --halving" }
    if target != earlier.target { return earlier.target.map { "--target \($0)" } ?? "no --target" }
    if numerics != earlier.numerics { return "numerics version \(earlier.numerics), which gives other bits" }
    return dataDigest == earlier.dataDigest ? nil : "other data (fingerprint \(earlier.dataDigest.prefix(12))…)"
  }
}
