import Foundation
import Kernels
import TestSupport
import Testing

@testable import Datasets

/// What is learned of a table's columns, and what becomes of its cells. Numbers are from NumPy and SciPy in float64.
@Suite struct RecipeTests {
  private func table(_ columns: [(String, Table.Cells)]) -> Table {
    let count =
      switch columns[0].1 {
      case .numbers(let all): all.count
      case .instants(let all): all.count
      case .levels(let codes, _): codes.count
      }
    return Table(
      name: "table", columns: columns.map { Table.Column(name: $0, $1) }, count: count, place: { "line \($0 + 2)" })
  }

  private func words(_ cells: [String?]) -> Table.Cells {
    let levels = Set(cells.compactMap(\.self)).sorted { $0.precedes($1) }
    return .levels(cells.map { cell in cell.map { Int32(levels.firstIndex(of: $0)!) } ?? -1 }, levels)
  }

  private func learn(
    _ table: Table, rows: [Int32]? = nil, _ choices: String = "", isRobust: Bool = false
  ) throws -> [ColumnFinding] {
    try Recipe.learn(
      from: table, rows: rows ?? Array(0..<Int32(table.count)), excluding: [:], ColumnChoices(choices),
      isRobust: isRobust)
  }

  private func recipe(_ findings: [ColumnFinding]) -> Recipe {
    Recipe(columns: findings.compactMap(\.recipe), labels: [LabelRecipe(name: "label")])
  }

  private func rows(_ recipe: Recipe, _ table: Table) throws -> [[Float]] {
    let (all, width) = (try recipe.features(of: table), recipe.features.count)
    return (0..<table.count).map { Array(all[$0 * width..<($0 + 1) * width]) }
  }

  private static let numbers: [Float] = [3, -1, 4, 1, 5, 9, 2, 6, 5, 3, 5, -2.5]

  @Test("missing numbers have the median of the training part, and are told by a second feature")
  func missingNumbers() throws {
    let table = table([("x", .numbers([1, .nan, 3, 10, 2, .nan, 1000]))])
    // Without the last two records.
    let found = try learn(table, rows: [0, 1, 2, 3, 4])
    #expect(found[0].missing == 1)
    let recipe = recipe(found)
    #expect(recipe.features.map(\.name) == ["x", "x=missing"] && recipe.features.map(\.isScaled) == [true, false])
    #expect(try rows(recipe, table) == [[1, 0], [2.5, 1], [3, 0], [10, 0], [2, 0], [2.5, 1], [1000, 0]])
  }

