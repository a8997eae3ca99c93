import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite(.serialized) struct SweepTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private static let job = ["--data", "digits", "--model", "mlp:16", "--epochs", "2"]

  private func start(_ arguments: [String], output: String = "out") throws -> Program {
    try Program(["sweep", "--output", output] + Self.job + arguments, in: scratch.url)
  }

  private func succeed(_ arguments: [String], output: String = "out") throws -> Program {
    let program = try start(arguments, output: output)
    let code = program.wait(seconds: 120)
    try #require(code == 0, "\(program.errors)")
    #expect(program.children.isEmpty)
    return program
  }

  private struct Record: Decodable, Equatable {
    struct Row: Decodable, Equatable {
      struct Choice: Decodable, Equatable {
        let option, value: String
      }

      struct Final: Decodable, Equatable {
        let seed: UInt64
        let command: String
        let parametersSha256: String
        let validationLoss, testLoss: Double?
      }

      let optimizer: String
      let choices: [Choice]
      let runs, searched, diverged, failed: Int
      let difference, intervalLow, shareBetter, stepsToTarget: Double?
      let finals: [Final]
      let bestOf: [Double?]
    }

    let reference: String
    let target: Double
    let seeds: [UInt64]
    let rows: [Row]
  }

  private func record(_ folder: String = "out") throws -> Record {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Record.self, from: Data(scratch.read("\(folder)/results.json").utf8))
  }

  @Test func rulesAreTunedAndRunWithEverySeed() throws {
    let program = try succeed(["--optimizers", "adam,rmsprop", "--seeds", "3"])
    let record = try record()
    #expect(
      record.reference == "adam" && record.seeds == [0, 1, 2] && record.rows.map(\.optimizer) == ["adam", "rmsprop"])
    #expect(Set(record.rows.map(\.runs)).count == 1, "equal budgets")
    for row in record.rows {
      #expect(row.searched >= 7 && row.runs == row.searched + 2 && row.failed == 0 && row.bestOf.count == row.searched)
      #expect(row.finals.map(\.seed) == [0, 1, 2])
      #expect(program.output.contains("\n\(row.optimizer) "))
    }
    #expect(record.rows[0].difference == nil && record.rows[1].difference != nil && record.rows[1].intervalLow != nil)
    // Half of Adam's seeds reach the median of their losses.
    #expect(record.rows[0].stepsToTarget == 22)

    // The command of a row gives its bits, with another number of workers too.
    let final = record.rows[1].finals[2]
    let words = final.command.split(separator: " ").dropFirst(2).map(String.init)
    let alone = try train(scratch, words + ["--workers", "3"], output: "alone")
    #expect(alone.parameters_sha256 == final.parametersSha256)

    let html = try scratch.read("out/report.html")
    let parser = XMLParser(data: Data(html.utf8))
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(!html.contains("https://") && !html.contains("<script"))
    let rows = try scratch.read("out/trials.csv").split(separator: "\n")
    #expect(rows.count == 1 + record.rows.reduce(0) { $0 + $1.runs })
  }

  @Test func aSweepThatIsKilledGoesOnToTheSameResult() throws {
    let arguments = ["--optimizers", "adam,sgd", "--seeds", "2", "--grid", "clip-norm=0,1"]
    _ = try succeed(arguments, output: "whole")
    let killed = try start(arguments)
    let folder = scratch.path("out/trials")
    func ended() -> Int {
      (try? FileManager.default.contentsOfDirectory(atPath: folder).count { $0.hasSuffix(".json") }) ?? 0
    }
    #expect(eventually(seconds: 60) { ended() >= 3 })
    killed.send(SIGKILL)
    #expect(killed.wait() != 0)
    let before = ended()
    let program = try succeed(arguments)
    #expect(program.output.contains("going on after \(before) trials"))
    #expect(try record() == record("whole"))

    // Nothing is left to do.
    let again = try succeed(arguments)
    #expect(!again.output.contains("search: ") && again.output.contains("going on after "))
    #expect(try record() == record("whole"))

    let other = try start(arguments + ["--batch-size", "64"])
    #expect(other.wait() == 64)
    #expect(other.errors.contains("there is a sweep with no --batch-size"), "\(other.errors)")
  }

  #if os(Linux)
    @Test(.tags(.heavy), .enabled(if: runsHeavyCases)) func aTrialLeavesNoDescriptor() throws {
      let program = try start(["--optimizers", "adam,sgd", "--epochs", "1", "--seeds", "40"])
      let folder = scratch.path("out/trials")
      func count(_ path: String) -> Int { (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? 0 }
      #expect(eventually(seconds: 100) { count(folder) >= 80 })
      // Each of the trials that run has about 30, for its sockets.
      let open = count("/proc/\(program.processIdentifier)/fd")
      #expect((1...60 + 40 * ProcessInfo.processInfo.activeProcessorCount).contains(open))
      #expect(program.wait(seconds: 60) == 0)
    }
  #endif

  @Test func aSignalEndsASweepAndItsWorkers() throws {
    let program = try start(["--optimizers", "adam,sgd"])
    #expect(program.waitForOutput("search: 14 trials"))
    program.send(SIGTERM)
    #expect(program.wait() == 143)
    #expect(program.errors.contains("interrupted by SIGTERM") && program.children.isEmpty)
  }

  @Test func halvingSearchesWithShorterRuns() throws {
    let program = try succeed([
      "--optimizers", "adam,sgd", "--seeds", "2", "--halving", "--grid", "learning-rate=0.001,0.003,0.01,0.03",
    ])
    #expect(program.output.contains("search: 8 trials of a quarter of the steps; each rule has 4"))
    #expect(program.output.contains("halving: 4 trials, the better half of each rule for half of the steps"))
    #expect(program.output.contains("halving: 2 trials, the better half of those for all steps"))
    let lengths = try scratch.read("out/trials.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)[4]
    }
    #expect(
      lengths.count { $0 == "0.25" } == 8 && lengths.count { $0 == "0.5" } == 4 && lengths.count { $0 == "1.0" } == 4)
    let final = try record().rows[0].finals[1]
    let words = final.command.split(separator: " ").dropFirst(2).map(String.init)
    #expect(try train(scratch, words, output: "alone").parameters_sha256 == final.parametersSha256)
    let other = try start(["--optimizers", "adam,sgd", "--seeds", "2", "--grid", "learning-rate=0.001,0.003,0.01,0.03"])
    #expect(other.wait() == 64 && other.errors.contains("there is a sweep with --halving"), "\(other.errors)")
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases)) func severalJobsAreComparedByAProfile() throws {
    _ = try scratch.file("one.yaml", "data: digits\nmodel: linear\nepochs: 2\n")
    _ = try scratch.file("two.yaml", "data: digits\nmodel: mlp:8\nepochs: 1\nbatch-size: 64\n")
    let arguments = [
      "sweep", "--jobs", "one.yaml,two.yaml", "--optimizers", "adam,sgd", "--seeds", "2", "--output", "all",
    ]
    let program = try Program(arguments, in: scratch.url)
    #expect(program.wait(seconds: 120) == 0, "\(program.errors)")
    struct Profile: Decodable {
      struct Rule: Decodable {
        let optimizer: String
        let share_best, share_at_all: Double
        let steps_to_target: [String: Double]
      }

      let jobs: [String]
      let rules: [Rule]
    }
    let profile = try JSONDecoder().decode(Profile.self, from: Data(scratch.read("all/profile.json").utf8))
    #expect(profile.jobs == ["one", "two"] && profile.rules.map(\.optimizer) == ["adam", "sgd"])
    // Its own median is the target.
    #expect(profile.rules[0].share_at_all == 1 && profile.rules.reduce(0) { $0 + $1.share_best } >= 1)
    for (name, steps) in profile.rules[0].steps_to_target {
      #expect(try record("all/\(name)").rows[0].stepsToTarget == steps)
    }
    let parser = XMLParser(data: Data(try scratch.read("all/report.html").utf8))
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    let again = try Program(arguments, in: scratch.url)
    #expect(again.wait() == 0 && !again.output.contains("search: "), "\(again.errors)")
    let other = try Program(["sweep", "--jobs", "two.yaml,one.yaml"] + arguments.dropFirst(3), in: scratch.url)
    #expect(other.wait() == 64 && other.errors.contains("there is a sweep of the jobs one, two;"), "\(other.errors)")
  }

  /// A command that takes a host and a command line, as ssh does, and runs it here, but reaches no host called `down`.
  private func localShell() throws -> String {
    let path = try scratch.file("shell", "#!/bin/sh\n[ \"$1\" = down ] && exit 255\nshift\nexec sh -c \"$1\"\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    return path
  }

  @Test func trialsOnHostsHaveTheSameResults() throws {
    let job = ["--optimizers", "adam,sgd", "--seeds", "2", "--grid", "learning-rate=0.001,0.01"]
    _ = try succeed(job, output: "here")
    let hosts = try ["--ssh", localShell(), "--bind", "tcp://127.0.0.1:0", "--hosts"]
    let program = try succeed(job + hosts + ["down:4,x:2,localhost"], output: "hosts")
    #expect(try record("hosts") == record("here"))
    #expect(program.errors.contains("warning: down is left out: "), "\(program.errors)")

    let none = try start(job + hosts + ["down:2"], output: "none")
    #expect(none.wait() == 1)
    #expect(none.errors.contains("no host is left to run trials on; the last: "), "\(none.errors)")
  }

  @Test func withoutAValidationPartTheTrainingDecides() throws {
    let program = try succeed(["--optimizers", "adam,sgd", "--seeds", "1", "--validation-fraction", "0"])
    #expect(program.output.contains("without a validation part, the training loss decides"))
    #expect(program.output.contains("train") && !program.output.contains("validation loss"))
    let final = try record().rows[0].finals[0]
    let words = final.command.split(separator: " ").dropFirst(2).map(String.init)
    let alone = try train(scratch, words, output: "alone")
    #expect(alone.parameters_sha256 == final.parametersSha256)
    let rows = try scratch.read("out/trials.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let titles = rows[0]
    let loss = try #require(titles.firstIndex(of: "train_loss"))
    let best = try #require(rows.dropFirst().filter { $0[0] == "adam" }.compactMap { Double($0[loss]) }.min())
    #expect(alone.train_loss == best)

    let function = try Program(
      [
        "sweep", "--data", "none", "--model", "quadratic:10,10", "--steps", "2000", "--optimizers", "sgd,adam",
        "--grid", "learning-rate=0.001,0.01",
        "--seeds", "2",
        "--output", "function",
      ], in: scratch.url)
    #expect(function.wait(seconds: 120) == 0, "\(function.errors)")
    #expect(function.output.contains("no data, quadratic:10,10"), "\(function.output)")
    #expect(try record("function").rows.allSatisfy { $0.finals.count == 2 })
  }

  @Test func aGridOverHowDataAreReadReadsThemSo() throws {
    _ = try succeed([
      "--optimizers", "adam", "--seeds", "1", "--grid", "learning-rate=0.001", "--grid", "scale=none,standard",
    ])
    let final = try record().rows[0].finals[0]
    #expect(final.command.contains("--scale standard"))
    let words = final.command.split(separator: " ").dropFirst(2).map(String.init)
    #expect(try train(scratch, words, output: "alone").parameters_sha256 == final.parametersSha256)
    let losses = try scratch.read("out/trials.csv").split(separator: "\n").dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)[6]
    }
    #expect(Set(losses).count == 2)
  }

  @Test func ratesThatDivergeAreCounted() throws {
    _ = try succeed(["--optimizers", "sgd", "--grid", "learning-rate=0.1,1e30", "--seeds", "1", "--target", "0.001"])
    let record = try record()
    #expect(record.rows[0].diverged == 1 && record.rows[0].choices.map(\.value) == ["0.1"] && record.target == 0.001)
    #expect(record.rows[0].stepsToTarget == nil)
  }

  @Test(
    "what makes no sense is refused in a line",
    arguments: [
      (["--optimizers", "adam,adam"], "adam is given twice"),
      (["--optimizers", "sgd", "--grid", "beta2=0.9,0.99"], "none of sgd has this option; it belongs to"),
      (["--optimizers", "adam", "--grid", "beta2=0.9,1.5"], "--beta2 1.5: for adam it must be"),
      (["--optimizers", "adam", "--grid", "learning-rate=0"], "--learning-rate 0.0: for adam it must be above 0"),
      (["--optimizers", "adam", "--grid", "beta9=1"], "there is no such option of a job"),
      (["--optimizers", "adam", "--grid", "seed=1,2"], "give --seeds"),
      (["--optimizers", "adam", "--sample", "5", "weight-decay=0.1..0.01:log"], "the range is reversed"),
      (["--optimizers", "adam", "--sample", "weight-decay=0.1..0.2"], "the number of points is needed first"),
      (["--optimizers", "adam", "--seeds", "1,1"], "1 is given twice"),
      (["--optimizers", "adam", "--seeds", "x"], "a count is needed"),
      (["--optimizer", "adam"], "a sweep takes --optimizers"),
      (["--ssh", "rsh"], "--ssh needs --hosts"), (["--hosts", "a b"], "a host is HOST, USER@HOST or HOST:THREADS"),
      (["--hosts", "a", "--bind", "tcp://0.0.0.0:5555"], "port 0 is needed"),
      (["--jobs", "a.yaml,b/a.yaml"], "two files are called a"), (["--jobs", "a.yaml,"], "a file is missing"),
      (["--jobs", "a.yaml"], "no such file"), (["--jobs", "a.yaml", "--job", "b.yaml"], "exclude each other"),
      (
        ["--optimizers", "adam", "--halving", "--batch-size", "1294"], "a run has 2 steps, of which there is no quarter"
      ),
    ])
  func refusals(_ arguments: [String], _ message: String) throws {
    let program = try start(arguments)
    #expect(program.wait() == 64)
    #expect(program.errors.contains(message), "\(program.errors)")
    #expect(program.errors.hasPrefix("error: "))
  }

  @Test func aFolderOfSomethingElseIsLeftAlone() throws {
    _ = try train(scratch, Self.job, output: "out")
    let program = try start(["--optimizers", "adam"])
    #expect(program.wait() == 64)
    #expect(program.errors.contains("there is job.yaml of something else"), "\(program.errors)")
  }
}
