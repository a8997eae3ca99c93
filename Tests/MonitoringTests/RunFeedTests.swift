import Foundation
import TestSupport
import Testing

@testable import Monitoring
@testable import Runs

/// What is read of a run's folder while it is written.
@Suite struct RunFeedTests {
  private func json(_ text: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
  }

  @Test("lines come once they are whole, and values as they are in the file")
  func appended() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    feed.poll()
    #expect(feed.lineCount == 0 && feed.curves[0].curve.count == 0)
    let line = RunFolderFixture.stepLine(1, loss: "2.302585092994046")
    try folder.append("metrics.jsonl", String(line.prefix(30)))
    feed.poll()
    #expect(feed.curves[0].curve.count == 0)
    try folder.append("metrics.jsonl", String(line.dropFirst(30)) + RunFolderFixture.stepLine(2, loss: "null"))
    feed.poll()
    let curve = feed.curves[0].curve
    #expect(curve.steps == [1, 2] && curve.columns["loss"]?[0] == 2.302585092994046)
    #expect(curve.columns["loss"]?[1].isNaN == true && curve.columns["accuracy"] == [0.5, 0.5])
    #expect(curve.columns["examples_per_second"]?[0] == 80 / 0.01 && curve.times[1] == 0.01 + 0.01)
    let curves = try json(feed.curvesJSON(0...Int.max, points: 100))
    let train = try #require(curves["train"] as? [String: Any])
    let loss = try #require((train["columns"] as? [String: [String: Any]])?["loss"])
    #expect((loss["mean"] as? [Any])?[0] as? Double == 2.302585092994046)
    #expect((loss["mean"] as? [Any])?[1] is NSNull && curves["next"] as? Int == 3)
  }

  @Test("a file that takes the place of the one that was read voids what is known")
  func replaced() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    try folder.append("metrics.jsonl", (1...5).map { RunFolderFixture.stepLine($0, loss: "1.5") }.joined())
    feed.poll()
    let before = feed.generation
    #expect(feed.curves[0].curve.count == 5)
    try folder.write("metrics.jsonl", (1...2).map { RunFolderFixture.stepLine($0, loss: "2.5") }.joined())
    feed.poll()
    #expect(feed.generation != before && feed.curves[0].curve.columns["loss"] == [2.5, 2.5])
    // Shorter, but the same file.
    let last = feed.generation
    let file = FileHandle(forWritingAtPath: "\(folder.path)/metrics.jsonl")
    try file?.truncate(atOffset: 0)
    try file?.close()
    feed.poll()
    #expect(feed.generation != last && feed.curves[0].curve.count == 0)
  }

  @Test("damaged lines are counted and told, and the others are shown")
  func damaged() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    let lines = [
      RunFolderFixture.stepLine(1, loss: "1"), "{\"event\":\"step\",\"ste\n", "\u{0}\u{1}garbage\n", "[]\n",
      "{\"event\":\"step\",\"step\":-5,\"epoch\":1}\n", "{\"event\":\"steps\",\"step\":5,\"first\":9,\"epoch\":1}\n",
      RunFolderFixture.stepLine(2, loss: "0.5"),
    ]
    try folder.append("metrics.jsonl", lines.joined())
    feed.poll()
    #expect(feed.curves[0].curve.steps == [1, 2])
    #expect(feed.problem == "metrics.jsonl has 5 lines that are no metrics, the first is line 2")
    #expect(try json(feed.json(id: "0", name: "run"))["problem"] as? String == feed.problem)
  }

  @Test("merged points have the mean by steps, and the extremes of the loss")
  func merged() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    try folder.append(
      "metrics.jsonl",
      RunFolderFixture.stepLine(1, loss: "8")
        + "{\"event\":\"steps\",\"first\":2,\"step\":4,\"epoch\":1,\"loss\":4,\"loss_min\":1,\"loss_max\":9,\"seconds\":0.3}\n"
        + RunFolderFixture.stepLine(5, loss: "null") + RunFolderFixture.stepLine(6, loss: "2"))
    feed.poll()
    let curves = try json(feed.curvesJSON(0...Int.max, points: 2))
    let train = try #require(curves["train"] as? [String: Any])
    let loss = try #require((train["columns"] as? [String: [String: [Double]]])?["loss"])
    #expect(train["step"] as? [Int] == [4, 6])
    #expect(loss == ["mean": [(8 + 3 * 4) / 4, 2], "min": [1, 2], "max": [9, 2]])
    let part = try json(feed.curvesJSON(2...5, points: 100))
    #expect((part["train"] as? [String: Any])?["step"] as? [Int] == [4, 5])
  }

  @Test("a run whose process is gone is lost, one that has ended is not")
  func lost() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    feed.poll()
    #expect(feed.state == .lost && feed.status == nil)
    func poll(_ status: RunStatus) throws -> RunStatus.State {
      try folder.write("status.json", String(decoding: status.encoded(), as: UTF8.self))
      feed.poll()
      return feed.state
    }
    #expect(try poll(RunFolderFixture.status()) == .running)
    #expect(try poll(RunFolderFixture.status(updated: Date().timeIntervalSince1970 - 700)) == .lost)
    var gone = RunFolderFixture.status()
    gone.pid = 1 << 22 + 1  // beyond the largest process number of Linux
    #expect(try poll(gone) == .lost)
    gone.state = .failed
    #expect(try poll(gone) == .failed)
    gone.host = "elsewhere"
    gone.state = .waiting
    #expect(try poll(gone) == .waiting)
    try folder.write("summary.json", "{\"status\":\"completed\"")
    feed.poll()
    #expect(feed.problem?.hasPrefix("summary.json cannot be read") == true && feed.state == .waiting)
  }

  @Test("numbers beyond any sense in a damaged status are shown somehow, and nothing ends")
  func hugeNumbers() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    var status = RunFolderFixture.status(updated: -1e300)
    (status.secondsLeft, status.stepsPerSecond, status.examplesPerSecond) = (1e300, -1e300, 1e300)
    (status.step, status.totalSteps, status.epoch) = (Int.max, Int.min, -5)
    status.durations.counts = [Int.max, Int.max, 1]
    status.workers = [
      RunStatus.Worker(
        number: Int.max, name: "w", host: nil, threads: Int.min, state: "?", isSlow: true, reason: nil, parent: -1,
        sharesMemory: false, leaves: Int.max, busySeconds: 1e300, busy: 1e300, waiting: -1e300, sending: 0,
        lastHeard: 1e300)
    ]
    try folder.write("status.json", String(decoding: status.encoded(), as: UTF8.self))
    try folder.write("log.jsonl", "{\"time\":1,\"step\":4,\"kind\":\"note\",\"text\":\"hello\"}\n")
    let lines = RunLines(feed)
    #expect(lines.next() == ["hello"])
    #expect(!feed.overview.isEmpty)
    #expect(!RunScreen(status, losses: [], messages: []).lines(width: 80, height: 24, hasColor: false).isEmpty)
    var site = Site(hasPage: true, command: "watch", version: "1")
    site.add(.run(feed))
    site.add(.run(feed))
    site.add(.run(feed))
    #expect(Set(site.sources.map(\.name)).count == 3)
    for path in ["/healthz", "/readyz", "/metrics", "/api/runs/0"] {
      guard case .response(let response) = site.answer(Request(method: "GET", target: path, headers: []), at: 5) else {
        continue
      }
      #expect(!response.body.isEmpty && response.status != 500, "\(path)")
    }
    // Another run's log in its place is shorter.
    try folder.write("log.jsonl", "")
    #expect(lines.next().isEmpty)
  }

  @Test("a figure that is often missing costs no more than the others")
  func missingFigures() throws {
    var curve = Curve()
    for step in 1...20_000 {
      let figure = step == 1 ? ",\"train_own\":1" : ""
      let line = "{\"event\":\"step\",\"step\":\(step),\"epoch\":1,\"loss\":1\(figure)}"
      curve.append(try #require(MetricsLine(Array(line.utf8)[...])), number: step, time: 0)
    }
    #expect(curve.columns["own"]?.count == 20_000 && curve.columns["own"]?[19_999].isNaN == true)
  }

  @Test("a line of a megabyte and more is left out, and the next one is read")
  func longLines() throws {
    let folder = try RunFolderFixture()
    var tail = LineTail("\(folder.path)/metrics.jsonl")
    defer { tail.close() }
    try folder.append("metrics.jsonl", "a\n" + String(repeating: "x", count: 3 << 20))
    var found: [String] = []
    func read() throws {
      while case .lines(let lines) = try tail.poll(limit: 1 << 19) {
        found += lines.map { String(decoding: $0, as: UTF8.self) }
      }
    }
    try read()
    try folder.append("metrics.jsonl", "yy\nb\n")
    try read()
    #expect(found == ["a", "b"] && tail.count == 2)
  }

  @Test("a folder without a run is an error that says so")
  func noRun() throws {
    let folder = try RunFolderFixture()
    try FileManager.default.removeItem(atPath: "\(folder.path)/job.yaml")
    #expect { try RunFeed(folder.path) } throws: { "\($0)".contains("is no run's folder: it has no job.yaml") }
    #expect { try RunFeed(folder.path + "x") } throws: { "\($0)".contains("there is no such folder") }
  }

  @Test("a page that knows a part gets the rest, and one that knows too little or another run starts again")
  func events() throws {
    let folder = try RunFolderFixture()
    let feed = try RunFeed(folder.path)
    try folder.append("metrics.jsonl", (1...3).map { RunFolderFixture.stepLine($0, loss: "1") }.joined())
    feed.poll()
    var site = Site(hasPage: true, command: "train", version: "1")
    site.add(.run(feed))
    func names(_ text: String) -> [String] {
      text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { String($0.dropFirst(7)) }
    }
    var known = EventStream(Positions("0:\(feed.generation):3"))
    let first = try known.next(site)
    #expect(names(first) == ["points", "status"])
    #expect(first.contains("\"step\":[3]") && first.contains("id: 0:\(feed.generation):4\n"))
    #expect(try known.next(site).isEmpty)
    try folder.append("metrics.jsonl", RunFolderFixture.stepLine(4, loss: "1"))
    try folder.append("log.jsonl", "{\"time\":1,\"step\":4,\"kind\":\"note\",\"text\":\"hello\"}\n")
    feed.poll()
    #expect(try names(known.next(site)) == ["points", "log"])

    var other = EventStream(Positions("0:abc:3,7:x:1,nonsense"))
    #expect(try names(other.next(site)) == ["reset", "status", "log"])
    #expect(try other.next(site).isEmpty)

    var far = EventStream(Positions("0:\(feed.generation):1"))
    try folder.append("metrics.jsonl", (5...2100).map { RunFolderFixture.stepLine($0, loss: "1") }.joined())
    feed.poll()
    #expect(try names(far.next(site)).first == "reset")
  }
}

