internal import Foundation

/// The machine on which something was measured.
package struct Machine: Equatable, Codable, Sendable {
  package var cores: Int
  package var processor: String
  package var system: String

  package init(cores: Int, processor: String, system: String) {
    (self.cores, self.processor, self.system) = (cores, processor, system)
  }

  package static var this: Machine {
    Machine(
      cores: ProcessInfo.processInfo.activeProcessorCount, processor: processorName() ?? "unknown processor",
      system: systemName() ?? ProcessInfo.processInfo.operatingSystemVersionString)
  }

  /// The CPU's name; nil if unknown.
  static func processorName() -> String? {
    #if canImport(Darwin)
      var name = [CChar](repeating: 0, count: 256)
      var size = name.count
      guard sysctlbyname("machdep.cpu.brand_string", &name, &size, nil, 0) == 0 else { return nil }
      return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    #else
      let fields = fields(of: "/proc/cpuinfo", separator: ":")
      guard let name = fields["model name"] else { return nil }
      // Some hosts hide the model's name but not its family.
      return fields["cpu family"].map { "\(name), family \($0)" } ?? name
    #endif
  }

  private static func systemName() -> String? {
    #if canImport(Darwin)
      return "macOS \(ProcessInfo.processInfo.operatingSystemVersionString)"
    #else
      return fields(of: "/etc/os-release", separator: "=")["PRETTY_NAME"]
    #endif
  }

  /// The first value of each name in a file of `name : value` lines.
  private static func fields(of path: String, separator: Character) -> [String: String] {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let pairs = text.split(separator: "\n").compactMap { line -> (String, String)? in
      let parts = line.split(separator: separator, maxSplits: 1)
      guard parts.count == 2 else { return nil }
      return (
        parts[0].trimmingCharacters(in: .whitespaces),
        parts[1].trimmingCharacters(in: CharacterSet(charactersIn: " \t\""))
      )
    }
    return Dictionary(pairs) { first, _ in first }
  }
}
