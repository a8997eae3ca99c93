import Foundation
import Kernels
import Schema
import Testing

@testable import Datasets

/// A folder for one test's files, removed with the suite's instance.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("datasets-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> String {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult
  func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }

  /// What the gzip program makes of `bytes`.
  func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
    let file = try write(bytes, to: "to-be-packed")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/gzip")
    process.arguments = ["-n", "-f", file]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    let packed = try Array(Data(contentsOf: URL(fileURLWithPath: "\(file).gz")))
    try FileManager.default.removeItem(atPath: "\(file).gz")
    return packed
  }
}

/// Expects `body` to throw a ``DatasetError`` or an ``OptionError`` whose sentence has each of `parts`.
func expectError(
  _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation, by body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch {
    #expect(error is DatasetError || error is OptionError, sourceLocation: sourceLocation)
    for part in parts { #expect("\(error)".contains(part), sourceLocation: sourceLocation) }
  }
}

/// Bytes of an IDX file.
func idx(_ element: UInt8, _ dimensions: [UInt32], _ data: [UInt8]) -> [UInt8] {
  [0, 0, element, UInt8(dimensions.count)] + dimensions.flatMap { bigEndian($0) } + data
}

func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

/// Examples held in memory, features given row by row.
func examples(_ rows: [[Float]], values: [Float]? = nil) -> Examples {
  Examples(
    Dataset(
      count: rows.count, features: .floats(rows.flatMap { $0 }), shape: [rows[0].count],
      targets: .values(values ?? [Float](repeating: 0, count: rows.count)), targetCount: 1))
}

/// What a batch has, copied out of the buffer's memory, which a view does not keep.
struct GatheredRows {
  let rows: Int
  let columns: Int
  let features: [Float]
  var classes: [Int]?
  var values: [Float]?
  var valueColumns: Int?

  init(_ buffer: BatchBuffer, _ indices: some RandomAccessCollection<Int>) {
    let indices = Array(indices)
    let batch = buffer.gather(indices.indices) { indices[$0] }
    (rows, columns, features) = (batch.features.rows, batch.features.columns, batch.features.values.array)
    switch batch.targets {
    case .classes(let labels): classes = (0..<labels.count).map { labels[$0] }
    case .values(let matrix): (values, valueColumns) = (matrix.values.array, matrix.columns)
    }
    withExtendedLifetime(buffer) {}
  }
}

extension DataSelection {
  /// A selection by the options that sources have.
  init(data: String, label: String? = nil, test: String? = nil, testFraction: Double? = nil) {
    self.init(data)
    options["label"] = label.map { .text($0) }
    options["test"] = test.map { .text($0) }
    options["test-fraction"] = testFraction.map { .real($0) }
  }

  var testFraction: Double? { options["test-fraction"]?.number }
  var label: String? { options["label"]?.description }
}

extension LoadedData {
  /// Without options, from `data`.
  init(data: String, classify: Bool?, seed: UInt64) throws {
    try self.init(DataSelection(data), classify: classify, seed: seed)
  }
}

extension LoadedData {
  /// Loads as jobs of earlier versions do.
  init(
    _ selection: DataSelection, classify: Bool?, seed: UInt64, microBatches: Int = 8, evaluatesAll: Bool = false
  ) throws {
    var selection = selection
    selection.recipeVersion = 0
    try self.init(
      selection, for: Purpose(classify: classify, evaluatesAll: evaluatesAll), seed: seed, microBatches: microBatches)
  }
}
