import Foundation
import Testing

/// Looking into what runs leave, and exporting it.
@Suite(.serialized) struct InspectTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    _ = try train(
      scratch, ["--steps", "24", "--model", "linear", "--optimizer", "blend", "--blend", "auto"], output: "run")
  }

  private var checkpoint: String { scratch.path("run/checkpoints/0000000024") }

  @Test func everythingIsShownOfACheckpointAndARun() throws {
    let text = try succeed(["inspect", checkpoint]).output
    for part in [
      "step               24\n", "epoch              2\n", "optimizer          blend\n", "\nλ        ",
      "\n0.weight  10×64  ", "\nlast-difference/0.bias    10  ", "\ndigests: good\n",
    ] {
      #expect(text.contains(part), "\(part) in \(text)")
    }
    let run = try succeed(["inspect", scratch.path("run")]).output
    #expect(run.contains("status             completed\n"))
    #expect(run.contains("\n0000000024    24 "))
    #expect(run.contains("  good   newest good, best\n"))
    let model = try succeed(["inspect", scratch.path("run/model.safetensors")]).output
    #expect(model.contains("\nmodel              linear\n"))
  }

  @Test func aTensorsFiguresAreItsOwn() throws {
    // Two tensors: [3, -4, NaN, inf] and [].
    let header = Data(
      (#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[0],"data_offsets":[16,16]}}"#
        + "    ").utf8)
    var file = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
    for value: Float in [3, -4, .nan, .infinity] {
      file += withUnsafeBytes(of: value.bitPattern.littleEndian) { Data($0) }
    }
    try file.write(to: URL(fileURLWithPath: scratch.path("a.safetensors")))
    let text = try succeed(["inspect", scratch.path("a.safetensors")]).output
    #expect(text.contains("a       2×2    5.0000   -4.0000   3.0000           2\n"), "\(text)")
    #expect(text.contains("b       0      0.0000         -        -           0\n"), "\(text)")
  }

  @Test func aDamagedCheckpointIsNamedAndEndsWithOne() throws {
    let path = "\(checkpoint)/optimizer.safetensors"
    var content = try Data(contentsOf: URL(fileURLWithPath: path))
    content[content.count - 1] ^= 1
    try content.write(to: URL(fileURLWithPath: path))
    for target in [checkpoint, scratch.path("run")] {
      let program = try Program(["inspect", target])
      #expect(program.wait() == 1)
      #expect(program.output.contains("damaged: \(path) is torn or damaged"), "\(program.output)")
      #expect(!program.output.contains("good\n") || program.output.contains("NOT good"), "\(program.output)")
    }
    let export = try Program(["export", checkpoint, "--output", scratch.path("x.npz")])
    #expect(export.wait() == 1)
    #expect(export.errors.hasPrefix("error: \(path) is torn or damaged"), "\(export.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("x.npz")))
  }

  @Test func whatIsNothingSavedIsRefused() throws {
    for command in [["inspect"], ["export", "--output", scratch.path("x.npz")]] {
      let missing = try Program(command + [scratch.path("missing")])
      #expect(missing.wait() == 1 && missing.errors.hasSuffix("missing: no such file or folder\n"), "\(missing.errors)")
      let other = try Program(command + [scratch.url.path])
      #expect(other.wait() == 1 && other.errors.contains("is neither a run's folder, nor a checkpoint"))
    }
    let model = try Program([
      "export", scratch.path("run/model.safetensors"), "--with-optimizer", "--output", scratch.path("x.npz"),
    ])
    #expect(model.wait() == 64, "\(model.errors)")
  }

  @Test func numPyLoadsWhatIsExported() throws {
    guard let python = pythonWithNumPy() else { return }
    let check = """
      import json, sys, zipfile, numpy, safetensors.numpy
      archive, files = sys.argv[1], sys.argv[2:]
      wanted = safetensors.numpy.load_file(files[0])
      if len(files) > 1:
          wanted |= {f"optimizer/{k}": v for k, v in safetensors.numpy.load_file(files[1]).items()}
      found = numpy.load(archive)
      assert sorted(found) == sorted([*wanted, "lockstep.json"]), sorted(found)
      assert json.loads(found["lockstep.json"])["scaling"]["factor"], found["lockstep.json"]
      for name in wanted:
          assert found[name].dtype == numpy.dtype("<f4") and found[name].shape == wanted[name].shape, name
          assert found[name].tobytes() == wanted[name].tobytes(), name
      assert zipfile.ZipFile(archive).testzip() is None
      print(len(wanted))
      """
    let (run, output) = (scratch.path("run"), scratch.path("x.npz"))
    func expect(_ arguments: [String], _ files: [String], _ count: Int) throws {
      try succeed(["export", "--output", output] + arguments)
      #expect(try succeed(["-c", check, output] + files, of: python).output == "\(count)\n")
    }
    try expect([run], ["\(run)/model.safetensors"], 2)
    try expect(["\(run)/model.safetensors"], ["\(run)/model.safetensors"], 2)
    try expect([checkpoint], ["\(checkpoint)/model.safetensors"], 2)
    let both = ["\(checkpoint)/model.safetensors", "\(checkpoint)/optimizer.safetensors"]
    try expect([checkpoint, "--with-optimizer"], both, 10)
    try expect([run, "--with-optimizer"], both, 10)
  }
}
