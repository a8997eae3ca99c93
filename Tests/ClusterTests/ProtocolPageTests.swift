import Datasets
import Foundation
import Kernels
import Models
import Runs
import Testing
import ZeroMQ

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Schema

/// The guide's page of the protocol: its example messages are what the code makes of the same values, byte by byte.
///
/// The block after `<!-- message: NAME -->` holds the bytes of a header, that after `<!-- payload: NAME -->` those of the
/// frame behind it. In a block of bytes, what stands before `//` are the bytes, two hexadecimal digits each. In a block
/// marked `json`, line breaks and the spaces that a line begins with do not belong to the payload.
@Suite struct ProtocolPageTests {
  private static let run: UInt64 = 0x0123_4567_89AB_CDEF
  private static let session: UInt64 = 0x1122_3344_5566_7788
  private static let leaves: Range<UInt32> = 2..<4

  private static let hello = Hello(name: "python-1", threads: 2)
  private static let metrics = NodeMetrics(
    examples: 2, weight: 2, sums: [1.5, 1], computeSeconds: 0.25, flaw: nil)
  private static let gradient: [Float] = [1, -1]

  private let page: Page

  init() throws { page = try Page() }

  /// A header of the example's run and session.
  private static func header(
    _ kind: MessageKind, step: UInt64 = 4, leaves: Range<UInt32> = 0..<0, chunk: UInt32 = 0, task: TaskKind = .none,
    payloadLength: Int = 0, weight: Double = 0
  ) -> Header {
    Header(
      kind, run: run, session: session, step: step, leaves: leaves, chunk: chunk, task: task, vector: .parameters,
      element: .float32, payloadLength: UInt64(payloadLength), weight: weight)
  }

