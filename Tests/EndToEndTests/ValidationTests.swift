import Foundation
import TestSupport
import Testing

/// Runs with a validation part beside the test part.
@Suite struct ValidationTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private let job = [
    "--validation-fraction", "0.1", "--epochs", "4", "--model", "mlp:24", "--schedule", "plateau", "--plateau-patience",
    "0", "--plateau-threshold", "0.5",
  ]

  private struct Line: Decodable {
    let event: String
    let step: Int
    let validation_loss: Double?
    let test_loss: Double?
  }

  private func evaluations(_ folder: String) throws -> [Line] {
    try scratch.read("\(folder)/metrics.jsonl").split(separator: "\n")
      .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }.filter { $0.event == "evaluation" }
  }

  @Test("each epoch evaluates the validation part, and the run's end the test part, with the bits of `evaluate`")
  func evaluatesTheTestPartOnce() throws {
    let one = try train(scratch, job + ["--workers", "1"], output: "one")
    let three = try train(scratch, job + ["--workers", "3", "--transport", "zmq"], output: "three")
    #expect(one.parameters_sha256 == three.parameters_sha256)
    #expect(one.validation_loss == three.validation_loss && one.test_loss == three.test_loss)
    let lines = try evaluations("one")
    #expect(lines.compactMap(\.validation_loss).count == 4)
    #expect(lines.compactMap(\.test_loss) == [one.test_loss])
    #expect(lines.last?.step == one.steps && lines.last?.test_loss != nil)
    let evaluated = try succeed(["evaluate", "--model", scratch.path("one")])
    #expect(evaluated.output.contains("test loss: \(try #require(one.test_loss))\n"), "\(evaluated.output)")
    // The other part would have given other updates.
    #expect(try train(scratch, Array(job.dropFirst(2))).parameters_sha256 != one.parameters_sha256)
  }

  @Test("a run that resumes from each of its checkpoints ends with the same parts")
  func resumes() throws {
    let whole = try train(scratch, job + ["--checkpoint-every", "11", "--keep", "10"], output: "run")
    let checkpoints = scratch.path("run/checkpoints")
    let saved = try FileManager.default.contentsOfDirectory(atPath: checkpoints).filter { Int($0) != nil }.sorted()
    // One that is due while another is written is left out.
    #expect(saved.count >= 2, "\(saved)")
    for name in saved.reversed() {
      try succeed(["train", "--resume", scratch.path("run"), "--keep", "10"])
      let resumed = try Summary(scratch.path("run"))
      #expect(resumed.parameters_sha256 == whole.parameters_sha256)
      #expect(resumed.validation_loss == whole.validation_loss && resumed.test_loss == whole.test_loss)
      let lines = try evaluations("run")
      #expect(lines.compactMap(\.validation_loss).count == 4, "from \(name) on")
      #expect(lines.compactMap(\.test_loss) == [whole.test_loss], "from \(name) on")
      // The next one starts from the checkpoint before.
      for later in try FileManager.default.contentsOfDirectory(atPath: checkpoints) where later >= name {
        try FileManager.default.removeItem(atPath: "\(checkpoints)/\(later)")
      }
    }
  }
}
