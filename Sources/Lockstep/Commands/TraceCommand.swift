internal import ArgumentParser
internal import Files
internal import Foundation
internal import Optimizers
internal import Reports
internal import Runs
internal import Schema

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Draw the paths of update rules over a test function.",
    discussion: """
      Writes an SVG picture and prints a table: each rule's learning rate, the function's value after the steps, the \
      distance to the minimum, and the steps until the value is below 0.001. The rules are those that train, in float32.

      Without --learning-rate each rule gets its own: of 1, 2 and 5 times the powers of ten from 10⁻⁵ to 100 the one \
      by which the second half of its path is lowest on average, without ever rising above the start. Options that only some of the rules have go to those. To a \
      schedule an epoch is one step, and every step is evaluated.

      Functions:
      \(TestFunction.all.map { "  \($0.name): \($0.formula). \($0.source)." }.joined(separator: "\n"))
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The test function: \(TestFunction.all.map(\.name).joined(separator: ", ")).", valueName: "name"))
  var function = "rosenbrock"

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Update rules, such as adam,rmsprop, or all.", valueName: "list"))
  var optimizers = "sgd,momentum,rmsprop,adam"

  @Option(parsing: .unconditional, help: ArgumentHelp("How many steps, up to 100000.", valueName: "count"))
  var steps = "500"

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Where all paths begin. (default: the function's usual start)", valueName: "x,y"))
  var start: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The picture's file. (default: trace-<function>.svg)", valueName: "file"))
  var output: String?

  @OptionGroup(title: "Options of update rules and schedules")
  var optimization: DeclaredOptions<OptimizerSection>

  @OptionGroup
  var others: OtherOptions

  func run() throws {
    let function = try chosenFunction()
    let names = try parseOptimizers(optimizers)
    let steps = try stepCount()
    let start = try chosenStart(function)
    let given = try given()
    let isTuned = given["learning-rate"] == nil
    // Errors in the options are found before the first path.
    let settings = try names.map { name in
      try OptimizerSettings(name, given: OptimizerSettings.part(of: given, for: name, among: names))
    }
    if let output, output.isEmpty { throw ValidationError("--output: a value is needed") }
    let path = output ?? "trace-\(function.name).svg"
    let traces = try settings.map { settings in
      guard isTuned else { return try Trace(settings, on: function, from: start, steps: steps) }
      return try Trace.tuned(
        settings.name, given: OptimizerSettings.part(of: given, for: settings.name, among: names), on: function,
        from: start, steps: steps)
    }
    let figure = TraceFigure(function, from: start, steps: steps, isTuned: isTuned, traces)
    try AtomicFile.write(figure.svg, to: path)
    printLine("\(function.name), \(count(steps, "step")) from (\(start.x), \(start.y))")
    printLine(figure.lines.joined(separator: "\n"))
    for note in OptimizerSettings.notes(on: given, among: names) { printLine("\(note).") }
    printLine("picture: \(path)")
  }

  private func chosenFunction() throws -> TestFunction {
    guard let chosen = TestFunction.all.first(where: { $0.name == function }) else {
      throw ValidationError(
        "--function '\(function)': known are \(TestFunction.all.map(\.name).joined(separator: ", "))")
    }
    return chosen
  }

  private func stepCount() throws -> Int {
    guard let count = Int(steps), (1...100_000).contains(count) else {
      throw ValidationError("--steps '\(steps)': a whole number from 1 to 100000 is needed")
    }
    return count
  }

  private func chosenStart(_ function: TestFunction) throws -> (x: Double, y: Double) {
    guard let start else { return function.start }
    let numbers = start.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard numbers.count == 2, let x = numbers[0], let y = numbers[1], abs(x) <= 1000, abs(y) <= 1000 else {
      throw ValidationError("--start '\(start)': two numbers from -1000 to 1000 are needed, as in -1.5,2")
    }
    return (x, y)
  }

  private func given() throws -> [String: OptionValue] {
    var values: [String: OptionValue] = [:]
    for (name, text) in optimization.given + (try others.given) {
      guard let option = OptimizerSettings.options.first(where: { $0.name == name }) else {
        let known = OptimizerSettings.options.map(\.name)
        throw OptionError("--option \(name)=\(text): unknown option; known are \(known.joined(separator: ", "))")
      }
      values[name] = try option.value(of: text)
    }
    return values
  }
}
