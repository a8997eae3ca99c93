import Foundation
import Testing

/// The example programs that bring something of their own.
@Suite(.serialized) struct ExampleProgramsTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private static let svm = (0..<60).map { index in
    let label = index % 2 == 0 ? "+1" : "-1"
    return "\(label) \(1 + index % 2):\(1 + Double(index) / 60) 3:0.5 # example \(index)"
  }.joined(separator: "\n")

  @Test func aFormatOfOnesOwnIsReadByItsPathAndByItsName() throws {
    _ = try scratch.file("two.svm", ExampleProgramsTests.svm)
    let help = try Program(["train", "--help"], of: "custom-data", in: scratch.url)
    #expect(help.wait(seconds: 20) == 0)
    #expect(help.output.contains("--dimensions <count>") && help.output.contains("an .svm file"))
    var hashes: Set<String> = []
    for (data, workers) in [("two.svm", "1"), ("svm:two.svm", "3")] {
      let run = try Program(
        ["train", "--data", data, "--dimensions", "4", "--epochs", "3", "--workers", workers, "--output", workers],
        of: "custom-data", in: scratch.url)
      try #require(run.wait(seconds: 60) == 0, "\(run.errors)")
      #expect(run.output.contains("48 train, 12 test, 2 classes"), "\(run.output)")
      hashes.insert(try Summary(scratch.path(workers)).parameters_sha256)
    }
    #expect(hashes.count == 1)
    let job = try scratch.read("1/job.yaml")
    #expect(job.contains("dimensions: 4\n") && job.contains("data: \(scratch.path("two.svm"))\n"), "\(job)")
    let resumed = try Program(
      ["train", "--resume", "1", "--dimensions", "5"], of: "custom-data", in: scratch.url)
    #expect(resumed.wait(seconds: 60) == 64)
    #expect(resumed.errors.contains("--dimensions 5: the run in 1 was started with 4"))
  }

  @Test func damageInAFormatOfOnesOwnIsNamed() throws {
    _ = try scratch.file("bad.svm", "1 1:2\n1 x:3\n")
    let run = try Program(["train", "--data", "bad.svm"], of: "custom-data", in: scratch.url)
    #expect(run.wait(seconds: 20) == 1 && run.errors.contains("bad.svm, line 2: 'x:3' is not POSITION:VALUE"))
    let other = try Program(["train", "--dimensions", "3"], of: "custom-data", in: scratch.url)
    #expect(other.wait(seconds: 20) == 64, "\(other.errors)")
    #expect(other.errors.contains("--dimensions does not go with --data digits; it belongs to svm"), "\(other.errors)")
  }

  @Test func aLossOfOnesOwnIsAnOptionAndItsMetricIsShownEverywhere() throws {
    let data = package.appendingPathComponent("Examples/linear-regression/diabetes.csv").path
    let job = ["--data", data, "--model", "linear", "--loss", "quantile", "--share", "0.8"]
    var hashes: Set<String> = []
    for workers in ["1", "3"] {
      let run = try Program(
        ["train", "--learning-rate", "5", "--epochs", "60", "--workers", workers, "--output", workers] + job,
        of: "custom-loss", in: scratch.url)
      try #require(run.wait(seconds: 60) == 0, "\(run.errors)")
      #expect(run.output.contains("  share below 0."), "\(run.output)")
      hashes.insert(try Summary(scratch.path(workers)).parameters_sha256)
    }
    #expect(hashes.count == 1)
    struct Found: Decodable { let train_below, test_below, test_loss: Double }
    let found = try JSONDecoder().decode(Found.self, from: Data(scratch.read("1/summary.json").utf8))
    #expect(abs(found.test_below - 0.8) < 0.1 && abs(found.train_below - 0.8) < 0.05, "\(found)")
    #expect(try scratch.read("1/metrics.jsonl").contains("\"test_below\":"))
    #expect(try scratch.read("1/job.yaml").contains("share: 0.8\n"))
    let check = try Program(["check"] + job, of: "custom-loss", in: scratch.url)
    #expect(check.wait(seconds: 60) == 0, "\(check.output) \(check.errors)")
    let help = try Program(["train", "--help"], of: "custom-loss", in: scratch.url)
    #expect(help.wait(seconds: 20) == 0 && help.output.contains("quantile"))
  }

  @Test func aProgramWithoutCommandsTrainsToTheSameBits() throws {
    let program = try Program([], of: "library-example", in: scratch.url)
    try #require(program.wait(seconds: 60) == 0, "\(program.errors)")
    let run = try train(scratch, ["--epochs", "5"])
    #expect(program.output.hasSuffix("parameters_sha256: \(run.parameters_sha256)\n"), "\(program.output)")
    #expect(program.output.split(separator: "\n").count == 6)
  }
}
