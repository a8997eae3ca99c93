import Files
import Foundation
import Kernels
import Models
import Runs
import Testing

@testable import Schema

/// A folder for one test's files, removed with the suite's instance.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("checkpoints-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// All files' names, hidden ones too.
  func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

func bytes(at path: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: path))) }

func text(at path: String) throws -> String { String(decoding: try bytes(at: path), as: UTF8.self) }

/// Expects `body` to throw a ``FileError`` whose sentence has each of `parts`.
func expectError(
  _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation, by body: () throws -> Void
) {
  let error = #expect(throws: FileError.self, sourceLocation: sourceLocation) { try body() }
  guard let error else { return }
  for part in parts {
    #expect(error.description.contains(part), sourceLocation: sourceLocation)
  }
}

/// Writes `values` as a safetensors file.
func save(_ values: [Float], _ layout: ParameterLayout, metadata: [String: String] = [:], to path: String) throws {
  let buffer = FloatBuffer(values)
  // A view does not keep its memory.
  try withExtendedLifetime(buffer) {
    try Safetensors.write(buffer.values, layout: layout, metadata: metadata, to: path)
  }
}

/// The values in a safetensors file; what it does not set is NaN.
func load(_ path: String, _ layout: ParameterLayout) throws -> [Float] {
  let buffer = FloatBuffer([Float](repeating: .nan, count: layout.count))
  return try withExtendedLifetime(buffer) {
    try Safetensors.File(path: path).read(into: buffer.all, layout: layout)
    return buffer.values.array
  }
}