  @Test("log1p, quantiles and the robust scale are NumPy's and SciPy's")
  func transforms() throws {
    let table = table([("x", .numbers(Self.numbers))])
    func values(_ choice: String = "", isRobust: Bool = false, _ cells: [Float]) throws -> [Float] {
      let recipe = recipe(try learn(table, choice, isRobust: isRobust))
      return try recipe.features(of: self.table([("x", .numbers(cells))]))
    }
    func expect(_ found: [Float], _ expected: [Double]) {
      for (value, number) in zip(found, expected) { #expect(abs(Double(value) - number) < 1e-6 * max(1, abs(number))) }
    }
    expect(
      try values(isRobust: true, Array(Self.numbers[..<4])),
      [-0.15364426374435425, -1.2571746110916138, 0.15364426374435425, -0.7451260685920715])
    expect(try values(isRobust: true, [3e38, -3e38]), [3, -3])
    expect(
      try values("x: quantile", [-10, -2.5, 0, 3, 5, 5.5, 9, 20]),
      [
        -1.731664396122245, -1.731664396122245, -1.121817802328161, -0.22988411757923205, 0.6045853465832371,
        0.9698815413510867, 1.7316643961222453, 1.7316643961222453,
      ])
    let positive = self.table([("x", .numbers([0.5, 3, 1e6, -0.75]))])
    expect(
      try recipe(learn(positive, "x: log1p")).features(of: positive),
      [0.4054651081081644, 1.3862943611198906, 13.815511557963774, -1.3862943611198906])
    expectError("table, line 3, column x", "log1p of -1.0", "above -1") { _ = try learn(table, "x: log1p") }
    for (share, quantile) in [
      (0.001, -3.090232306167813), (0.02, -2.053748910631823), (0.3, -0.5244005127080409), (0.5, 0),
      (0.9, 1.2815515655446004),
      (0.99999, 4.264890793923841),
    ] { #expect(abs(normalQuantile(share) - quantile) < 5e-9) }
  }

  @Test("up to nine words are features, more are indices; a missing one is a level, an unseen one nothing")
  func levels() throws {
    let few = table([("c", words(["b", "a", nil, "b", "c"]))])
    let recipe = recipe(try learn(few, rows: [0, 1, 2, 3]))
    #expect(recipe.features.map(\.name) == ["c=a", "c=b", "c=missing"] && !recipe.features.contains(where: \.isScaled))
    #expect(try rows(recipe, few) == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
    let cells = (0..<12).flatMap { ["w\($0)", "w\($0)"] } + ["once", nil]
    let many = table([("c", words(cells))])
    let embedded = self.recipe(try learn(many))
    // w0, w1, w10, w11, w2, … in the order of bytes after the vector of unseen ones; missing ones last.
    #expect(embedded.features == [Recipe.Feature(name: "c", isScaled: false, vectors: 14)])
    let indices = try embedded.features(of: many)
    #expect(Array(indices[..<6]) == [1, 1, 2, 2, 5, 5] && Array(indices[24...]) == [0, 13])
  }

  @Test("few whole numbers are levels")
  func fewNumbers() throws {
    let table = table([
      ("n", .numbers((0..<120).map { [1, 3, 2][$0 % 3] })), ("m", .numbers((0..<120).map { Float($0 % 7) })),
    ])
    let findings = try learn(table)
    #expect(findings.map(\.reason) == ["whole numbers, 3 levels", "numbers"])
    let recipe = recipe(findings)
    #expect(recipe.features.map(\.name) == ["n=1", "n=2", "n=3", "m"])
    #expect(try rows(recipe, table)[1] == [0, 0, 1, 1])
    #expect(try learn(table, "n: number").map(\.reason) == ["numbers", "numbers"])
  }

  @Test("dates become their parts, those that differ")
  func dates() throws {
    // 2024-01-31 (a Wednesday) 12:00, 2024-02-29 (a Thursday), missing.
    let table = table([("d", .instants([1_706_702_400, 1_709_164_800, Table.missingInstant]))])
    let recipe = recipe(try learn(table))
    #expect(recipe.features.map(\.name) == ["d.month", "d.day", "d.weekday", "d.hour", "d.seconds", "d=missing"])
    #expect(try rows(recipe, table) == [[1, 31, 2, 12, 0, 0], [2, 29, 3, 0, 2_462_400, 0], [1, 31, 2, 12, 0, 1]])
  }

  @Test("columns that say nothing are left out, with the reason")
  func leftOut() throws {
    let count = 30
    let columns: [(String, Table.Cells)] = [
      ("row", .numbers((0..<count).map { Float($0 + 7) })), ("gaps", .numbers((0..<count).map { Float($0 + $0 / 3) })),
      ("user_id", .numbers((0..<count).map { Float($0 * 7919 % 1009) })),
      ("same", .numbers(.init(repeating: 4, count: count))),
      ("none", .numbers(.init(repeating: .nan, count: count))), ("name", words((0..<count).map { "person \($0)" })),
      ("word", words(.init(repeating: "x", count: count))), ("kept", .numbers((0..<count).map { Float($0 * $0 % 7) })),
    ]
    let findings = try learn(table(columns))
    #expect(
      findings.map(\.reason) == [
        "row numbers", "row numbers", "identifiers, all different", "all cells are 4", "all cells are missing",
        "text, all different", "all cells are 'x'", "numbers",
      ])
    #expect(findings.map { $0.recipe != nil } == [false, false, false, false, false, false, false, true])
    #expect(try learn(table(columns), "row: number, name: category, same: ignore").map { $0.recipe != nil }[0])
  }

  @Test("a recipe is read back as it was, and one that contradicts itself is refused")
  func json() throws {
    let table = table([
      ("x", .numbers(Self.numbers.map { $0 == 4 ? .nan : $0 })), ("q", .numbers(Self.numbers)),
      ("c", words(Self.numbers.map { "\($0)\"," })), ("d", .instants(Self.numbers.map { Int64($0 * 1e6) })),
    ])
    let recipe = recipe(try learn(table, "q: quantile", isRobust: true))
    let again = try Recipe(json: recipe.json)
    let (json, digest) = (try recipe.json, try recipe.digest)
    #expect(again == recipe)
    #expect(try again.digest == digest)
    #expect(try again.features(of: table) == recipe.features(of: table))
    for (part, other) in [("\"x\":[", "\"x\":[99,"), ("labels", "labelz"), ("\"levels\":[", "\"levels\":[\"zz\",")] {
      let spoiled = json.replacing(part, with: other)
      #expect(spoiled != json)
      #expect(throws: DatasetError.self) { _ = try Recipe(json: spoiled) }
    }
  }

  @Test("what users say of columns is read back as it was written")
  func choices() throws {
    let text = "zip: category, \"a, b\": ignore, \"say \"\"hi\"\"\": number, x:y: log1p"
    let choices = try ColumnChoices(text)
    #expect(choices.choices.map(\.name) == ["zip", "a, b", "say \"hi\"", "x:y"])
    #expect(choices.choices.map(\.kind) == [.category, .ignore, .number, .log1p])
    #expect(try ColumnChoices(choices.text) == choices)
    #expect(try ColumnChoices("# of this file\nzip: category\n\nid: ignore\n").text == "zip: category, id: ignore")
    expectError("--columns: 'zip' has no kind") { _ = try ColumnChoices("zip") }
    expectError("'categry' of zip is no kind", "did you mean 'category'?") { _ = try ColumnChoices("zip: categry") }
    expectError("zip is given twice") { _ = try ColumnChoices("zip: date, zip: number") }
  }

  @Test("numbers are ordered by radix as they are by comparison", arguments: [1, 2048, 2049, 100_000])
  func ascending(_ count: Int) {
    var random = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &random)
    print("ascending: seed \(seed)")
    let buffer = FloatBuffer(count: count)
    Philox(seed: seed, stream: 0).fillUniform(buffer.all, bound: 1)
    var values: [Float] = buffer.array
    for index in stride(from: 0, to: count, by: 7) { values[index] *= .greatestFiniteMagnitude }
    for index in stride(from: 1, to: count, by: 5) { values[index] *= .leastNormalMagnitude }
    values[0] = .leastNonzeroMagnitude
    #expect(values.ascending == values.sorted())
  }

