internal import ArgumentParser
internal import Runs

/// Which data, on the command line.
struct DataFlags: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "digits, fashion-mnist, a CSV file, a folder of IDX files, or none for a model without data. (default: digits; for a saved model what it was trained on)",
      valueName: "data"))
  var data: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The label's column in a CSV file: a name, or a position from 1. (default: the last)", valueName: "column"))
  var label: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("A second CSV file that is the test part.", valueName: "file"))
  var test: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The share of the examples that becomes the test part, cut by the seed; 0 for none. (default: 0.2, where the data brings no test part)",
      valueName: "share"))
  var testFraction: String?

  /// The options by their names.
  var given: [(String, String?)] {
    [("data", data), ("label", label), ("test", test), ("test-fraction", testFraction)]
  }
}

extension JobOptions {
  /// Sets those of `options` that have a value.
  mutating func set(_ options: [(name: String, value: String?)]) throws {
    for option in options {
      if let value = option.value { try set(option.name, to: value) }
    }
  }
}
