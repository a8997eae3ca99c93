import Foundation
import Protocol
import Testing
import ZeroMQ

/// Everything that can be wrong from outside: one clear line, a non-zero exit within 10 seconds, no process left.
@Suite(.serialized) struct FailureTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
  }

  private func fail(
    _ arguments: [String], _ messages: String..., code: Int32 = 1, _ place: SourceLocation = #_sourceLocation
  ) throws {
    let program = try Program(arguments, in: scratch.url)
    let ended = program.wait(seconds: 10)
    #expect(ended == code, "\(program.errors)", sourceLocation: place)
    let lines = program.errors.split(separator: "\n")
    #expect(
      lines.last?.hasPrefix("error: ") == true && messages.allSatisfy { lines.last?.contains($0) == true },
      "\(program.errors)", sourceLocation: place)
    #expect(program.children.isEmpty, sourceLocation: place)
  }

  @Test(
    "options that make no sense",
    arguments: [
      (["--optimizer", "sgdd"], "unknown optimizer; known are gradient-descent, sgd, "),
      (["--activation", "swish"], "known are relu, tanh, sigmoid, gelu"),
      (["--batch-size", "0"], "--batch-size 0: a whole number from 1"), (["--batch-size", "-3"], "--batch-size -3"),
      (["--batch-size", "99999999999999999999"], "--batch-size 9999"), (["--micro-batches", "0"], "--micro-batches 0"),
      (["--epochs", "-1"], "--epochs -1"),
      (["--epochs", "1", "--steps", "2"], "--epochs 1 and --steps 2: give one of them"),
      (["--model", "mlp:64", "--hidden", "32"], "--model mlp:64: --hidden says the same; give one"),
      (["--beta1", "0.8", "--option", "beta1=0.9"], "--option beta1=0.9: beta1 is given twice"),
      (["--learning-rate", "0"], "it must be above 0"), (["--learning-rate", "-1"], "it must be above 0"),
      (["--beta1", "1"], "at least 0 and below 1"),
      (["--outer-every", "-1"], "--outer-every -1: a whole number from 0"),
      (
        ["--outer-momentum", "0.5"], "--outer-momentum needs --outer-every, the updates from an outer step to the next"
      ),
      (["--outer-every", "0", "--outer-learning-rate", "1"], "--outer-learning-rate needs --outer-every"),
      (["--optimizer", "rmsprop", "--beta1", "0.5"], "it belongs to rmsprop-momentum, adam"),
      (["--loss", "mse", "--label-smoothing", "0.1"], "it belongs to cross-entropy"),
      (["--class-weights", "1,2"], "there are 10 classes, and 2 weights"), (["--label-smoothing", "2"], "from 0 to 1"),
      (["--ignored-class", "10"], "the classes are 0 to 9"), (["--loss", "bce"], "needs targets from 0 to 1"),
      (["--model", "mlp:0"], "no hidden size"), (["--model", "forest"], "known are mlp, linear"),
      (["--workers", "0"], "--workers 0"), (["--workers", "-1"], "--workers -1"), (["--threads", "0"], "--threads 0"),
      (["--job", "missing.yaml"], "missing.yaml: no such file"), (["--frobnicate"], "Unknown option '--frobnicate'"),
      (["--scale", "minmax"], "known are none, unit, standard"), (["--seed", "x"], "--seed x"),
    ])
  func usage(_ arguments: [String], _ message: String) throws {
    try fail(["train"] + arguments, message, code: 64)
  }

  @Test func unknownKeysInAJobFileAreNamed() throws {
    let path = try scratch.file("job.yaml", "epochs: 1\nbatch_size: 3\n")
    try fail(["train", "--job", path], "job.yaml, line 2: unknown option 'batch_size'", code: 64)
  }

  @Test func dataThatCannotBeUsedIsNamedWithItsPlace() throws {
    try fail(["train", "--data", "nowhere.csv"], "nowhere.csv: no such file")
    let text = try scratch.file("cell.csv", "a,b,y\n1,2,0\n3,oops,1\n")
    try fail(
      ["train", "--data", text, "--columns", "b: number"],
      "cell.csv, line 3, column 2 (b): 'oops' is not a number, and --columns says that the column has them")
    try fail(
      ["train", "--data", text, "--columns", "c: number"],
      "cell.csv has no column 'c', which --columns names: its columns are a, b, y")
    try fail(["train", "--data", text, "--label", "z"], "no column 'z'")
    try fail(["train", "--data", text, "--group-by", "z"], "--group-by z: ", "cell.csv has no such column")
    try fail(["train", "--data", text, "--group-by", "y"], "--group-by y: that is the label")
    try fail(["train", "--data", text, "--time", "b"], "the column b has text, such as '2', and --time needs dates")
    try fail(["train", "--data", text, "--time", "a", "--group-by", "b"], "--group-by and --time exclude each other")
    try fail(
      ["train", "--data", text, "--validation-fraction", "0.1"],
      "--validation-fraction 0.1 of the 2 examples of ", "cell.csv is none of them")
    for (name, text, message) in [
      ("infinite.csv", "a,y\n1,0\n-inf,1\n", "infinite.csv, line 3, column 1 (a): '-inf' is not finite"),
      ("ragged.csv", "a,b,y\n1,2,x\n2,3\n", "ragged.csv, line 3: 2 cells, where the first line has 3 columns"),
      ("quote.csv", "a,b,y\n1,2,x\n1,\"2,x\n", "quote.csv, line 3: a quote that begins here does not end"),
      ("missing.csv", "a,y\n1,\n2,NA\n3,?\n", "all cells of the label column y are missing: choose another --label"),
      ("one.csv", "a,y\n1,x\n2,x\n", "one.csv: all labels are 'x' (column y): nothing is to be learned"),
      ("constant.csv", "a,y\n1,p\n1,q\n", "no column is left to learn from: a (all cells are 1)"),
    ] {
      try fail(["train", "--data", try scratch.file(name, text)], message)
    }
    let plain = try scratch.file("not.csv.gz", "a,b\n1,2\n")
    try fail(["train", "--data", plain], "is not gzip")
    let folder = scratch.path("idx")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try fail(["train", "--data", folder], "has no file train-images")
    try Data([0, 0, 8, 3, 0, 0, 0, 9, 0, 0]).write(to: URL(fileURLWithPath: "\(folder)/train-images-idx3-ubyte"))
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(folder)/train-labels-idx1-ubyte"))
    try fail(["train", "--data", folder], "train-images-idx3-ubyte is truncated in its header")
  }

  @Test func aTruncatedGzipFileIsNamed() throws {
    let source = "/usr/share/datasets/fashion-mnist"
    guard FileManager.default.fileExists(atPath: source) else {
      print("SKIPPED: fashion-mnist is not installed; deploy/install-dependencies.sh installs it")
      return
    }
    let folder = scratch.path("truncated")
    try FileManager.default.copyItem(atPath: source, toPath: folder)
    let images = URL(fileURLWithPath: "\(folder)/train-images-idx3-ubyte.gz")
    try Data(contentsOf: images).prefix(1_000_000).write(to: images)
    try fail(["train", "--data", folder], "train-images-idx3-ubyte.gz is truncated")
  }

  @Test func anOutputThatCannotBeWrittenIsNamed() throws {
    let file = try scratch.file("occupied", "")
    try fail(["train", "--output", "\(file)/run"], "occupied/run")
    try fail(["train", "--output", "/proc/nothing"], "/proc/nothing")
  }

  @Test func aPipeAsDataIsRefused() throws {
    let path = scratch.path("pipe")
    try #require(mkfifo(path, 0o600) == 0)
    try fail(["train", "--data", path], "pipe is not a regular file")
  }

  @Test("a run that diverges fails and leaves no model", arguments: [[], ["--test-fraction", "0"]])
  func divergence(_ options: [String]) throws {
    let data = try scratch.file("d.csv", "a,y\n" + (0..<50).map { "\($0),\($0 % 7 * 1000)" }.joined(separator: "\n"))
    try fail(
      [
        "train", "--data", data, "--steps", "1", "--learning-rate", "3e38", "--loss", "mean-squared-error", "--output",
        "run",
      ]
        + options, "smaller --learning-rate")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("run/model.safetensors")))
    let summary = try Summary(scratch.path("run"))
    #expect(summary.status == "failed" && summary.culprit != nil, "\(summary)")
  }

  @Test func controlCharactersStayInTheErrorsOneLine() throws {
    try fail(["train", "--data", "a\nb\u{1B}[31m"], "a\\nb\\u{1B}[31m: no such file")
  }

  @Test func twoRunsDoNotShareAFolder() throws {
    let first = try Coordinating(scratch, [])
    try fail(["train", "--output", scratch.path("run")], "another run is writing into this folder")
    first.program.send(SIGTERM)
    #expect(first.program.wait() == 128 + SIGTERM)
    // Without --output each takes a name of its own.
    let programs = try (0..<3).map { _ in try Program(["train", "--steps", "0"], in: scratch.url) }
    for program in programs { #expect(program.wait() == 0) }
    let runs = try FileManager.default.contentsOfDirectory(atPath: scratch.path("runs"))
    #expect(runs.count == 3)
  }

  @Test func aFullDiskEndsTheRun() throws {
    let folder = scratch.path("disk")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let mount = try Program(["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], of: "/bin/mount")
    guard mount.wait() == 0 else {
      print("SKIPPED: a full disk needs the right to mount a tmpfs")
      return
    }
    defer { _ = try? Program([folder], of: "/bin/umount").wait() }
    try fail(["train", "--epochs", "100", "--output", "\(folder)/run"], "No space left on device")
  }

  @Test func aPortInUseIsNamed() throws {
    let socket = try Socket(Context(), .router)
    try socket.bind("tcp://127.0.0.1:*")
    let address = try socket.lastEndpoint
    try fail(["coordinator", "--bind", address], "\(address) is in use by another process")
    try fail(["coordinator", "--bind", "nonsense"], "--bind nonsense: an address is", code: 64)
    try fail(["coordinator", "--bind", "tcp://127.0.0.1:99999"], "'99999' is no port", code: 64)
    try fail(["coordinator", "--bind", "tcp://127.0.0.1"], "the port is missing", code: 64)
    let file = try scratch.file("precious", "data")
    try fail(["coordinator", "--bind", "ipc://\(file)"], "there is a file already")
    #expect(try scratch.read("precious") == "data")
    let first = try Coordinating(scratch, [], bind: "ipc://\(scratch.path("socket"))")
    try fail(["coordinator", "--bind", first.address, "--output", "other"], "is in use by another coordinator")
  }

  @Test func aWorkerWithoutACoordinatorGivesUp() throws {
    try fail(["worker", "--connect", "tcp://127.0.0.1:9"], "no coordinator answers at tcp://127.0.0.1:9")
    try fail(["worker", "--connect", "127.0.0.1:9"], "an address is tcp://HOST:PORT", code: 64)
    try fail(["worker", "--connect", "tcp://10.0.0.1"], "--connect tcp://10.0.0.1: the port is missing", code: 64)
    try fail(["worker", "--connect", "tcp://127.0.0.1:0"], "'0' is no port; ports are 1 to 65535", code: 64)
  }

  @Test func aCoordinatorOfAnotherVersionIsNamed() throws {
    let socket = try Socket(Context(), .router)
    try socket.bind("tcp://127.0.0.1:*")
    let worker = try Program(["worker", "--connect", try socket.lastEndpoint])
    let hello = try #require(try receive(from: socket))
    #expect(try Header(decoding: hello.frames[1].bytes).kind == .hello)
    var answer = Header(.welcome).encoded
    answer[4] = 99
    try socket.send(hello.frames[0], more: true)
    let frame = Message(count: answer.count)
    frame.mutableBytes.copyBytes(from: answer)
    try socket.send(frame)
    #expect(worker.wait(seconds: 10) == 1)
    #expect(
      worker.errors.contains("speaks protocol version 99, and this worker \(Header.protocolVersion)"),
      "\(worker.errors)")
  }

  @Test func aWorkerOfAnotherVersionIsRefusedAndTheRunGoesOn() throws {
    let coordinator = try Coordinating(scratch, ["--epochs", "1"])
    let socket = try Socket(Context(), .dealer)
    try socket.connect(coordinator.address)
    var hello = Header(.hello).encoded
    hello[4] = 99
    let frame = Message(count: hello.count)
    frame.mutableBytes.copyBytes(from: hello)
    try socket.send(frame)
    let refusal = try #require(try receive(from: socket))
    #expect(try Header(decoding: refusal.frames[0].bytes).kind == .refuse)
    #expect(String(decoding: refusal.frames[1].bytes, as: UTF8.self).contains("protocol version 99"))
    try succeed(["worker", "--connect", coordinator.address])
    #expect(coordinator.program.wait() == 0)
  }

  @Test func aWorkerWithOtherDataIsRefused() throws {
    let rows = (0..<100).map { "\($0),\($0 % 2)" }
    let path = try scratch.file("data.csv", "a,y\n" + rows.joined(separator: "\n"))
    let coordinator = try Coordinating(scratch, ["--data", path, "--epochs", "1"])
    _ = try scratch.file("data.csv", "a,y\n" + rows.reversed().joined(separator: "\n"))
    try fail(["worker", "--connect", coordinator.address], "its data is not the coordinator's")
    _ = try scratch.file("data.csv", "a,y\n" + rows.joined(separator: "\n"))
    try succeed(["worker", "--connect", coordinator.address])
    #expect(coordinator.program.wait() == 0)
  }

  @Test func aWorkerThatCannotFindTheDataSaysSoOnBothSides() throws {
    let path = try scratch.file("gone.csv", "a,y\n" + (0..<100).map { "\($0),\($0 % 2)" }.joined(separator: "\n"))
    let coordinator = try Coordinating(scratch, ["--data", path])
    try FileManager.default.removeItem(atPath: path)
    try fail(["worker", "--connect", coordinator.address], "gone.csv: no such file or folder")
    #expect(coordinator.program.waitForErrors("gone.csv: no such file or folder"))
  }

  @Test func modelsThatCannotBeReadAreNamed() throws {
    let junk = try scratch.file("junk.safetensors", "this is no model at all")
    try fail(["evaluate", "--model", junk], "junk.safetensors is not a safetensors file")
    try fail(["evaluate", "--model", "missing.safetensors"], "missing.safetensors: no such file")
    try succeed(["train", "--steps", "0", "--output", scratch.path("run")])
    let data = try scratch.file("other.csv", "a,b,y\n1,2,0\n3,4,1\n")
    try fail(
      ["evaluate", "--model", scratch.path("run/model.safetensors"), "--data", data],
      "has 2 features, and \(scratch.path("run/model.safetensors")) was trained on 64")
  }
}

@Suite(.serialized) struct DamagedModelTests {
  @Test(
    "metadata that contradict themselves are refused",
    arguments: [
      (#""inputs":64"#, #""inputs":-5"#), (#""inputs":64"#, #""inputs":4611686018427387904"#),
      (#""inputs":64"#, #""inputs":9223372036854775807"#), (#""classes":10"#, #""classes":9223372036854775807"#),
      (#""classification":{"classes":10}"#, #""regression":{"outputs":10}"#),
      (#""classification":{"classes":10}"#, #""positions":{"count":0,"classes":10}"#),
      (#""classification":{"classes":10}"#, #""positions":{"count":4611686018427387904,"classes":10}"#),
      (#""micro-batches":8"#, #""micro-batches":0"#),
      (#""256,128""#, #""256,129""#), (#""256,128""#, #""65536,65536""#), (#""256,128""#, #""256;128""#),
      (#""model":"mlp""#, #""model":"mpl""#), (#""shape":[8,8,1]"#, #""shape":[8,8,2]"#),
    ])
  func metadata(_ old: String, _ new: String) throws {
    let scratch = try Scratch()
    try succeed(["train", "--steps", "0", "--output", scratch.path("run")])
    let url = URL(fileURLWithPath: scratch.path("run/model.safetensors"))
    let file = try Data(contentsOf: url)
    let length = file.withUnsafeBytes { Int(UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))) }
    // The metadata are JSON within JSON.
    func escaped(_ text: String) -> String { text.replacingOccurrences(of: "\"", with: "\\\"") }
    let header = String(decoding: file[8..<8 + length], as: UTF8.self)
    try #require(header.contains(escaped(old)))
    let changed = Data(header.replacingOccurrences(of: escaped(old), with: escaped(new)).utf8)
    let prefix = withUnsafeBytes(of: UInt64(changed.count).littleEndian) { Data($0) }
    try (prefix + changed + file[(8 + length)...]).write(to: url)
    let program = try Program(["evaluate", "--model", url.path])
    let code = program.wait(seconds: 10)
    #expect(code == 1 || code == 64, "\(String(describing: code)) \(program.errors)")
    #expect(
      program.errors.hasPrefix("error: ") && program.errors.split(separator: "\n").count == 1, "\(program.errors)")
  }
}

/// The next message, within five seconds.
func receive(from socket: Socket) throws -> ReceivedFrames? {
  var received: ReceivedFrames?
  _ = eventually(seconds: 5) {
    received = try? socket.receiveFrames(limit: 3)
    return received != nil
  }
  return received
}

/// A coordinator that listens.
struct Coordinating {
  let program: Program
  let address: String

  init(_ scratch: Scratch, _ arguments: [String], bind: String = "tcp://127.0.0.1:0") throws {
    program = try Program(["coordinator", "--bind", bind, "--output", scratch.path("run")] + arguments)
    try #require(program.waitForOutput("listening on "), "\(program.errors)")
    let line = try #require(program.output.split(separator: "\n").first { $0.hasPrefix("listening on ") })
    address = String(try #require(line.dropFirst("listening on ".count).split(separator: ";").first))
  }
}
