import Runs
import Testing

@testable import Reports

@Suite struct ScoreTextTests {
  @Test("a classification is shown as figures, a table of classes, a confusion matrix and its calibration")
  func classification() throws {
    var scores = ClassificationScores(classes: 3, .probabilities)
    for (row, label) in [([0.9, 0.1, 0], 0), ([0.8, 0.2, 0], 0), ([0.45, 0.55, 0], 0), ([0, 1, 0], 1)]
      as [(ArraySlice<Float>, Int)]
    {
      try scores.add(row, label: label)
    }
    let text = scores.report.lines(["setosa", "versicolor", "virginica"]).joined(separator: "\n")
    #expect(
      text == """
        examples                         4
        accuracy                    0.7500
        balanced accuracy           0.8333
        log loss                    0.2818
        expected calibration error  0.2125

        class                precision  recall      F1  support
        ───────────────────────────────────────────────────────
        setosa                  1.0000  0.6667  0.8000        3
        versicolor              0.5000  1.0000  0.6667        1
        virginica                    –       –       –        0
        mean of the classes     0.7500  0.8333  0.7333        4
        mean by support         0.8750  0.7500  0.7667        4

        Examples by their class (rows) and the predicted class (columns):
                    setosa  vers…lor  virg…ica
        ──────────────────────────────────────
        setosa           2         1         ·
        versicolor       ·         1         ·
        virginica        ·         ·         ·

        probability    mean  accuracy  examples
        ───────────────────────────────────────
        0.5 to 0.6   0.5500    0.0000         1
        0.8 to 0.9   0.8500    1.0000         2
        0.9 to 1.0   1.0000    1.0000         1
        """)
  }

  @Test("many classes are shown by the worst ones and by the most frequent confusions")
  func manyClasses() throws {
    var scores = ClassificationScores(classes: 40, .logits)
    for label in 0..<40 {
      for example in 0..<40 {
        var row = [Float](repeating: 0, count: 40)
        row[example < label ? (label + 1) % 40 : label] = 5
        try scores.add(row[...], label: label)
      }
    }
    let text = scores.report.lines((0..<40).map { "class \($0)" })
    #expect(text.contains("The 20 of 40 classes with the lowest F1."))
    #expect(!text.contains { $0.hasPrefix("class 3 ") } && text.contains { $0.hasPrefix("class 39 ") })
    let title = try #require(text.firstIndex(of: "The most frequent confusions:"))
    #expect(text[title + 3] == "class 39  class 0          39        97.5 %")
    #expect(text.allSatisfy { $0.count <= 80 })
  }

  @Test("figures that are not defined are a dash, and empty sections are left out")
  func undefined() {
    let lines = ClassificationScores(classes: 2, .logits).report.lines(["no", "yes"])
    #expect(lines.first == "examples  0")
    #expect(lines.contains("no                           –       –   –        0"))
    #expect(!lines.contains { $0.hasPrefix("probability") })
    #expect(
      RegressionScores(outputs: 1).report.lines(["price"]).contains { $0.hasPrefix("price ") && $0.hasSuffix("–") })
  }

  @Test("a regression is a line for each output")
  func regression() throws {
    var scores = RegressionScores(outputs: 2)
    try scores.add(record: 0, [1, 2000], targets: [2, 1000])
    try scores.add(record: 1, [4, 4000], targets: [4, 4500])
    let text = scores.report.lines(["height", "price of the whole house in euros"]).joined(separator: "\n")
    #expect(
      text == """
        2 examples
        output                        R²       MAE      RMSE  mean error    largest  record
        ───────────────────────────────────────────────────────────────────────────────────
        height                    0.5000    0.5000    0.7071     -0.5000    -1.0000       0
        price of the…se in euros  0.7959  750.0000  790.5694    250.0000  1000.0000       0
        Errors are predictions minus targets; MAE: mean of their sizes; RMSE: root of their mean square.
        """)
  }

  @Test("long names keep their ends, and different names stay different")
  func names() {
    #expect(elided(["short", "a very long name 1", "a very long name 2"], to: 8) == ["short", "a ve…e 1", "a ve…e 2"])
    #expect(elided(["abcdefX12345ghi", "abcdefY12345ghi", "abcd"], to: 8) == ["1 abc…hi", "2 abc…hi", "abcd"])
    #expect(elided(["same as before", "same as before"], to: 8) == ["same…ore", "same…ore"])
    #expect(elided(["two\nlines"], to: 20) == ["two\\nlines"])
  }
}
