import Datasets
import Kernels
import Testing

@testable import Models
@testable import Schema

@Suite struct QuadraticTests {
  private func request(_ arguments: String, _ target: Target = .nothing) -> ModelRequest {
    ModelRequest(arguments: arguments, inputs: 0, target: target, activation: .relu, loss: .meanSquaredError)
  }

  @Test func eachExampleAddsTheMeanOfSquaresAndItsGradient() throws {
    let model = try Quadratic(request("2,2"))
    #expect(model.layout.tensors.map(\.name) == ["theta"] && model.layout.tensors[0].shape == [2, 2])
    let parameters = FloatBuffer([1, -2, 0, 3])
    let gradient = FloatBuffer(count: 4)
    let features = FloatBuffer(count: 0)
    let batch = Batch(features: Matrix(features.values, rows: 5, columns: 0), targets: .nothing)
    var workspace: Void = ()
    let metrics = model.gradient(
      of: batch, at: parameters.values, into: gradient.all, using: &workspace, ready: { _ in })
    #expect(metrics == Metrics(loss: 5 * 3.5))
    #expect(gradient.values.array == [2.5, -5, 0, 7.5])
    #expect(model.evaluate(batch, at: parameters.values, using: &workspace) == metrics)
  }

  @Test(
    "what is no shape is refused",
    arguments: ["", "0", "-1,2", "2,", "x", "99999999999", "4294967296,4294967296,4294967296"])
  func shapes(_ arguments: String) {
    let error = #expect(throws: ModelError.self) { try Quadratic(request(arguments)) }
    #expect(error?.description.contains("as in quadratic:10,10") == true)
  }

  @Test func modelsAndDataThatDoNotGoTogetherAreRefusedByBothOptions() {
    for name in ["mlp:3", "linear"] {
      let error = #expect(throws: ModelError.self) { try ModelFactory.builtIn.make(name, request("")) }
      #expect(error?.description.contains("--model") == true && error?.description.contains("--data is none") == true)
    }
    let error = #expect(throws: ModelError.self) {
      try ModelFactory.builtIn.make("quadratic:3", request("", .regression(outputs: 1)))
    }
    #expect(error?.description.contains("--model quadratic:3 learns from no data: say --data none") == true)
  }
}
