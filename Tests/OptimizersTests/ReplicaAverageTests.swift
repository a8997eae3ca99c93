import Kernels
import Schema
import Testing

@testable import Optimizers

/// What a round of local steps makes of parameters and slots.
@Suite struct ReplicaAverageTests {
  private func average(_ rule: String = "adam", _ options: [String: OptionValue] = [:]) throws -> ReplicaAverage {
    let given: [String: OptionValue] = ["local-steps": .whole(4), "replicas": .whole(2)]
    let settings = try OptimizerSettings(rule, given: given.merging(options) { $1 })
    let optimizer = try Optimizer(settings, tensors: [], total: 8, stepsPerEpoch: 8)
    return try #require(optimizer.average)
  }

  @Test func theMeanChangeIsSubtracted() throws {
    let (theta, sum, after) = (FloatBuffer([1, -2, 0.5]), FloatBuffer([4, 8, -2]), FloatBuffer(count: 3))
    try average().move(theta.values, by: sum.values, weight: 8, velocity: nil, before: 0, into: after.all)
    #expect(after.array == [0.5, -3, 0.75])
    #expect(try average().slots.isEmpty)
    withExtendedLifetime((theta, sum)) {}
  }

  /// u = 0.5 u + Δ; θ = θ − 0.25 (Δ + 0.5 u), by hand.
  @Test func anOuterStepIsNesterovsWithTheMeanChangeForTheGradient() throws {
    let average = try average("sgd", ["outer-learning-rate": .real(0.25), "outer-momentum": .real(0.5)])
    #expect(average.slots == ["outer-velocity"])
    let (sum, velocity) = (FloatBuffer([16, -8]), FloatBuffer([2, 4]))
    let (theta, after) = (FloatBuffer([1, 1]), FloatBuffer(count: 2))
    average.move(theta.values, by: sum.values, weight: 8, velocity: velocity.all, before: 0, into: after.all)
    #expect(velocity.array == [3, 1] && after.array == [1 - 0.25 * 3.5, 1 - 0.25 * -0.5])
    withExtendedLifetime((theta, sum)) {}
  }

  /// Rounded, a change can be larger than what it takes off.
  @Test(arguments: [(0, [Float(-0.25), 1]), (1, [0, 1]), (nil, [-0.25, 1])] as [(Int?, [Float])])
  func aMeanOfSquaresDoesNotBecomeNegative(_ slot: Int?, _ expected: [Float]) throws {
    let (moment, sum, after) = (FloatBuffer([1, 2]), FloatBuffer([2.5, 2]), FloatBuffer(count: 2))
    try average().average(moment.values, by: sum.values, weight: 2, slot: slot, into: after.all)
    #expect(after.array == expected)
    withExtendedLifetime((moment, sum)) {}
  }

  @Test("each rule's squares have the names of slots that hold them")
  func squares() throws {
    let expected: [String: [String]] = [
      "adam": ["second-moment"], "adagrad": ["square-sum"], "adadelta": ["mean-square", "mean-square-update"],
      "rmsprop": ["mean-square"], "blend": ["second-moment", "mean-square"], "momentum": [], "lion": [], "sgd": [],
      "lamb": ["second-moment"], "nadam": ["second-moment"], "rmsprop-momentum": ["mean-square"], "lars": [],
      "adan": ["second-moment"], "stable-adamw": ["second-moment"], "muon": ["second-moment"],
      "schedule-free": ["second-moment"], "adafactor": [], "soap": [],
    ]
    for (name, squares) in expected {
      let rule = try OptimizerSettings(name, given: [:]).rule()
      #expect(rule.slots.filter(rule.squares.contains) == squares, "\(name)")
    }
  }

  @Test(
    "a rule whose state no replicas could average is refused",
    arguments: [
      ("adafactor", "its state has sizes of its own"), ("soap", "its state has sizes of its own"),
      ("schedule-free", "which averages the parameters itself"),
    ])
  func refused(_ rule: String, _ reason: String) {
    let error = #expect(throws: OptionError.self) { try self.average(rule) }
    #expect(error?.description.contains("--local-steps 4 does not go with --optimizer \(rule)") == true)
    #expect(error?.description.contains(reason) == true)
  }

  @Test func theLearningRateOfAnUpdateIsTheSchedules() throws {
    let settings = try OptimizerSettings(
      "sgd",
      given: ["local-steps": .whole(4), "replicas": .whole(2), "schedule": .text("linear"), "learning-rate": .real(1)])
    var optimizer = try Optimizer(settings, tensors: [], total: 5, stepsPerEpoch: 5)
    var stepped: [Double] = []
    for _ in 1...5 {
      optimizer.begin(weight: 1)
      stepped.append(optimizer.step.learningRate)
    }
    #expect((1...5).map { optimizer.learningRate(ofUpdate: $0) } == stepped && Set(stepped).count == 5)
  }
}
