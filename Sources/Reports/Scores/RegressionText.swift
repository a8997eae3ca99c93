package import Runs

extension RegressionReport {
  /// For a terminal: a line for each output.
  ///
  /// - Parameter names: of the outputs, in order.
  package func lines(_ names: [String]) -> [String] {
    precondition(names.count == outputs.count)
    func text(_ value: Double?) -> String { value.map(format) ?? "–" }
    let rows = zip(elided(names, to: 24), outputs).map { name, output in
      [
        name, text(output.rSquared), text(output.meanAbsoluteError), text(output.rootMeanSquaredError),
        text(output.meanError), text(output.largestError?.value), output.largestError.map { grouped($0.record) } ?? "–",
      ]
    }
    return [count(examples, "example")]
      + table(
        [["output", "R²", "MAE", "RMSE", "mean error", "largest", "record"]] + rows,
        numbers: Set(1...6), titles: 1)
      + ["Errors are predictions minus targets; MAE: mean of their sizes; RMSE: root of their mean square."]
  }
}

extension Scores {
  /// For a terminal.
  package var lines: [String] {
    switch self {
    case .classification(let report, let classes): report.lines(classes)
    case .regression(let report, let labels): report.lines(labels)
    }
  }
}
