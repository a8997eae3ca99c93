import Datasets
import Foundation
import Kernels
import Models
import Runs
import Testing

/// The modules of the guide's page PyTorch take saved models, and give the same outputs.
@Suite(.serialized) struct PyTorchPageTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  static let models: [(options: String, module: String)] = [
    ("--model mlp:20,10 --activation gelu", "mlp(64, [20, 10], 10, nn.GELU)"),
    ("--model linear", "mlp(64, [], 10)"),
    ("--model cnn:8,16 --hidden 32,16", "cnn(1, [8, 16], [32, 16], 10, 8)"),
    ("--model resnet:1,2 --channels 8,16", "ResNet(1, [1, 2], [8, 16], 10)"),
    (
      "--model resnet:2,1 --channels 8,8 --norm layer",
      "ResNet(1, [2, 1], [8, 8], 10, norm=lambda width: nn.GroupNorm(1, width))"
    ),
    ("--model resnet:1,1 --channels 8,16 --norm batch", "ResNet(1, [1, 1], [8, 16], 10, norm=nn.BatchNorm2d)"),
    ("--model lenet --data IMAGES", "lenet(1, 2, pixels=20)"),
    (
      "--model transformer --layers 2 --heads 2 --width 16 --context 12 --data text:TEXT",
      "Transformer(2, 2, 16, 12)"
    ),
    (
      "--model transformer --layers 1 --heads 4 --width 16 --context 12 --tied yes --data text:TEXT",
      "Transformer(1, 4, 16, 12, tied=True)"
    ),
  ]

  private struct Outputs: Encodable {
    let shape: [Int]
    let inputs: [Float]
    let outputs: [Float]
  }

  /// 40 images of 20×20 random pixels in two classes, as IDX files.
  private func images() throws {
    var random = SystemRandomNumberGenerator()
    let pixels = (0..<40 * 400).map { _ in UInt8.random(in: 0...255, using: &random) }
    func bytes(_ sizes: [UInt32], _ values: [UInt8]) -> Data {
      var data = Data([0, 0, 8, UInt8(sizes.count)])
      for size in sizes { withUnsafeBytes(of: size.bigEndian) { data.append(contentsOf: $0) } }
      return data + values
    }
    let folder = scratch.url.appendingPathComponent("images")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (part, count) in [("train", 40), ("t10k", 10)] {
      try bytes([UInt32(count), 20, 20], Array(pixels.prefix(count * 400)))
        .write(to: folder.appendingPathComponent("\(part)-images-idx3-ubyte"))
      try bytes([UInt32(count)], (0..<count).map { UInt8($0 % 2) })
        .write(to: folder.appendingPathComponent("\(part)-labels-idx1-ubyte"))
    }
  }

  @Test("a saved model loads into its module with strict=True and gives the same outputs", arguments: models)
  func sameOutputs(_ options: String, _ module: String) throws {
    guard let python = pythonWithTorch() else { return }
    _ = try scratch.file("text.txt", String(repeating: "She sells sea shells by the sea shore. ", count: 20))
    if options.contains("IMAGES") { try images() }
    let words = options.split(separator: " ").map {
      String($0).replacing("TEXT", with: scratch.path("text.txt")).replacing("IMAGES", with: scratch.path("images"))
    }
    try succeed(["train", "--output", "run", "--steps", "20", "--batch-size", "20"] + words, in: scratch)
    let path = scratch.path("run/model.safetensors")
    let file = try ModelFile(path: path, models: ModelFactory.builtIn)
    let network = try #require(file.model as? Network)
    let shape = try #require(file.description.shape)
    let (examples, count) = (5, shape.reduce(1, *))
    let inputs = FloatBuffer(count: examples * count)
    Philox(seed: 3, stream: 0).fillUniform(inputs.all, bound: 2)
    if shape.count == 1 { for index in 0..<inputs.count { inputs.all[index] = Float(32 + index * 7 % 90) } }
    let outputs = withExtendedLifetime((inputs, file.parameters)) {
      let batch = Batch(
        features: Matrix(inputs.values, rows: examples, columns: count),
        targets: .values(Matrix(inputs.values[0..<0], rows: 0, columns: 1)))
      let run = network.makeWorkspace()
      return network.outputs(batch, at: file.parameters.values, using: run).array
    }
    let json = try JSONEncoder().encode(Outputs(shape: shape, inputs: inputs.array, outputs: outputs))
    try json.write(to: scratch.url.appendingPathComponent("outputs.json"))
    func place(_ path: String) -> String { package.appendingPathComponent(path).path }
    let program = try succeed(
      [
        place("Tests/EndToEndTests/pytorch_page.py"), place("Sources/Lockstep/Lockstep.docc/PyTorch.md"), path,
        scratch.path("outputs.json"), module,
      ], of: python)
    let text = program.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let difference = try #require(Double(text), "\(program.output)\(program.errors)")
    #expect(difference < 1e-5, "\(module)")
  }
}
