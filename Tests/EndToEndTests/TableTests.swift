import Foundation
import TestSupport
import Testing

/// Tables as people have them: text, missing cells, dates and identifiers, from a file to predictions.
@Suite struct TableTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    var text = "id,weight,colour,town,\"seen, on\",kind\n"
    for row in 0..<400 {
      let kind = row * 7919 % 3
      let weight = row % 11 == 0 ? "NA" : "\(Double(row * 31 % 97) / 20 + 5 * Double(kind))"
      let colour = ["red", "green", "blue"][(row / 3 + kind) % 3]
      let town = row % 13 == 0 ? "" : "town \((row * 17 + kind * 3) % 24)"
      let day = "2024-\(row % 9 + 1 < 10 ? "0" : "")\(row % 9 + 1)-1\(row % 10)"
      let label = row % 50 == 49 ? "?" : ["cat", "dog", "owl"][kind]
      text += "\(row + 100),\(weight),\(colour),\(town),\(day),\(label)\n"
    }
    _ = try scratch.file("pets.csv", text)
  }

  private var job: [String] {
    ["--data", scratch.path("pets.csv"), "--model", "mlp:24", "--epochs", "15", "--learning-rate", "0.01"]
  }

  @Test(
    "a table with text, missing cells and dates trains to the same bits on any number of workers",
    arguments: [
      [], ["--scale", "robust", "--class-weights", "balanced"], ["--columns", "weight: quantile, town: ignore"],
      ["--columns", "weight: log1p", "--scale", "unit", "--group-by", "colour"],
      ["--time", "seen, on", "--validation-fraction", "0.2"], ["--label", "weight", "--validation-fraction", "0.1"],
    ])
  func workers(_ options: [String]) throws {
    let one = try train(scratch, job + options + ["--workers", "1"], output: "one")
    let three = try train(scratch, job + options + ["--workers", "3", "--transport", "zmq"], output: "three")
    #expect(one.parameters_sha256 == three.parameters_sha256)
  }

  @Test func whatIsFoundIsPrinted() throws {
    #expect(try #require(train(scratch, job, output: "run").test_accuracy) > 0.7)
    let shown = try succeed(["train", "--output", scratch.path("shown")] + job).output
    for line in [
      "label       kind: 3 classes, cat, dog, owl (text)", "numbers     weight (29 missing)",
      "town (text, 24 levels, a learned",
      "dates       seen, on", "left out    id (row numbers)", "without a label, left out: 8", "another kind: --columns",
    ] { #expect(shown.contains(line), "\(line): \(shown)") }
  }

  @Test("what was learned of the training part is applied by evaluate and predict, by name and with unseen levels")
  func predictions() throws {
    let summary = try train(scratch, job, output: "run")
    let evaluated = try succeed(["evaluate", "--model", scratch.path("run")])
    #expect(evaluated.output.contains("test accuracy: \(try #require(summary.test_accuracy))\n"), "\(evaluated.output)")
    _ = try scratch.file(
      "new.csv", "town,colour,weight,\"seen, on\",id\ntown 1,red,2.5,2024-03-01,7\nelsewhere,pink,,2025-01-01,8\n")
    let predicted = try succeed([
      "predict", "--model", scratch.path("run"), "--data", scratch.path("new.csv"), "--keep", "id,town",
    ])
    #expect(
      predicted.errors.contains("warning: colour has 1 cell whose level training did not meet"), "\(predicted.errors)")
    let lines = predicted.output.split(separator: "\n")
    #expect(lines.first == "id,town,prediction,probability_cat,probability_dog,probability_owl")
    #expect(lines.count == 3 && lines[1].hasPrefix("7,town 1,") && lines[2].hasPrefix("8,elsewhere,"))
    for line in lines.dropFirst() {
      let sum = line.split(separator: ",").suffix(3).compactMap { Double($0) }.reduce(0, +)
      #expect(abs(sum - 1) < 1e-5, "\(line)")
    }
    try succeed([
      "predict", "--model", scratch.path("run"), "--data", scratch.path("new.csv"), "--output", scratch.path("p.jsonl"),
    ])
    struct Prediction: Decodable {
      let prediction: String
      let probabilities: [String: Double]
    }
    let first = try scratch.read("p.jsonl").split(separator: "\n")[0]
    let decoded = try JSONDecoder().decode(Prediction.self, from: Data(first.utf8))
    #expect(decoded.probabilities.max { $0.value < $1.value }?.key == decoded.prediction)
    for (text, problem) in [
      ("weight,colour\n1,red\n", "has no column 'town'"),
      (
        "town,colour,weight,\"seen, on\"\nx,red,heavy,2024-01-01\n",
        "line 2, column 3 (weight): 'heavy' is not a number"
      ),
    ] {
      _ = try scratch.file("bad.csv", text)
      let refused = try Program(["predict", "--model", scratch.path("run"), "--data", scratch.path("bad.csv")])
      #expect(refused.wait() == 1 && refused.errors.contains(problem), "\(refused.errors)")
    }
  }

  @Test(
    "PyTorch predicts the same by the guide's page",
    arguments: [
      [], ["--label", "weight"], ["--scale", "robust"], ["--columns", "weight: quantile, town: ignore"],
      ["--columns", "weight: log1p"],
    ])
  func pyTorch(_ options: [String]) throws {
    guard let python = pythonWithTorch() else { return }
    _ = try train(scratch, job + ["--model", "mlp:24"] + options, output: "run")
    let predictions = scratch.path("p.csv")
    try succeed([
      "predict", "--model", scratch.path("run"), "--data", scratch.path("pets.csv"), "--output", predictions,
    ])
    func place(_ path: String) -> String { package.appendingPathComponent(path).path }
    let program = try succeed(
      [
        place("Tests/EndToEndTests/pytorch_table.py"), place("Sources/Lockstep/Lockstep.docc/PyTorch.md"),
        scratch.path("run/model.safetensors"), scratch.path("pets.csv"), predictions,
      ], of: python)
    let text = program.output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(try #require(Double(text), "\(program.output)\(program.errors)") < 1e-5)
  }

  @Test("labels that are numbers are learned in units of their deviation, and told in their own")
  func numbers() throws {
    var text = "x,price\n"
    for row in 0..<300 { text += "\(Double(row * 37 % 101) / 10),\(200_000 + 5000 * (row * 37 % 101))\n" }
    let path = try scratch.file("prices.csv", text)
    let summary = try train(
      scratch, ["--data", path, "--model", "mlp:16", "--epochs", "150", "--learning-rate", "0.01"], output: "prices")
    #expect(try #require(summary.test_r2) > 0.99)
    let predicted = try succeed(["predict", "--model", scratch.path("prices"), "--data", path]).output.split(
      separator: "\n")
    #expect(predicted[0] == "prediction" && predicted.count == 301)
    #expect(abs(try #require(Double(predicted[1])) - 200_000) < 30_000)
    let evaluated = try succeed(["evaluate", "--model", scratch.path("prices")])
    #expect(evaluated.output.contains("test loss: \(try #require(summary.test_loss))\n"), "\(evaluated.output)")
    #expect(try #require(summary.test_loss) > 10_000)
  }

  @Test("nothing that is read is replaced by what is written")
  func nothingReadIsReplaced() throws {
    _ = try train(scratch, job, output: "run")
    let (data, model) = (scratch.path("pets.csv"), scratch.path("run/model.safetensors"))
    let before = try (scratch.read("pets.csv"), Data(contentsOf: URL(fileURLWithPath: model)))
    try FileManager.default.copyItem(atPath: data, toPath: scratch.path("run/pets.csv"))
    for arguments in [
      ["predict", "--model", scratch.path("run"), "--data", data, "--output", data],
      ["predict", "--model", scratch.path("run"), "--data", data, "--output", model, "--format", "csv"],
      ["evaluate", "--model", model, "--data", data, "--output", data],
      ["export", scratch.path("run"), "--output", model],
      ["train", "--data", scratch.path("run/pets.csv"), "--output", scratch.path("run"), "--overwrite"],
    ] {
      let program = try Program(arguments)
      #expect(program.wait() != 0 && program.errors.contains("choose another"), "\(arguments): \(program.errors)")
    }
    #expect(try scratch.read("pets.csv") == before.0 && scratch.read("run/pets.csv") == before.0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: model)) == before.1)
  }

  @Test("a job file and a resumed run refuse data that have changed, by name")
  func changedData() throws {
    _ = try train(scratch, job, output: "run")
    let yaml = try scratch.read("run/job.yaml")
    #expect(yaml.contains("\nrecipe: 1\n") && yaml.contains("\ndata-digest: "), "\(yaml)")
    let again = try train(scratch, ["--job", scratch.path("run/job.yaml")], output: "again")
    #expect(try again.parameters_sha256 == Summary(scratch.path("run")).parameters_sha256)
    let text = try scratch.read("pets.csv")
    _ = try scratch.file("pets.csv", text.replacingOccurrences(of: ",red,", with: ",blue,"))
    let refused = try Program(["train", "--job", scratch.path("run/job.yaml"), "--output", scratch.path("other")])
    #expect(
      refused.wait() == 1 && refused.errors.contains("is not the data that the job was written for"),
      "\(refused.errors)")
    let chosen = ["train", "--job", scratch.path("run/job.yaml"), "--data", scratch.path("pets.csv")]
    try succeed(chosen + ["--output", scratch.path("chosen")])
    let resumed = try Program(["train", "--resume", scratch.path("run"), "--epochs", "20"])
    #expect(resumed.wait() == 1 && resumed.errors.contains("is not the data that the run in"), "\(resumed.errors)")
  }

  @Test(
    "what users say of columns and parts is done, or refused with the way out",
    arguments: [
      (["--columns", "id: number, town: ignore"], nil), (["--columns", "weight: quantile"], nil),
      (["--columns", "weight: log1p", "--scale", "robust"], nil), (["--scale", "robust"], nil),
      (["--group-by", "town"], "missing"),
      (["--group-by", "colour"], nil), (["--time", "seen, on"], nil),
      (["--time", "colour"], "--time needs dates or numbers"),
      (["--columns", "colour: number"], "column 3 (colour): 'red' is not a number"),
      (["--columns", "colour: flavour"], "'flavour' of colour is no kind"),
      (["--columns", "size: number"], "no column 'size'"),
      (["--label", "weigt"], "did you mean 'weight'?"), (["--label", "seen, on"], "has dates"),
      (["--group-by", "colour", "--time", "seen, on"], "exclude each other"), (["--loss", "mse"], "has text"),
      (["--label", "weight", "--validation-fraction", "0.1"], nil),
      (["--label", "town", "--loss", "cross-entropy"], nil),
    ] as [([String], String?)])
  func choices(_ options: [String], _ problem: String?) throws {
    let program = try Program(
      [
        "train", "--data", scratch.path("pets.csv"), "--model", "mlp:8", "--epochs", "2", "--output",
        scratch.path("run"),
      ]
        + options)
    let code = program.wait()
    if let problem {
      #expect(code != 0 && program.errors.contains(problem), "\(program.errors)")
    } else {
      #expect(code == 0, "\(program.errors)")
    }
  }

  @Test("JSON Lines give the bits of the same table as CSV")
  func jsonLines() throws {
    let csv = try scratch.file(
      "a.csv", "colour,size,y\n" + (0..<60).map { "\($0 % 2 == 0 ? "red" : "blue"),\($0 % 7).5,\($0 % 2)\n" }.joined())
    let lines = (0..<60).map {
      "{\"colour\": \"\($0 % 2 == 0 ? "red" : "blue")\", \"size\": \($0 % 7).5, \"y\": \($0 % 2)}\n"
    }
    let json = try scratch.file("a.jsonl", lines.joined())
    let options = ["--label", "y", "--model", "mlp:8", "--epochs", "3"]
    let first = try train(scratch, ["--data", csv] + options)
    let second = try train(scratch, ["--data", json] + options)
    #expect(first.parameters_sha256 == second.parameters_sha256)
    let bad = try scratch.file("bad.jsonl", "{\"a\": 1}\n[1, 2]\n")
    let refused = try Program(["train", "--data", bad])
    #expect(
      refused.wait() == 1 && refused.errors.contains("bad.jsonl, line 2: not a JSON object: '[1, 2]'"),
      "\(refused.errors)")
  }

  @Test(
    "a mapped array that is cut short while a run learns from it ends the run with a sentence", .timeLimit(.minutes(2)))
  func truncation() throws {
    let path = scratch.path("x.npy")
    let (rows, columns) = (20_000, 64)
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    let padded = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    var bytes = Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8))
    let values = (0..<rows * columns).map { Float($0 * 7919 % 1009) / 1009 }
    values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    try bytes.write(to: URL(fileURLWithPath: path))
    let program = try Program(
      [
        "train", "--data", path, "--model", "linear", "--steps", "100000000", "--evaluate-every", "100", "--workers",
        "1",
        "--output", scratch.path("run"),
      ])
    try #require(program.waitForOutput("step 100 "), "\(program.output)\(program.errors)")
    #expect(truncate(path, 4096) == 0)
    let code = program.wait(seconds: 60)
    #expect(code != nil && code != 0, "\(program.errors)")
    #expect(program.errors.contains("x.npy changed while it was read"), "\(program.errors)")
  }
}
