internal import ArgumentParser
internal import Datasets
internal import Foundation
internal import Reports
internal import Runs
internal import Schema

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "What is in a file of data.", subcommands: [DataShowCommand.self])
}

struct DataShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "The columns of a table, what training would make of them, and what looks wrong.",
    discussion: "The options are those of `lockstep train`, with the same defaults.")

  @Argument(help: ArgumentHelp("The table: a CSV, TSV or JSON Lines file.", valueName: "path"))
  var path: String

  enum Section: OptionSection {
    static let names = ["seed", "loss"] + DataSources.selector.options.map(\.name)
    static let options = JobOptions.ofJobs.filter { names.contains($0.name) }
    static let isChecked = false
  }

  @OptionGroup
  var source: DeclaredOptions<Section>

  func run() throws {
    var options = JobOptions()
    try options.set("data", to: path)
    try options.set(source.given)
    let table = try options.selection.table()
    let loaded = Result { try options.load() }
    let report = try? loaded.get().report
    printLine("\(table.name): \(count(table.count, "record")) of \(count(table.names.count, "column"))")
    let findings = Dictionary((report?.columns ?? []).map { ($0.name, $0) }) { first, _ in first }
    let facts = table.columns.map { ColumnFacts($0) }
    let names = elided(facts.map(\.name), to: 24)
    let rows = zip(names, facts).map { name, fact -> [String] in
      let becomes =
        report?.labels.contains(fact.name) == true
        ? "the label"
        : findings[fact.name].map {
          $0.recipe == nil ? "left out: \($0.reason)" : Table.shown($0.recipe!.encoding.summary)
        } ?? ""
      return [
        name, fact.kind, fact.missing > 0 ? grouped(fact.missing) : "", grouped(fact.levels), oneLine(fact.range),
        fact.skew.map { String(format: "%.2f", $0) } ?? "", bars(fact.histogram), becomes,
      ]
    }
    let titles = ["column", "cells", "missing", "different", "range, or most frequent", "skew", "tenths", "becomes"]
    for line in Reports.table([titles] + rows, numbers: [2, 3, 5], titles: 1) { printLine(line) }
    let read = Set(table.columns.map(\.name))
    let ignored = table.names.filter { !read.contains($0) }
    if !ignored.isEmpty { printLine("ignored: " + ignored.map(oneLine).joined(separator: ", ")) }
    switch loaded {
    case .success(let data): showLabel(report, data)
    case .failure(let error): printLine("warning: this cannot be trained on: \(error)")
    }
    for warning in warnings(table, facts, report) { printLine("warning: \(warning)") }
  }

  /// Heights from ▁ to █.
  private func bars(_ counts: [Int]) -> String {
    let most = Double(counts.max() ?? 0)
    return counts.map { $0 == 0 ? " " : String(Array("▁▂▃▄▅▆▇█")[min(Int(Double($0) / most * 8), 7)]) }.joined()
  }

  private func showLabel(_ report: TableReport?, _ data: LoadedData) {
    guard let report else { return }
    printLine("label \(report.labels.map(oneLine).joined(separator: ", ")): \(report.labelReason)")
    guard let classes = report.classes else { return }
    var counts = [Int](repeating: 0, count: classes.count)
    for part in [data.train, data.validation, data.test].compactMap(\.self) {
      for index in 0..<part.count { counts[part.label(index) ?? 0] += 1 }
    }
    let most = counts.max() ?? 1
    let all = counts.reduce(0, +)
    let rows = zip(classes, counts).prefix(20).map { name, count in
      [
        "  " + oneLine(String(name.prefix(30))), grouped(count),
        "\(Int((100 * Double(count) / Double(all)).rounded())) %",
        String(repeating: "█", count: max(1, 30 * count / max(most, 1))),
      ]
    }
    for line in Reports.table(Array(rows), numbers: [1, 2]) { printLine(line) }
    if classes.count > 20 { printLine("  … \(classes.count) classes") }
    if let least = counts.min(), least * 10 < most {
      printLine(
        "the classes are unbalanced: --class-weights balanced counts the rare ones more, so that each class counts alike"
      )
    }
  }

  private func warnings(_ table: Table, _ facts: [ColumnFacts], _ report: TableReport?) -> [String] {
    var warnings: [String] = []
    if let report, report.unlabelled > 0 {
      warnings.append("\(count(report.unlabelled, "record")) without a label will be left out")
    }
    let duplicates = table.duplicates
    if duplicates > 0 { warnings.append("\(count(duplicates, "record")) equal to one before") }
    let numbers = Set(
      (report?.columns ?? []).filter {
        if case .number(let number) = $0.recipe?.encoding { number.transform == .none } else { false }
      }.map(\.name))
    let features = facts.filter { numbers.contains($0.name) }
    func list(_ facts: [ColumnFacts]) -> String { elided(facts.map(\.name), to: 24).joined(separator: ", ") }
    func choices(_ facts: [ColumnFacts], _ kind: ColumnChoices.Kind) -> String {
      facts.map { "\(ColumnChoices.quoted($0.name)): \(kind.rawValue)" }.joined(separator: ", ")
    }
    let outlying = features.filter { $0.outliers > 0 }
    if !outlying.isEmpty {
      let cells = outlying.reduce(0) { $0 + $1.outliers }
      warnings.append(
        "\(count(cells, "cell")) further than three interquartile ranges from the quartiles, in \(list(outlying)); --scale "
          + "robust bounds them")
    }
    let skewed = features.filter { abs($0.skew ?? 0) > 3 && $0.levels > 2 }
    for kind in [ColumnChoices.Kind.log1p, .quantile] {
      let own = skewed.filter { ($0.skew! > 0 && $0.isAboveMinusOne) == (kind == .log1p) }
      if !own.isEmpty { warnings.append("skewed: --columns '\(choices(own, kind))' may help") }
    }
    if let label = report?.labels.first.flatMap({ table.column($0) }), report?.classes != nil {
      for name in table.leaks(label) {
        warnings.append(
          "\(oneLine(name)) says the label of every record: was it known before the label? --columns "
            + "'\(ColumnChoices.quoted(name)): ignore'")
      }
    }
    return warnings
  }
}
