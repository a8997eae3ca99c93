internal import Foundation
package import Runs

extension ClassificationReport {
  /// The most classes that have lines of their own, and a row of the confusion matrix.
  private static let mostShown = 20
  /// The most characters of a class's name.
  private static let nameLimit = 24

  /// For a terminal: figures of all classes, of each class, which classes are confused, and the calibration.
  ///
  /// - Parameter names: of the classes, in order.
  package func lines(_ names: [String]) -> [String] {
    precondition(names.count == classes.count)
    let sections = [totals, classLines(names), confusionLines(names), calibrationLines]
    return Array(sections.filter { !$0.isEmpty }.joined(separator: [""]))
  }

  private var totals: [String] {
    let rows = [
      ("accuracy", accuracy), ("balanced accuracy", balancedAccuracy), ("log loss", logLoss),
      ("area under the ROC curve", areaUnderCurve), ("expected calibration error", calibrationError),
    ]
    return table(
      [["examples", grouped(examples)]] + rows.compactMap { name, value in value.map { [name, format($0)] } },
      numbers: [1])
  }

  private func classLines(_ names: [String]) -> [String] {
    func text(_ value: Double?) -> String { value.map(format) ?? "–" }
    let isWhole = classes.count <= ClassificationReport.mostShown
    // Classes without an F1 have neither examples nor predictions.
    let worst = classes.indices.filter { classes[$0].f1 != nil }
      .sorted { (classes[$0].f1!, $0) < (classes[$1].f1!, $1) }.prefix(ClassificationReport.mostShown)
    let shown = isWhole ? Array(classes.indices) : Array(worst)
    let short = elided(shown.map { names[$0] }, to: ClassificationReport.nameLimit)
    let rows = zip(short, shown).map { name, index in
      let one = classes[index]
      return [name, text(one.precision), text(one.recall), text(one.f1), grouped(one.support)]
    }
    let means = [("mean of the classes", macroAverage), ("mean by support", weightedAverage)].map { name, mean in
      [name, text(mean.precision), text(mean.recall), text(mean.f1), grouped(examples)]
    }
    let note = isWhole ? [] : ["The \(shown.count) of \(grouped(classes.count)) classes with the lowest F1."]
    return table([["class", "precision", "recall", "F1", "support"]] + rows + means, numbers: [1, 2, 3, 4], titles: 1)
      + note
  }

  private func confusionLines(_ names: [String]) -> [String] {
    guard let confusionMatrix, classes.count <= ClassificationReport.mostShown else { return worstConfusions(names) }
    // About a hundred characters for all columns.
    let titles = elided(names, to: min(max(100 / classes.count - 2, 3), 8))
    let rows = zip(elided(names, to: ClassificationReport.nameLimit), confusionMatrix).map { name, counts in
      [name] + counts.map { $0 == 0 ? "·" : grouped($0) }
    }
    return ["Examples by their class (rows) and the predicted class (columns):"]
      + table([[""] + titles] + rows, numbers: Set(1...classes.count), titles: 1)
  }

  private func worstConfusions(_ names: [String]) -> [String] {
    guard !confusions.isEmpty else { return [] }
    let limit = ClassificationReport.nameLimit
    let (labels, predictions) = (
      elided(confusions.map { names[$0.label] }, to: limit), elided(confusions.map { names[$0.prediction] }, to: limit)
    )
    let rows = confusions.indices.map { index in
      let (confusion, support) = (confusions[index], classes[confusions[index].label].support)
      let share = String(format: "%.1f %%", 100 * Double(confusion.examples) / Double(support))
      return [labels[index], predictions[index], grouped(confusion.examples), share]
    }
    return ["The most frequent confusions:"]
      + table([["class", "predicted", "examples", "of the class"]] + rows, numbers: [2, 3], titles: 1)
  }

  private var calibrationLines: [String] {
    let rows = calibration.compactMap { bin -> [String]? in
      guard let confidence = bin.confidence, let accuracy = bin.accuracy else { return nil }
      return [
        String(format: "%.1f to %.1f", bin.from, bin.to), format(confidence), format(accuracy), grouped(bin.examples),
      ]
    }
    guard !rows.isEmpty else { return [] }
    return table([["probability", "mean", "accuracy", "examples"]] + rows, numbers: [1, 2, 3], titles: 1)
  }
}

/// `texts` on one line each and in at most `limit` characters, the middle left out of longer ones. Different texts that
/// become equal start with their place in `texts`, from 1.
package func elided(_ texts: [String], to limit: Int) -> [String] {
  let whole = texts.map(oneLine)
  func cut(_ text: String, to limit: Int) -> String {
    guard text.count > limit else { return text }
    let end = (limit - 1) / 2
    return text.prefix(limit - 1 - end) + "…" + text.suffix(end)
  }
  let short = whole.map { cut($0, to: limit) }
  let originals = Dictionary(grouping: whole.indices) { short[$0] }.mapValues { Set($0.map { whole[$0] }) }
  return whole.indices.map { index in
    guard originals[short[index]]!.count > 1 else { return short[index] }
    let place = "\(index + 1) "
    return place + cut(whole[index], to: max(limit - place.count, 1))
  }
}
