internal import ArgumentParser
internal import Reports
internal import Runs

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Whether two runs, or two models, are the same bits, and where they part.",
    discussion: "Ends with 0 where they are equal and with 1 where they differ.")

  @Argument(help: ArgumentHelp("A run's folder, or a model.", valueName: "first"))
  var first: String

  @Argument(help: ArgumentHelp("Another.", valueName: "second"))
  var second: String

  func run() throws {
    let difference = try RunDifference(first, second)
    guard !difference.isEqual else {
      let losses = difference.steps > 0 ? "the losses of \(count(difference.steps, "step")) and " : ""
      printLine("equal: \(losses)\(count(difference.values, "value")), bit for bit")
      return
    }
    switch difference.losses {
    case .differ(let epoch, let step, let left, let right):
      printLine("the losses part at epoch \(epoch), step \(step): \(text(left)) and \(text(right))")
    case .differWithin(let epoch, let steps):
      printLine("the losses part at epoch \(epoch), between step \(steps.lowerBound) and step \(steps.upperBound)")
    case .counts(let left, let right):
      let end = difference.steps < min(left, right) ? " up to step \(grouped(difference.steps))" : " as far as both go"
      printLine("the losses are equal\(end): \(count(left, "step")) and \(grouped(right))")
    case .missing(let steps):
      printLine("one of the runs has no losses from step \(steps.lowerBound) to step \(steps.upperBound)")
    case nil: if difference.steps > 0 { printLine("the losses of \(count(difference.steps, "step")) are equal") }
    }
    if !difference.isPreparedAlike {
      printLine("the models prepare their data differently: `lockstep inspect` shows how")
    }
    for (name, tensor) in difference.tensors { printLine("\(name): \(text(tensor))") }
    throw ExitCode(1)
  }

  private func text(_ loss: Double?) -> String { loss.map { "\($0)" } ?? "none" }

  private func text(_ tensor: RunDifference.Tensor) -> String {
    switch tensor {
    case .onlyInFirst: "only in \(first)"
    case .onlyInSecond: "only in \(second)"
    case .shapes(let left, let right): "\(left) and \(right)"
    case .values(let differing, let count, let largest, let position):
      "\(grouped(differing)) of \(Reports.count(count, "value")) differ, by at most \(format(largest)) at \(position)"
    }
  }
}
