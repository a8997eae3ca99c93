import Foundation
import TestSupport
import Testing

/// A run that is watched: the page in a browser, metrics in Prometheus, curves in TensorBoard, lines, and commands.
@Suite(.serialized) struct WatchTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func digest(_ run: Program) -> String { run.output.split(separator: "\n").last.map(String.init) ?? "" }

  /// The address in `dashboard: http://…/` or `metrics: http://…/metrics`.
  private func address(_ run: Program, _ name: String = "dashboard") throws -> String {
    try #require(run.waitForOutput("\(name): http://"), "\(run.errors)")
    let line = try #require(run.output.split(separator: "\n").first { $0.hasPrefix("\(name): http://") })
    return String(line.dropFirst("\(name): http://".count).prefix { $0 != "/" })
  }

  /// Runs a script of the tests with a Python that has `module`; nil, aloud, where there is none.
  @discardableResult private func script(
    _ name: String, _ arguments: [String], needs module: String? = nil, seconds: Double = 120
  ) throws
    -> Program?
  {
    guard let python = module == nil ? "/usr/bin/env" : pythonWithNumPy() else { return nil }
    if let module, try Program(["-c", "import \(module)"], of: python).wait() != 0 {
      print("SKIPPED: a check needs a Python with \(module) at \(python); .ci/run installs it")
      return nil
    }
    let path = package.appendingPathComponent("Tests/EndToEndTests/\(name)").path
    let run = try Program((module == nil ? ["python3"] : []) + [path] + arguments, of: python)
    #expect(run.wait(seconds: seconds) == 0, "\(name): \(run.output)\(run.errors)")
    return run
  }

  /// What is answered to a GET.
  private func get(_ url: String) throws -> String {
    let code =
      "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())"
    let run = try Program(["python3", "-c", code, url], of: "/usr/bin/env")
    try #require(run.wait() == 0, "\(run.errors)")
    return run.output
  }

  private func hasBrowser() -> Bool {
    let names = [ProcessInfo.processInfo.environment["LOCKSTEP_CHROMIUM"], "/usr/bin/chromium"]
    if names.contains(where: { $0.map(FileManager.default.isExecutableFile) == true }) { return true }
    print("SKIPPED: a check needs chromium; .ci/run installs it")
    return false
  }

  @Test func allOfItTogetherChangesNoBit() throws {
    let job = ["train", "--epochs", "4", "--validation-fraction", "0.1", "--workers", "2"]
    let plain = try succeed(job + ["--output", scratch.path("plain")])
    let watched = try succeed(
      job + [
        "--output", scratch.path("watched"), "--dashboard", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0", "--tui",
        "--tensorboard", "--tensorboard-histograms", "1", "--on-end", "true",
      ])
    #expect(digest(plain) == digest(watched) && digest(plain).hasPrefix("parameters_sha256"))
    #expect(try scratch.epochHashes("plain") == scratch.epochHashes("watched"))
    // Standard output is no terminal.
    #expect(!watched.output.contains("\u{1B}"))
  }

  @Test func statusAndLinesTellHowARunHasEnded() throws {
    try succeed(["train", "--epochs", "2", "--output", scratch.path("run")])
    let text = try succeed(["status", scratch.path("run")]).output
    #expect(text.hasPrefix("\(scratch.path("run")): completed\n") && text.contains("epoch 2/2  step 24/24"), "\(text)")
    let json = try succeed(["status", scratch.path("run"), "--json"]).output
    let status = try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(status["state"] as? String == "completed" && status["step"] as? Int == 24)
    #expect(status["summary"] as? String == scratch.path("run/summary.json"))
    let latest = try #require(status["latest"] as? [String: Double])
    let summary = try #require(
      JSONSerialization.jsonObject(with: Data(scratch.read("run/summary.json").utf8)) as? [String: Any])
    #expect(latest["test_loss"] == summary["test_loss"] as? Double)
    #expect(latest["test_accuracy"] == summary["test_accuracy"] as? Double)
    let lines = try succeed(["watch", "--plain", scratch.path("run")]).output
    #expect(lines.contains("worker 1 (") && lines.contains("epoch 2/2  test loss"), "\(lines)")
    #expect(lines.hasSuffix("run: completed\n"), "\(lines)")
  }

  @Test func aKilledRunIsLostAndAFailedOneSaysWhy() throws {
    let run = try Program(["train", "--epochs", "100000", "--output", scratch.path("run")])
    try #require(run.waitForOutput("step 24 "), "\(run.errors)")
    let lines = try Program(["watch", "--plain", scratch.path("run")])
    #expect(lines.waitForOutput("step "), "\(lines.errors)")
    run.send(SIGKILL)
    #expect(run.wait() == -SIGKILL)
    #expect(lines.wait(seconds: 30) == 1)
    #expect(lines.errors.contains("lost: it has not ended, but process \(run.processIdentifier)"), "\(lines.errors)")
    let status = try Program(["status", scratch.path("run")])
    #expect(status.wait() == 1 && status.output.contains("run: lost"), "\(status.output)")

    let failed = try Program(
      ["train", "--learning-rate", "1e30", "--optimizer", "sgd", "--output", scratch.path("failed")])
    #expect(failed.wait() == 1)
    let failure = try Program(["status", scratch.path("failed"), "--json"])
    #expect(failure.wait() == 1)
    #expect(
      failure.output.contains("\"state\":\"failed\"") && failure.output.contains("learning-rate"), "\(failure.output)")
  }

  @Test("on a terminal a run has a screen of its own, which is left at the end", arguments: ["", "1"])
  func screen(_ noColor: String) throws {
    let path = package.appendingPathComponent("Tests/EndToEndTests/terminal.py").path
    let program = Program.folder.appendingPathComponent("lockstep").path
    let run = try Program(
      [
        "python3", path, program, "train", "--steps", "60000", "--model", "mlp:16", "--evaluate-every", "100",
        "--tui",
        "--output", scratch.path("run"),
      ], of: "/usr/bin/env", environment: ["NO_COLOR": noColor, "TERM": "xterm-256color"])
    #expect(run.wait() == 0, "\(run.output)\(run.errors)")
  }

  @Test func aMetricOfTheUsersOwnIsInAllViews() throws {
    let run = try Program(
      [
        "train", "--data", package.appendingPathComponent("Examples/linear-regression/diabetes.csv").path, "--model",
        "linear", "--loss", "quantile", "--epochs", "2", "--output", scratch.path("run"), "--tensorboard",
      ], of: "custom-loss")
    #expect(run.wait() == 0, "\(run.errors)")
    let own = "below"
    #expect(try scratch.read("run/metrics.jsonl").contains("\"train_\(own)\":"))
    let server = try Program(["watch", scratch.path("run"), "--dashboard", "127.0.0.1:0"])
    let page = "http://\(try address(server))"
    #expect(try get("\(page)/metrics").contains("lockstep_test_\(own){run=\"run\"} "))
    #expect(try get("\(page)/api/runs/0/curves").contains("\"\(own)\":{\"mean\":["))
    #expect(try get("\(page)/api/runs/0").contains("{\"name\":\"\(own)\",\"title\":"))
    #expect(try succeed(["status", scratch.path("run"), "--json"]).output.contains("\"test_\(own)\":"))
    let files = try FileManager.default.contentsOfDirectory(atPath: scratch.path("run"))
    let curves = try #require(files.first { $0.hasPrefix("events.out.tfevents.") })
    let bytes = try Data(contentsOf: scratch.url.appendingPathComponent("run/\(curves)"))
    #expect(bytes.range(of: Data("train/\(own)".utf8)) != nil && bytes.range(of: Data("test/\(own)".utf8)) != nil)
  }

  @Test func theUsersCommandRunsAtTheEnd() throws {
    let mark = scratch.path("mark")
    let command = "echo \"$LOCKSTEP_STATUS $(grep -c parameters_sha256 \"$LOCKSTEP_SUMMARY\")\" > \(mark); exit 3"
    let run = try succeed(["train", "--epochs", "1", "--output", scratch.path("run"), "--on-end", command])
    #expect(try scratch.read("mark") == "completed 1\n")
    #expect(run.errors.contains("warning: --on-end: the command ended with status 3"), "\(run.errors)")
    let failed = try Program(
      [
        "train", "--learning-rate", "1e30", "--optimizer", "sgd", "--output", scratch.path("failed"), "--on-end",
        command,
      ])
    #expect(failed.wait() == 1)
    #expect(try scratch.read("mark").hasPrefix("failed "))
  }

  @Test func whatCannotBeWatchedIsAnErrorThatSaysWhy() throws {
    func fails(_ arguments: [String], _ message: String, code: Int32 = 64) throws {
      let run = try Program(arguments)
      #expect(run.wait(seconds: 20) == code, "\(arguments)")
      #expect(run.errors.contains(message), "\(run.errors)")
    }
    let first = try Program(
      ["train", "--epochs", "1000000", "--output", scratch.path("first"), "--dashboard", "127.0.0.1:0"])
    let taken = try address(first)
    try fails(
      ["train", "--output", scratch.path("second"), "--dashboard", taken],
      "--dashboard \(taken): cannot listen on \(taken): Address already in use; port 0 takes any free one")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("second")))
    for address in ["0.0.0.0:0", "[::]:0", "10.1.2.3:0"] {
      try fails(
        ["train", "--dashboard", address],
        "--dashboard \(address): other machines could read the run; give --dashboard-token-file FILE")
      try fails(["watch", scratch.path("first"), "--dashboard", address], "give --dashboard-token-file FILE")
      try fails(["coordinator", "--metrics-address", address], "--metrics-address \(address): other machines")
      try fails(["sweep", "--dashboard", address], "give --dashboard-token-file FILE")
    }
    try fails(["train", "--dashboard", "8270"], "--dashboard 8270: an address is HOST:PORT")
    try fails(["train", "--dashboard", "no.such.host.invalid:1", "--dashboard-token-file", "/nowhere"], "/nowhere")
    try fails(["train", "--tensorboard-histograms", "5"], "--tensorboard-histograms needs --tensorboard")
    try fails(["watch", scratch.path("none")], "there is no such folder", code: 1)
    try fails(["watch", "--plain", scratch.url.path], "is no run's folder: it has no job.yaml", code: 1)
    try fails(["status", scratch.url.path], "is no run's folder: it has no job.yaml", code: 1)
    first.send(SIGTERM)
    #expect(first.wait() == 128 + SIGTERM)
  }

  @Test func aRunThatIsReplacedIsShownFromItsBeginning() throws {
    try succeed(["train", "--epochs", "1", "--output", scratch.path("run")])
    let server = try Program(["watch", scratch.path("run"), "--dashboard", "127.0.0.1:0"])
    let curves = "http://\(try address(server))/api/runs/0/curves"
    struct Curves: Decodable {
      struct Part: Decodable { let step: [Int] }
      let generation: String
      let train: Part
    }
    func read() throws -> Curves { try JSONDecoder().decode(Curves.self, from: Data(get(curves).utf8)) }
    try #require(server.waitForOutput("watching 1 folder"), "\(server.errors)")
    let before = try read()
    #expect(before.train.step == Array(1...12))
    try succeed(["train", "--epochs", "3", "--output", scratch.path("run"), "--overwrite"])
    let after = try read()
    #expect(after.train.step == Array(1...36) && after.generation != before.generation)
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func aBrowserShowsTheValuesOfTheFile() throws {
    guard hasBrowser() else { return }
    try succeed(
      [
        "train", "--epochs", "6", "--validation-fraction", "0.1", "--noise-scale", "yes", "--output",
        scratch.path("run"),
      ])
    let server = try Program(["watch", scratch.path("run"), "--dashboard", "127.0.0.1:0"])
    let page = "http://\(try address(server))/"
    try script("dashboard.py", ["values", page, scratch.path("run/metrics.jsonl")])
    try script("dashboard.py", ["screenshots", page, scratch.path("shots")])
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func aBrowserFollowsARunAcrossTheCoordinatorsRestart() throws {
    guard hasBrowser() else { return }
    let options = ["--bind", "ipc://\(scratch.path("socket"))", "--epochs", "1000000", "--checkpoint-every", "1s"]
    let first = try Program(["coordinator", "--output", scratch.path("run"), "--dashboard", "127.0.0.1:0"] + options)
    let address = try address(first)
    let worker = try Program(["worker", "--connect", "ipc://\(scratch.path("socket"))"])
    try #require(first.waitForOutput("step 12 "), "\(first.errors)\(worker.errors)")
    try script("dashboard.py", ["live", "http://\(address)/"])
    let path = package.appendingPathComponent("Tests/EndToEndTests/dashboard.py").path
    let browser = try Program(["python3", path, "reconnect", "http://\(address)/"], of: "/usr/bin/env")
    try #require(browser.waitForOutput("READY"), "\(browser.errors)")
    first.send(SIGKILL)
    #expect(first.wait() == -SIGKILL)
    let second = try Program(
      [
        "coordinator", "--resume", scratch.path("run"), "--bind", "ipc://\(scratch.path("socket"))", "--dashboard",
        address,
      ])
    #expect(browser.wait(seconds: 90) == 0, "\(browser.output)\(browser.errors)\(second.output)\(second.errors)")
    second.send(SIGTERM)
    #expect(second.wait() == 128 + SIGTERM)
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func aRunOfAMillionStepsLoadsInASecond() throws {
    guard hasBrowser() else { return }
    try script("long_run.py", [scratch.path("long")])
    let server = try Program(["watch", scratch.path("long"), "--dashboard", "127.0.0.1:0"])
    let page = "http://\(try address(server))/"
    try #require(server.waitForOutput("watching 1 folder"), "\(server.errors)")
    // The time is told and not judged, because other tests run beside.
    let run = try script("dashboard.py", ["heap", page, "60000"])
    print("a million steps: \(run?.output ?? "")")
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func tensorBoardReadsTheCurvesAlsoAfterTheRunWasResumed() throws {
    try succeed(
      ["train", "--epochs", "3", "--output", scratch.path("run"), "--tensorboard", "--tensorboard-histograms", "10"])
    try script("read_tensorboard.py", [scratch.path("run"), "10"], needs: "tensorboard")
    let killed = try Program(
      [
        "train", "--epochs", "200", "--batch-size", "32", "--output", scratch.path("killed"), "--tensorboard",
        "--checkpoint-every", "100",
      ])
    try #require(killed.waitForOutput(" 20/200"), "\(killed.errors)")
    killed.send(SIGKILL)
    #expect(killed.wait() == -SIGKILL)
    try succeed(["train", "--resume", scratch.path("killed"), "--tensorboard"])
    try script("read_tensorboard.py", [scratch.path("killed")], needs: "tensorboard")
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("killed"))
    #expect(names.count { $0.hasPrefix("events.out.tfevents.") } == 1)
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func prometheusScrapesARun() throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/prometheus") else {
      print("SKIPPED: a check needs prometheus; .ci/run installs it")
      return
    }
    let run = try Program(
      [
        "train", "--epochs", "1000000", "--validation-fraction", "0.1", "--output", scratch.path("run"),
        "--metrics-address", "127.0.0.1:0", "--checkpoint-every", "1s",
      ])
    let address = try address(run, "metrics")
    try #require(run.waitForOutput("step 22 "), "\(run.errors)")
    try script("scrape.py", [address, package.appendingPathComponent("deploy/grafana/alerts.yml").path])
    // A run that is over has all metrics.
    try succeed(
      [
        "train", "--epochs", "2", "--validation-fraction", "0.1", "--checkpoint-every", "5", "--output",
        scratch.path("over"),
      ])
    let server = try Program(["watch", scratch.path("over"), "--dashboard", "127.0.0.1:0"])
    let metrics = try scratch.file("metrics.txt", get("http://\(self.address(server))/metrics"))
    let check = try Program(
      [package.appendingPathComponent("deploy/grafana/check.sh").path, metrics], of: "/usr/bin/env")
    #expect(check.wait() == 0, "\(check.output)\(check.errors)")
    run.send(SIGTERM)
    #expect(run.wait() == 128 + SIGTERM)
  }

  @Test(.tags(.heavy), .enabled(if: runsHeavyCases))
  func attacksOnThePageChangeNothing() throws {
    let job = ["train", "--model", "mlp:16", "--evaluate-every", "100", "--steps"]
    let run = try Program(job + ["100000000", "--output", scratch.path("run"), "--dashboard", "127.0.0.1:0"])
    let address = try address(run)
    try #require(run.waitForOutput("epoch"), "\(run.errors)")
    let attack = try script("attack_page.py", [address, "\(run.processIdentifier)"], seconds: 240)
    print("attacks on the page: \(attack?.output ?? "")")
    run.send(SIGTERM)
    #expect(run.wait() == 128 + SIGTERM)
    // The parameters after each hundredth step.
    let attacked = try scratch.epochHashes("run")
    let plain = try Program(job + ["\(100 * attacked.count)", "--output", scratch.path("plain")])
    #expect(plain.wait(seconds: 240) == 0, "\(plain.errors)")
    #expect(try scratch.epochHashes("plain") == attacked && attacked.count > 10)
  }
}
