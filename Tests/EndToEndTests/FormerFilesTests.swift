import Foundation
import Testing

/// Files that former versions have written. Each version adds its own to Tests/Corpus/former and changes none: a run of
/// `train --model mlp:8 --activation gelu --dropout 0.1 --amsgrad yes --schedule plateau --clip-norm 5 --epochs 2`.
@Suite(.serialized) struct FormerFilesTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// `before-numerics`: of November 2026, when workers did not prove yet what they compute.
  static let runs = ["before-numerics", "with-numerics"]

  private func copy(_ name: String) throws -> String {
    let source = package.appendingPathComponent("Tests/Corpus/former/\(name)")
    try FileManager.default.copyItem(at: source, to: scratch.url.appendingPathComponent(name))
    return scratch.path(name)
  }

  @Test("a former run's checkpoint is whole, is resumed, and its model evaluated", arguments: runs)
  func resumes(_ name: String) throws {
    let run = try copy(name)
    let before = try Summary(run)
    let inspect = try succeed(["inspect", "\(run)/checkpoints/0000000024"])
    #expect(inspect.output.contains("digests: good") && inspect.output.contains("largest-second-moment/0.weight"))
    #expect(inspect.output.contains("parameters_sha256  \(before.parameters_sha256)"), "\(inspect.output)")
    let evaluate = try succeed(["evaluate", "--model", "\(run)/model.safetensors"])
    let loss = try #require(before.test_loss)
    let line = try #require(evaluate.output.split(separator: "\n").first { $0.hasPrefix("test loss: ") })
    // The arithmetic of version 1 was another.
    #expect(abs(Double(line.dropFirst("test loss: ".count))! - loss) < 1e-5 * loss, "\(line), and \(loss) then")
    let refused = try Program(["train", "--resume", run, "--epochs", "3"])
    #expect(
      refused.wait() == 1 && refused.errors.contains("has numerics version 1, and this program"), "\(refused.errors)")
    let resume = try succeed(["train", "--resume", run, "--epochs", "3", "--accept-other-numerics"])
    let after = try Summary(run)
    #expect(after.status == "completed" && after.steps == 36 && after.test_loss! < loss, "\(resume.output)")
    #expect(try scratch.read("\(name)/metrics.jsonl").split(separator: "\n").count { $0.contains(#""step","#) } == 36)
  }

  @Test("a former job file gives the run again", arguments: runs)
  func job(_ name: String) throws {
    let run = try copy(name)
    let before = try Summary(run)
    let again = try train(scratch, ["--job", "\(run)/job.yaml"])
    // Dropout dropped other values until numerics version 3.
    #expect(again.steps == before.steps && abs(again.train_loss! - before.train_loss!) < 0.1 * before.train_loss!)
  }
}
