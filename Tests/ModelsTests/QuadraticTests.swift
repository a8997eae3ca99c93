import Datasets
import Kernels
import Testing

@testable import Models
@testable import Schema

@Suite struct QuadraticTests {
  private func request(_ shape: String?, _ target: Target = .regression(outputs: 0)) -> ModelRequest {
    var options = OptionValues(["hidden": "3", "activation": "relu", "dropout": 0.0])
    options.values["shape"] = shape.map { .text($0) }
    return ModelRequest(shape: [0], target: target, loss: .meanSquaredError, options: options)
  }

  @Test func eachExampleAddsTheMeanOfSquaresAndItsGradient() throws {
    let model = Quadratic(shape: [2, 2])
    #expect(model.layout.tensors.map(\.name) == ["theta"] && model.layout.tensors[0].shape == [2, 2])
    let parameters = FloatBuffer([1, -2, 0, 3])
    let gradient = FloatBuffer(count: 4)
    let features = FloatBuffer(count: 0)
    let batch = Batch(
      features: Matrix(features.values, rows: 5, columns: 0),
      targets: .values(Matrix(features.values, rows: 5, columns: 0)))
    var workspace: Void = ()
    let metrics = model.gradient(
      of: batch, at: parameters.values, into: gradient.all, using: &workspace)
    #expect(metrics == Metrics(weight: 5, loss: 5 * 3.5))
    #expect(gradient.values.array == [2.5, -5, 0, 7.5])
    #expect(model.evaluate(batch, at: parameters.values, using: &workspace) == metrics)
  }

  @Test(
    "what is no shape is refused",
    arguments: [nil, "99999999999", "4294967296,4294967296,4294967296"])
  func shapes(_ shape: String?) {
    let error = #expect(throws: ModelError.self) { try ModelFactory.builtIn.make("quadratic", request(shape)) }
    #expect(error?.description.contains("as in quadratic:10,10") == true)
  }

  @Test func modelsAndDataThatDoNotGoTogetherAreRefusedByBothOptions() {
    for name in ["mlp", "linear"] {
      let error = #expect(throws: ModelError.self) { try ModelFactory.builtIn.make(name, request(nil)) }
      #expect(error?.description.contains("--model") == true && error?.description.contains("--data is none") == true)
    }
    let error = #expect(throws: ModelError.self) {
      try ModelFactory.builtIn.make("quadratic", request("3", .regression(outputs: 1)))
    }
    #expect(error?.description.contains("--model quadratic:3 learns from no data: say --data none") == true)
  }
}