/// Lines of metrics, read in two ways.
@Suite struct MetricsLineTests {
  private func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

  @Test("what the program writes is read as the JSON that it is")
  func both() throws {
    for text in [
      "{\"event\":\"step\",\"step\":1,\"epoch\":1,\"examples\":128,\"loss\":3.892261307729221,\"train_accuracy\":0.078125,\"time\":1796030933.123,\"learning_rate\":1e-05,\"seconds\":0.002704422,\"compute_seconds\":{\"1\":0.000687924,\"2\":-0.5},\"sum_update_seconds\":0.000278043,\"send_seconds\":5e-324}",
      "{\"event\":\"step\",\"step\":1,\"epoch\":1,\"loss\":null,\"skipped\":true}",
      "{\"event\":\"evaluation\",\"step\":12,\"epoch\":1,\"test_loss\":null,\"test_r2\":-1.5}",
      "{\"event\":\"epoch\",\"step\":12,\"epoch\":1,\"parameters_sha256\":\"be48\"}",
    ] {
      let fast = try #require(FlatObject(bytes(text)), "\(text)")
      #expect(fast == FlatObject(parsing: bytes(text)))
      #expect(MetricsLine(fast) != nil)
    }
  }

  @Test("other JSON is left to the library, and what is none is refused by both")
  func others() {
    for text in ["{ \"event\":\"step\"}", "{\"a\\u0041\":1}", "{\"a\":[1]}", "{\"é\":1}", "{\"a\":{\"b\":[1]}}", "{}"] {
      #expect(FlatObject(bytes(text)) == nil && FlatObject(parsing: bytes(text)) != nil, "\(text)")
    }
    for text in [
      "", "{", "{\"a\"", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":nan}", "{\"a\":+1}", "{\"a\":tru}",
      "{\"a\":\"b}", "{\"a\":{}", "\"a\":1}", "{\"a\":1e999}",
    ] { #expect(FlatObject(bytes(text)) == nil, "\(text)") }
  }

  @Test("of a line that is damaged anywhere, nothing but a line or none is read")
  func damagedAnywhere() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("damaged lines: seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let line = Array(
      RunFolderFixture.stepLine(7, loss: "1.25", more: ",\"compute_seconds\":{\"1\":0.5}").utf8.dropLast())
    for _ in 0..<20_000 {
      var damaged = line
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        case 1: damaged.remove(at: Int.random(in: damaged.indices, using: &random))
        default: damaged.removeLast(Int.random(in: 0..<damaged.count / 2, using: &random))
        }
      }
      // What both readers take is the same. The library leaves some numbers out, such as 0E5.
      guard let fast = FlatObject(damaged[...]) else { continue }
      let text = String(decoding: damaged, as: UTF8.self)
      if let slow = FlatObject(parsing: damaged[...]) {
        try #require(slow.texts == fast.texts && slow.names == fast.names, "\(text)")
        try #require(slow.numbers.allSatisfy { fast.numbers[$0.key] == $0.value }, "\(text)")
      }
      _ = MetricsLine(fast)
    }
  }
}
