internal import ArgumentParser
internal import Optimizers
internal import Schema

/// Parses names of update rules, each once, or `all`.
func parseOptimizers(_ text: String) throws -> [String] {
  let known = UpdateRules.registry.all.map { $0.name }
  if text == "all" { return known }
  let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  for name in names where !known.contains(name) {
    throw ValidationError(
      name == "all"
        ? "--optimizers '\(text)': 'all' means every rule; give it alone"
        : "--optimizers '\(text)': unknown optimizer '\(name)'; known are \(known.joined(separator: ", ")), or all")
  }
  try refuseRepeated("optimizers", text, names)
  return names
}

func refuseRepeated<Value: Hashable>(_ option: String, _ text: String, _ values: [Value]) throws {
  var seen: Set<Value> = []
  for value in values where !seen.insert(value).inserted {
    throw ValidationError("--\(option) '\(text)': \(value) is given twice")
  }
}