  @Test("recipes of hostile files and peers that contradict themselves are refused")
  func contradictions() throws {
    func words(_ levels: [String], isEmbedded: Bool = false) -> ColumnRecipe {
      ColumnRecipe(name: "w", encoding: .levels(LevelsRecipe(levels: levels, isEmbedded: isEmbedded)))
    }
    let column = words(["a", "b"])
    let label = LabelRecipe(name: "y", classes: ["n", "y"])
    let number = LabelRecipe(name: "y")
    try Recipe(columns: [column], labels: [label]).check()
    let other = LabelRecipe(name: "z", classes: ["n", "y"])
    for (recipe, flaw) in [
      (Recipe(columns: [], labels: [label]), "no column or no label"),
      (Recipe(columns: [column], labels: []), "no column or no label"),
      (Recipe(columns: [column, column], labels: [label]), "a column twice"),
      (Recipe(columns: [column], labels: [LabelRecipe(name: "w", classes: ["n", "y"])]), "a column twice"),
      (Recipe(columns: [words(["b", "a"])], labels: [label]), "not in order"),
      // Equal as texts, in other bytes.
      (Recipe(columns: [words(["e\u{301}", "\u{E9}"])], labels: [label]), "not in order"),
      (Recipe(columns: [column], labels: [LabelRecipe(name: "y", classes: ["n", "n"])]), "a class twice"),
      (Recipe(columns: [column], labels: [LabelRecipe(name: "y", classes: ["n"])]), "1 classes"),
      (Recipe(columns: [column], labels: [LabelRecipe(name: "y", classes: ["n", "y"], numbers: [1])]), "not in order"),
      (
        Recipe(columns: [column], labels: [LabelRecipe(name: "y", classes: ["n", "y"], numbers: [1, 1])]),
        "not in order"
      ),
      (Recipe(columns: [column], labels: [LabelRecipe(name: "y", numbers: [1])]), "no classes"),
      (Recipe(columns: [column], labels: [LabelRecipe(name: "y", deviation: 0)]), "the deviation"),
      (Recipe(columns: [column], labels: [label, other]), "contradict each other"),
      (Recipe(columns: [column], labels: [number], positionClasses: 3), "contradict each other"),
      (
        Recipe(columns: [column], labels: [number, LabelRecipe(name: "z")], positionClasses: .max),
        "contradict each other"
      ),
      (Recipe(columns: [column], labels: [label], decimal: ";"), "the decimal separator"),
      (
        Recipe(
          columns: [ColumnRecipe(name: "x", encoding: .number(NumberRecipe(median: -1, transform: .log1p)))],
          labels: [label]), "log1p does not exist"
      ),
      (
        Recipe(
          columns: [
            ColumnRecipe(name: "x", encoding: .number(NumberRecipe(median: 0, transform: .quantile(x: [1], y: []))))
          ],
          labels: [label]), "quantiles that do not ascend"
      ),
    ] { expectError(flaw) { try recipe.check() } }
  }
}
