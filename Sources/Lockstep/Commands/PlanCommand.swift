internal import ArgumentParser
internal import Runs
internal import Schema

struct PlanCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "How long a step of a job takes on so many hosts of a network, and how many hosts pay.",
    discussion: """
      Computes it by the formulas of the guide's page Scaling; nothing is sent, and nothing is trained. Each host has one \
      worker, and the coordinator a host of its own. A topology says which way parameters and gradients go: in a star all \
      to the coordinator, in a mesh workers are each other's relays. More hosts, another topology or bf16 pay if a step is \
      at least 5 % shorter with them. The job options are those of the run; which of them matter here are the model and \
      its data, --batch-size, --micro-batches, --precision, and those that need the whole gradient before an update.
      """)

  enum Section: OptionSection {
    static let parameters = OptionDeclaration.real(
      "parameters", .within(1...1e12), valueName: "count", defaultText: "those of --model on --data", decides: false,
      "The model's parameters, such as 1863690 or 1.9e6.")
    static let batch = OptionDeclaration.whole(
      "batch", JobOptions.batchSizes, defaultText: "the job's --batch-size", decides: false,
      "Examples a step, of all workers together.")
    static let hosts = OptionDeclaration.whole(
      "hosts", 1...1024, decides: false, "The most hosts with a worker.")
    static let bandwidth = OptionDeclaration.real(
      "bandwidth", .within(0.001...1e7), valueName: "Mbit/s", decides: false,
      "Of each host's link, each way: 100, or 1000 for a gigabit.")
    static let examplesPerSecond = OptionDeclaration.real(
      "examples-per-second", .above0(upTo: 1e12), defaultText: "estimated from the model and the speed of this machine",
      decides: false, "What one worker computes, with all of its threads.")
    static let threads = OptionDeclaration.threads("Compute threads a worker.")
    static let options = [parameters, batch, hosts, bandwidth, examplesPerSecond, threads]

    static func check(_ given: DeclaredOptions<Self>) throws {
      for (option, what) in [(hosts, "how many hosts there may be"), (bandwidth, "the Mbit/s of each host's link")]
      where !given.has(option) {
        throw ValidationError("--\(option.name) is missing: \(what)")
      }
    }
  }

  @OptionGroup
  var own: DeclaredOptions<Section>

  @OptionGroup(title: "Job options")
  var job: DeclaredOptions<JobSection>

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  func run() throws {
    var options = try jobOptions(output: nil)
    if own.has(Section.batch) {
      let text = own.text(Section.batch) ?? ""
      guard options.given["batch-size"] == nil else {
        throw OptionError("--batch \(text): --batch-size says the same; give one")
      }
      try options.set("batch-size", to: text)
    }
    let planned = try PlannedJob(options, parameters: own.has(Section.parameters) ? own.real(Section.parameters) : nil)
    let hosts = PlannedHosts(
      count: own.whole(Section.hosts), bandwidth: own.real(Section.bandwidth), threads: own.whole(Section.threads),
      examplesPerSecond: own.has(Section.examplesPerSecond) ? own.real(Section.examplesPerSecond) : nil)
    printLine(try PlanReport(planned, hosts).lines.joined(separator: "\n"))
  }
}
