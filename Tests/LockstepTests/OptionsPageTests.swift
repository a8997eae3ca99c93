import Foundation
import Testing

@testable import Lockstep
@testable import Runs
@testable import Schema

/// The guide's list of options, which is written from the declarations: `LOCKSTEP_WRITE_PAGES=1 swift test --filter
/// OptionsPageTests` writes it anew.
@Suite struct OptionsPageTests {
  private static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/Lockstep/Lockstep.docc/Options.md")

  private func table(_ options: [OptionDeclaration]) -> String {
    func cell(_ text: String) -> String { text.replacing("|", with: "\\|").replacing("\n", with: " ") }
    let rows = options.map { option in
      let cells = [
        "`--\(option.name)`", option.kind == .toggle ? "" : option.allowed, OptionHelp.defaults(of: option) ?? "",
        option.help,
      ]
      return "| " + cells.map(cell).joined(separator: " | ") + " |"
    }
    return (["| option | values | default | what |", "| --- | --- | --- | --- |"] + rows).joined(separator: "\n")
  }

  private var expected: String {
    let sections: [(String, [OptionDeclaration])] = [
      ("The job: data and model", JobOptions.ofJobs), ("The job: update rules and schedules", OptimizerSection.options),
      ("A run's folder", FolderSection.options), ("Checkpoints", CheckpointSection.options),
      ("Connections", ConnectionSection.options), ("`train`", TrainCommand.Section.options),
      ("`compare`", CompareCommand.Section.options),
      ("`find-rate`", FindRateCommand.Section.options), ("`sweep`", SweepCommand.Section.options),
      ("`launch`", LaunchCommand.Section.options),
      ("`coordinator`", CoordinatorCommand.Section.options + CoordinatorKeySection.options),
      ("`worker`", WorkerCommand.Section.options + WorkerKeySection.options), ("`plan`", PlanCommand.Section.options),
    ]
    return """
      # Options

      Every option with its values and its default.

      ## How options are given

      On the command line as `--name value`. The options of the job have the same names in a YAML file, which `--job` reads;
      the command line takes precedence. `coordinator` and `worker` also read each of theirs from the environment:
      `LOCKSTEP_SILENCE_LIMIT` is `--silence-limit`, and a run's first line names those that came from there. An option that
      belongs to some models, data sources, update rules or schedules alone is refused with the others; where the default
      depends on it, the table lists them. Options that a program of your own adds are flags of that program with help.

      The options of the job decide the result; all others change only how it is computed.


      """ + sections.map { "## \($0)\n\n\(table($1))\n" }.joined(separator: "\n")
  }

  @Test func thePageIsWhatIsDeclared() throws {
    if ProcessInfo.processInfo.environment["LOCKSTEP_WRITE_PAGES"] == "1" {
      try expected.write(to: OptionsPageTests.page, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: OptionsPageTests.page, encoding: .utf8) == expected)
  }

  @Test func noCommandHasTwoOptionsOfOneName() {
    for names in [
      TrainCommand.declared, CompareCommand.declared, LaunchCommand.declared, CoordinatorCommand.declared,
      WorkerCommand.declared, PlanCommand.declared,
    ].map({ $0.map(\.name) }) {
      #expect(Set(names).count == names.count, "\(names)")
    }
  }
}
