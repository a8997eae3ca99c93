import Foundation
import TestSupport
import Testing

/// Promise 1, for every update rule.
@Suite struct RuleInvarianceTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// Every rule, and what looks at the whole gradient at once; the last ones' parameters are two chunks.
  static let ruleOptions: [[String]] =
    [
      "gradient-descent", "sgd", "momentum", "nesterov", "rmsprop", "rmsprop-momentum", "adam", "adamw", "nadam",
      "adagrad", "adadelta", "blend", "lamb", "lars", "lion", "adan", "stable-adamw", "muon",
      "schedule-free", "adafactor", "soap",
    ].map { ["--optimizer", $0, "--model", "mlp:32,16"] } + [
      ["--optimizer", "nadam", "--momentum-decay", "0.004", "--model", "mlp:32,16"],
      ["--optimizer", "stable-adamw", "--model", "mlp:1024,300", "--decay-biases", "no"],
      ["--optimizer", "adafactor", "--model", "mlp:1024,300", "--outer-every", "3", "--clip-norm", "0.1"],
      [
        "--optimizer", "soap", "--model", "mlp:1024,300", "--basis-limit", "70", "--outer-every", "3", "--basis-every",
        "2",
        "--parameter-group", "4.*: basis-limit 1",
      ],
      ["--optimizer", "muon", "--model", "cnn", "--parameter-group", "9.*: orthogonalize no"],
      ["--optimizer", "blend", "--blend", "auto", "--model", "mlp:32,16"],
      ["--optimizer", "sgd", "--schedule", "hypergradient", "--model", "mlp:32,16"],
      ["--optimizer", "momentum", "--schedule", "plateau", "--plateau-patience", "0", "--model", "mlp:32,16"],
      ["--optimizer", "lamb", "--model", "mlp:1024,300", "--decay-biases", "no"],
      ["--optimizer", "adam", "--clip-norm", "0.1", "--schedule", "hypergradient", "--model", "mlp:1024,300"],
      ["--optimizer", "adam", "--outer-every", "1", "--model", "mlp:32,16"],
      [
        "--optimizer", "adam", "--ema", "0.9", "--model", "resnet:1", "--channels", "8", "--norm", "batch",
        "--batch-size", "300",
      ],
      ["--optimizer", "schedule-free", "--precision", "bf16", "--warmup", "5", "--model", "mlp:1024,300"],
      ["--optimizer", "sgd", "--ema", "0.99", "--local-steps", "5", "--replicas", "4", "--model", "mlp:1024,300"],
      ["--optimizer", "momentum", "--outer-every", "8", "--clip-norm", "0.1", "--model", "mlp:1024,300"],
      ["--optimizer", "lamb", "--outer-every", "5", "--model", "mlp:1024,300", "--decay-biases", "no"],
      ["--optimizer", "blend", "--blend", "auto", "--outer-every", "5", "--model", "mlp:1024,300"],
      [
        "--optimizer", "adamw", "--model", "mlp:1024,300", "--parameter-group", "*.bias: weight-decay 0",
        "--parameter-group", "2.weight: learning-rate 1e-4, beta2 0.9", "--parameter-group", "0.*: frozen",
      ],
      [
        "--optimizer", "lamb", "--model", "mlp:1024,300", "--clip-norm", "0.1", "--parameter-group",
        "0.bias: frozen; 2.*: learning-rate 0.01", "--local-steps", "5", "--replicas", "4",
      ],
    ]

  static let replicaOptions: [[String]] =
    [
      "sgd", "nesterov", "rmsprop", "adamw", "nadam", "adagrad", "adadelta", "blend", "lamb", "lars", "lion", "adan",
      "stable-adamw", "muon",
    ].map {
      [
        "--optimizer", $0, "--model", "mlp:32,16", "--local-steps", "5", "--replicas", "4", "--clip-norm", "0.3",
        "--schedule", "plateau", "--plateau-patience", "0",
      ]
    }

  @Test("every update rule gives the same bits for one worker and for three", arguments: ruleOptions)
  func rules(_ rule: [String]) throws { try compare(rule) }

  @Test(
    "every update rule gives the same bits in replicas, for one worker and for three", .tags(.heavy),
    .enabled(if: runsHeavyCases), arguments: replicaOptions)
  func replicas(_ rule: [String]) throws { try compare(rule) }

  private func compare(_ rule: [String]) throws {
    let job = rule + ["--epochs", "3"]
    let one = try train(scratch, job + ["--workers", "1"], output: "1")
    let three = try train(scratch, job + ["--workers", "3", "--threads", "2"], output: "3")
    #expect(try scratch.epochHashes("1") == scratch.epochHashes("3"))
    #expect(one.parameters_sha256 == three.parameters_sha256)
    #expect(Set(try scratch.epochHashes("1")).count == 3, "it moves")
  }

  @Test func noRuleIsLeftOut() throws {
    let list = try succeed(["optimizers"]).output.split(separator: "\n").filter { !$0.hasPrefix(" ") }.map(String.init)
    #expect(list == Self.ruleOptions.prefix(21).map { $0[1] })
  }
}