  @Test func thePageHasNoOtherExamplesThanThoseTestedHere() {
    #expect(
      page.blocks.keys.sorted() == [
        "bytes: digest", "message: assign", "message: hello", "message: metrics", "message: push", "message: ready",
        "message: round", "message: welcome", "payload: hello", "payload: metrics", "payload: push", "payload: ready",
        "payload: round", "payload: rounded", "payload: welcome",
      ])
  }

  @Test func theHeadersWithoutJSONAreTheCodes() throws {
    let expected = [
      "assign": Self.header(.assign, leaves: 1..<4, task: .train),
      "push": Self.header(.push, leaves: Self.leaves, chunk: 1, task: .train, payloadLength: 8, weight: 2),
      "metrics": Self.header(.metrics, leaves: Self.leaves, task: .train, payloadLength: 56),
    ]
    for (name, header) in expected { #expect(try page.bytes("message: \(name)") == header.encoded, "\(name)") }
  }

  @Test func theBinaryPayloadsAreTheCodes() throws {
    func bytes(_ values: [Float]) -> [UInt8] {
      withExtendedLifetime(FloatBuffer(values)) { Array($0.values.bytes) }
    }
    #expect(try page.bytes("payload: metrics") == Self.metrics.encoded)
    #expect(try page.bytes("payload: push") == bytes(Self.gradient))
    let gradient = FloatBuffer(Self.gradient)
    let packed = withExtendedLifetime(gradient) { Message(packing: gradient.values) }
    #expect(try page.bytes("payload: rounded") == withExtendedLifetime(packed) { Array($0.bytes) })
  }

  @Test func helloAndItsPayloadAreTheCodes() throws {
    let length = try check("hello", Self.hello)
    #expect(try page.bytes("message: hello") == Header(.hello, payloadLength: UInt64(length)).encoded)
  }

  @Test func anAssignmentOfLocalStepsAndItsPayloadAreTheCodes() throws {
    let length = try check("round", RoundStart(updates: 4, rateFactor: 1))
    let header = Self.header(.assign, leaves: 0..<1, task: .train, payloadLength: length)
    #expect(try page.bytes("message: round") == header.encoded)
  }

  @Test func aCompleteRunsGoodbyeIsThePages() {
    page.expect("`\(String(decoding: Reason().encodedPayload(), as: UTF8.self))`")
  }

  @Test func welcomeAndItsPayloadAreWhatACoordinatorSendsForThePagesJob() throws {
    let job = try ExampleJob(page)
    var options = try job.prepared.coordinated.job
    options["data"] = "/data/points.csv"
    let scaling = job.prepared.scaling
    let length = try check(
      "welcome",
      Welcome(
        job: options, onNonFinite: .stop, scaling: FeatureScaling(offset: scaling.offset, factor: scaling.factor),
        chunkSize: 4))
    #expect(try page.bytes("message: welcome") == Self.header(.welcome, payloadLength: length).encoded)
    #expect(try Job(options).values.count == options.count)
  }

  @Test func readyAndItsPayloadAreWhatTheCoordinatorOfThePagesJobWantsToHear() throws {
    let job = try ExampleJob(page)
    let gradient = FloatBuffer([0.5, -0.5, 1, -1, 0.25, -0.25])
    let digest = Numerics.digest(of: Metrics(weight: 2, loss: 1.5, 1), gradient.all)
    var hashed = SHA256()
    try page.bytes("bytes: digest").withUnsafeBytes { hashed.update($0) }
    #expect(digest == Numerics.digestKind + hashed.digest.hex)
    let numerics = Numerics(
      digest: digest, processor: "Neoverse N1", kernels: "NumPy 2.1, 4 floats a vector", build: "release")
    let length = try check(
      "ready", Ready(data: job.prepared.fingerprint, layout: job.prepared.model.layout, numerics: numerics))
    #expect(try page.bytes("message: ready") == Self.header(.ready, step: 0, payloadLength: length).encoded)
  }

  @Test func thePlanOfThePagesJobIsTheCodes() throws {
    let job = try ExampleJob(page)
    let (plan, train) = (job.prepared.plan, job.data.train)
    for step in 4...5 {
      let order = ExampleOrder(count: plan.trainCount, seed: 7, epoch: plan.epoch(ofStep: step))
      for leaf in 0..<plan.tree(.train(step: step)).leafCount {
        let positions = plan.positions(of: leaf..<leaf + 1, in: .train(step: step))
        let examples = positions.map { order[$0] }
        // Column x of the example's file counts its rows.
        let rows = examples.map { Int(train.features($0)[0]) }
        func list(_ numbers: some Sequence<Int>) -> String { numbers.map(String.init).joined(separator: ", ") }
        page.expect(line: "| \(step) | \(leaf) | \(list(positions)) | \(list(examples)) | \(list(rows)) |")
      }
    }
    let testRows = (0..<2).map { "\(Int(job.data.test?.features($0)[0] ?? -1))" }.joined(separator: ", ")
    page.expect("The rows of its test part are \(testRows).")
    let order = ExampleOrder(count: 10, seed: 42, epoch: 3)
    page.expect("`\((0..<10).map { "\(order[$0])" }.joined(separator: " "))`")
    page.expect("at most \(StepPlan.evaluationRows) examples")
  }

  @Test func theNodesOfThePagesRangesAreTheCodes() {
    func nodes(_ range: Range<Int>, of count: Int) -> String {
      ReductionTree(leafCount: count).maximalNodes(in: range).map { "[\($0.start),\($0.end))" }.joined(separator: " ")
    }
    for (range, count) in [(1..<7, 8), (1..<4, 4), (0..<7, 7), (3..<7, 7)] {
      page.expect(line: "| \(count) | [\(range.lowerBound),\(range.upperBound)) | \(nodes(range, of: count)) |")
    }
  }

  @Test("each kind has a section, and no section is of another kind")
  func sections() {
    let headings = page.lines.filter { $0.hasPrefix("### ") }.map { $0.dropFirst(4) }
    let kinds = headings.filter { $0.allSatisfy { $0.isUppercase } }.map { $0.lowercased() }
    #expect(kinds.sorted() == MessageKind.allCases.map { "\($0)" }.sorted())
    for kind in MessageKind.allCases { page.expect("| \(kind.rawValue) | [\("\(kind)".uppercased())](") }
  }

  @Test func theVersionAndTheSizesAreTheCodes() {
    page.expect("protocol version \(Header.protocolVersion)")
    page.expect("\(Header.size) bytes")
    #expect(NodeMetrics.size(sums: 2) == 56)
    page.expect("\(NodeMetrics.size(sums: 0)) + 8·k bytes")
    page.expect("1…\(MetricSchema.mostSums)")
    page.expect("`\(Numerics.digestKind)`")
  }

  /// Compares a payload of JSON with what the code makes of `value`, and reads it as the code does.
  ///
  /// - Returns: how many bytes it has.
  private func check<Value: ControlPayload>(_ name: String, _ value: Value) throws -> Int {
    let text = try page.json("payload: \(name)")
    func object(_ bytes: some Sequence<UInt8>) throws -> NSDictionary {
      try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? NSDictionary)
    }
    let written = value.encodedPayload()
    #expect(try object(text.utf8) == object(written), "\(name): \(String(decoding: written, as: UTF8.self))")
    let read = try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    try read.check()
    #expect(try object(read.encodedPayload()) == object(written), "\(name)")
    // Foundation writes / as \/.
    #expect(text.utf8.count == written.count - text.count { $0 == "/" }, "\(name)")
    return text.utf8.count
  }
}

