import Foundation
import TestSupport
import Testing

/// `--noise-scale`.
@Suite struct NoiseScaleTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private struct Train: Decodable {
    let train_noise_scale, train_gradient_norm: Double?
  }

  private func figures(_ folder: String) throws -> Train {
    try JSONDecoder().decode(Train.self, from: Data(scratch.read("\(folder)/summary.json").utf8))
  }

  @Test(
    "the noise scale has the same bits for one worker and for three, and changes none of the run's",
    arguments: [[], ["--precision", "bf16"], ["--optimizer", "lamb", "--clip-norm", "0.5"]])
  func invariance(_ options: [String]) throws {
    let job = options + ["--epochs", "2", "--model", "mlp:24"]
    let plain = try train(scratch, job, output: "plain")
    let one = try train(scratch, job + ["--noise-scale", "yes", "--workers", "1"], output: "one")
    let three = try train(
      scratch, job + ["--noise-scale", "yes", "--workers", "3", "--threads", "2"], output: "three")
    #expect(one.parameters_sha256 == plain.parameters_sha256 && three.parameters_sha256 == plain.parameters_sha256)
    let (first, second) = (try figures("one"), try figures("three"))
    #expect(first.train_noise_scale == second.train_noise_scale)
    #expect(first.train_gradient_norm == second.train_gradient_norm)
    #expect(try #require(first.train_noise_scale) > 1 && #require(first.train_gradient_norm) > 0)
    #expect(try figures("plain").train_noise_scale == nil)
  }

  @Test func aModelOfSuchARunPredicts() throws {
    _ = try train(scratch, ["--epochs", "1", "--model", "mlp:24", "--noise-scale", "yes"], output: "run")
    let predicted = try succeed(["predict", "--model", scratch.path("run"), "--data", "digits"])
    #expect(predicted.output.split(separator: "\n").count == 360)
  }
}
