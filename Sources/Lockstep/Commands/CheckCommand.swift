internal import ArgumentParser
internal import Datasets
internal import Models
internal import Protocol
internal import Reports
internal import Runs
internal import Schema

struct CheckCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Prove that a model keeps its contract, so that the number of workers changes no bit.",
    discussion: """
      Computes the gradient of a few micro-batches in memory that is filled with other numbers before, twice, on two \
      threads, each alone and all together, and holds it against finite differences of the loss. Ends with 1 where \
      something is not as the documentation of `Model` says. All options of the job are those of `train`.
      """)

  @OptionGroup(title: "Job options")
  var job: DeclaredOptions<JobSection>

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  func run() throws {
    let options = try jobOptions(output: nil)
    let data = try options.load()
    let models = ModelKinds.registry.all
    let prepared = try PreparedJob(options, data, models: models)
    let parameters = count(prepared.model.layout.parameterCount, "parameter")
    printLine("\(prepared.job.modelText) on \(prepared.dataName) (\(parameters))")
    let findings = try ModelCheck(prepared, data, models: models).findings
    for finding in findings {
      printLine(finding.problem.map { "FAILED  \(finding.claim): \(oneLine($0))" } ?? "ok      \(finding.claim)")
    }
    let failures = findings.count { $0.problem != nil }
    guard failures == 0 else {
      throw TrainingError(
        "--model \(prepared.job.modelText) breaks its contract in \(count(failures, "way")): runs of it would differ with the number of workers, or learn something else"
      )
    }
  }
}