/// The job of the page's examples, over the page's data.
private struct ExampleJob {
  let prepared: PreparedJob
  let data: LoadedData

  init(_ page: Page) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("points.csv")
    let rows = (0..<10).map { "\($0),\($0 * $0 % 7),\($0 % 2)\n" }
    page.expect("columns `x`, `y` and `class` and ten rows. Row i, from 0, is i, i² mod 7, i mod 2.")
    try Data(("x,y,class\n" + rows.joined()).utf8).write(to: file)
    let chosen = [
      ("scale", "unit"), ("model", "linear"), ("optimizer", "sgd"), ("batch-size", "5"), ("micro-batches", "4"),
      ("epochs", "3"), ("seed", "7"),
    ]
    page.expect("`\(chosen.map { "--\($0) \($1)" }.joined(separator: " "))`")
    var options = JobOptions()
    try options.set("data", to: file.path)
    for (name, value) in chosen { try options.set(name, to: value) }
    // Of an earlier version: with a numerics version, and without a recipe.
    try options.set("numerics", to: "\(Numerics.version)")
    data = try options.load()
    prepared = try PreparedJob(options, data, models: ModelKinds.registry.all)
  }
}

/// Protocol.md, taken apart.
private struct Page {
  let lines: [String]
  /// The lines of the marked blocks, by mark.
  let blocks: [String: [String]]

  init() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/Lockstep/Lockstep.docc/Protocol.md")
    lines = try String(contentsOf: url, encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var blocks: [String: [String]] = [:]
    for (index, line) in lines.enumerated() {
      guard let mark = line.wholeMatch(of: /<!-- (\w+: \w+) -->/)?.1 else { continue }
      let start = index + 2
      try #require(lines[index + 1].hasPrefix("```"), "Protocol.md:\(index + 1): no block follows")
      let end = try #require(lines[start...].firstIndex(of: "```"), "Protocol.md:\(index + 1): no block's end")
      let isNew = blocks.updateValue(Array(lines[start..<end]), forKey: String(mark)) == nil
      try #require(isNew, "Protocol.md:\(index + 1): a second block of this name")
    }
    self.blocks = blocks
  }

  /// The bytes of the block marked `mark`.
  func bytes(_ mark: String) throws -> [UInt8] {
    let block = try #require(blocks[mark], "the page has no block \(mark)")
    return try block.flatMap { line in
      let digits = line.range(of: "//").map { line[..<$0.lowerBound] } ?? line[...]
      return try digits.split(separator: " ").map { pair in
        try #require(pair.count == 2 ? UInt8(pair, radix: 16) : nil, "\(mark): '\(pair)' is no byte")
      }
    }
  }

  /// The text of the block of JSON marked `mark`, as it is sent.
  func json(_ mark: String) throws -> String {
    let block = try #require(blocks[mark], "the page has no block \(mark)")
    return block.map { $0.drop { $0 == " " } }.joined()
  }

  /// Requires a text that is not broken over lines.
  func expect(_ text: String) {
    #expect(lines.contains { $0.contains(text) }, "the page does not say: \(text)")
  }

  /// Requires a whole line.
  func expect(line: String) {
    #expect(lines.contains(line), "the page has no line: \(line)")
  }
}
