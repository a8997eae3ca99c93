import Foundation
import Testing

/// The list of modules in CONTRIBUTING.md, held against the manifest and the sources.
@Suite struct ModuleGraphTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private func text(_ path: String) throws -> String {
    try String(contentsOf: ModuleGraphTests.root.appendingPathComponent(path), encoding: .utf8)
  }

  /// What the list says that each module uses.
  private func documented() throws -> [String: Set<String>] {
    let parts = try text("CONTRIBUTING.md").components(separatedBy: "<!-- modules -->\n```\n")
    let list = try #require(parts.last?.components(separatedBy: "\n```").first)
    return Dictionary(
      uniqueKeysWithValues: list.split(separator: "\n").map { line in
        let sides = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        let names = sides.count > 1 ? sides[1].split(separator: ",") : []
        return (sides[0], Set(names.map { $0.trimmingCharacters(in: .whitespaces) }))
      })
  }

  /// What the manifest says.
  private func manifest() throws -> [String: Set<String>] {
    let text = try text("Package.swift").replacing("argumentParser", with: "\"ArgumentParser\"")
    var modules: [String: Set<String>] = [:]
    for match in text.matches(
      of: /\.(?:executableT|t)arget\(\s*name: "(\w+)"(?:,\s*dependencies: \[([^\]]*)\])?/)
    {
      let sources = ModuleGraphTests.root.appendingPathComponent("Sources/\(match.1)").path
      guard match.1 != "CKernels", FileManager.default.fileExists(atPath: sources) else { continue }
      let names = (match.2 ?? "").matches(of: /"(\w+)"/).map { String($0.1) }
      modules[String(match.1)] = Set(names)
    }
    return modules
  }

  /// What the sources of a module import, without the system's own modules.
  private func imports(_ module: String) throws -> Set<String> {
    let folder = ModuleGraphTests.root.appendingPathComponent("Sources/\(module)")
    let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    var found: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /(?m)^(?:@_exported )?(?:\w+ )?import (?:(?:struct|enum|class|protocol) )?(\w+)/) {
        found.insert(String(match.1))
      }
    }
    return found
  }

  private static let system: Set<String> = ["Foundation", "Dispatch", "Synchronization"]

  @Test func theListIsTheManifest() throws {
    let (documented, manifest) = (try documented(), try manifest())
    #expect(documented == manifest)
    #expect(documented.count > 10)
  }

  @Test func modulesUseWhatTheListSaysAndNothingElse() throws {
    for (module, uses) in try documented() {
      #expect(try imports(module).subtracting(ModuleGraphTests.system) == uses, "\(module)")
    }
  }

  @Test("what decides has no files, sockets or clocks", arguments: ["Schema", "Reduction", "Protocol"])
  func pure(_ module: String) throws {
    #expect(try imports(module).isDisjoint(with: ["Foundation", "Dispatch", "ZeroMQ", "Kernels"]))
  }
}
