import Foundation
import Testing

/// README.md and the pages of the guide: their marked blocks do what they show, and their links lead somewhere.
///
/// A block of commands after the line `<!-- run -->` must end with exit code 0 under `bash -eu`. A block after
/// `<!-- prints -->` must be the standard output of the `run` block before it: within a line `…` stands for any text, and
/// a line `…` for any number of lines. The blocks of a page run one after the other in one folder, beside `Examples`.
@Suite(.serialized) struct GuideTests {
  static let catalog = "Sources/Lockstep/Lockstep.docc"
  /// Paths in the package's folder.
  static let pages: [String] = {
    let folder = package.appendingPathComponent(catalog).path
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
    return ["README.md"] + (names ?? []).filter { $0.hasSuffix(".md") }.sorted().map { "\(catalog)/\($0)" }
  }()
  /// Pages that may have nothing to run.
  static let pagesWithoutCommands = [
    "Security", "Performance", "Scaling", "Protocol", "Options", "Lockstep", "PyTorch", "Tables",
  ]

  @Test(.timeLimit(.minutes(3)), arguments: pages)
  func markedBlocksDoWhatTheyShow(_ page: String) throws {
    let blocks = try MarkedBlock.all(in: page)
    #expect(
      !blocks.isEmpty || GuideTests.pagesWithoutCommands.contains { page.hasSuffix("/\($0).md") },
      "\(page) has no block that is marked with <!-- run -->")
    let scratch = try Scratch()
    try FileManager.default.copyItem(
      at: package.appendingPathComponent("Examples"), to: scratch.url.appendingPathComponent("Examples"))
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    // Coordinators and workers of other tests must not meet those of the guide.
    let environment = [
      "PATH": "\(Program.folder.path):\(path)", "XDG_RUNTIME_DIR": scratch.url.path,
      // A machine busy with other tests may need long to start a coordinator.
      "LOCKSTEP_CONNECT_TIMEOUT": "60",
    ]
    for block in blocks {
      let commands = block.commands.map { $0.hasPrefix("$ ") ? String($0.dropFirst(2)) : $0 }
      let program = try Program(
        ["bash", "-eu", "-c", commands.joined(separator: "\n")], of: "/usr/bin/env", in: scratch.url,
        environment: environment)
      let code = program.wait()
      let end = code.map { "exit code \($0)" } ?? "it does not end"
      try #require(code == 0, "\(page):\(block.line): \(end)\n\(program.output)\(program.errors)")
      guard let (line, expected) = block.prints else { continue }
      var output = program.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      if output.last == "" { output.removeLast() }
      if let index = firstMissing(of: expected, in: output) {
        let missing = index < expected.count ? "is not printed: \(expected[index])" : "more is printed than is shown"
        Issue.record("\(page):\(line + index): \(missing)\nprinted:\n\(program.output)\(program.errors)")
      }
    }
  }

  @Test(arguments: pages)
  func linksLeadToFiles(_ page: String) throws {
    let folder = package.appendingPathComponent(page).deletingLastPathComponent()
    let text = try String(contentsOf: package.appendingPathComponent(page), encoding: .utf8)
    let articles = text.matches(of: /<doc:([^>]+)>/).map { "\($0.1).md" }
    let files = text.matches(of: /\]\(([^)#]+)[^)]*\)/).map { String($0.1) }.filter { !$0.hasPrefix("https://") }
    for link in articles + files {
      #expect(FileManager.default.fileExists(atPath: folder.appendingPathComponent(link).path), "\(page): \(link)")
    }
  }

  @Test func aLineOfDotsStandsForAnyLines() {
    #expect(firstMissing(of: ["a", "…", "b … d"], in: ["a", "b c d", "b  d"]) == nil)
    #expect(firstMissing(of: ["…"], in: []) == nil)
    #expect(firstMissing(of: ["a", "b (…)"], in: ["a", "b c"]) == 1)
    #expect(firstMissing(of: ["…", "a"], in: ["a", "b"]) == 2)
  }
}

/// Commands that a page marks, and what it says that they print; each with its first line's number in the page.
private struct MarkedBlock {
  let line: Int
  let commands: [String]
  var prints: (line: Int, lines: [String])?

  static func all(in page: String) throws -> [MarkedBlock] {
    let text = try String(contentsOf: package.appendingPathComponent(page), encoding: .utf8)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var blocks: [MarkedBlock] = []
    for (index, mark) in lines.enumerated() where mark == "<!-- run -->" || mark == "<!-- prints -->" {
      let start = index + 2
      let end = try #require(lines.dropFirst(start).firstIndex(of: "```"), "\(page):\(index + 1): no block's end")
      #expect(lines[index + 1].hasPrefix("```"), "\(page):\(index + 1): no block follows")
      if mark == "<!-- run -->" {
        blocks.append(MarkedBlock(line: start + 1, commands: Array(lines[start..<end])))
      } else {
        try #require(blocks.last?.prints == nil && !blocks.isEmpty, "\(page):\(index + 1): no commands that print this")
        blocks[blocks.count - 1].prints = (start + 1, Array(lines[start..<end]))
      }
    }
    return blocks
  }
}

/// The index in `expected` of the first line that `output` does not have in its place; the count where `output` goes on
/// after the last one; nil where all fits.
private func firstMissing(of expected: [String], in output: [String]) -> Int? {
  /// How many lines of `output` those of `expected` so far may stand for.
  var counts: Set<Int> = [0]
  for (index, line) in expected.enumerated() {
    counts =
      line == "…"
      ? Set(counts.min()!...output.count)
      : Set(counts.filter { $0 < output.count && fits(output[$0], line) }.map { $0 + 1 })
    if counts.isEmpty { return index }
  }
  return counts.contains(output.count) ? nil : expected.count
}

/// Whether `line` is `pattern`, in which each … is any text.
private func fits(_ line: String, _ pattern: String) -> Bool {
  let pieces = pattern.components(separatedBy: "…").map { NSRegularExpression.escapedPattern(for: $0) }
  return line.range(of: "^\(pieces.joined(separator: ".*"))$", options: .regularExpression) != nil
}
