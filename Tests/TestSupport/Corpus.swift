internal import Foundation

/// The files of a folder of `Tests/Corpus`, in the order of their names. The fuzzer starts from the same.
public func corpus(_ folder: String) throws -> [[UInt8]] {
  let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  return try FileManager.default
    .contentsOfDirectory(at: tests.appendingPathComponent("Corpus/\(folder)"), includingPropertiesForKeys: nil)
    .sorted { $0.path < $1.path }
    .map { try [UInt8](Data(contentsOf: $0)) }
}
