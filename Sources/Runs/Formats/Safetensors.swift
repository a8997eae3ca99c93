internal import Files
internal import Foundation
package import Kernels
package import Schema

/// Files in the safetensors format (Hugging Face): float32 tensors, and int64 counters, which PyTorch's batch norm has.
///
/// | offset | size | field                                                                              |
/// | -----: | ---: | ---------------------------------------------------------------------------------- |
/// |      0 |    8 | n, the header's length, little-endian                                              |
/// |      8 |    n | JSON: name → {dtype, shape, data_offsets}; `__metadata__` → strings; blanks at the end |
/// |    8+n |      | the tensors, row-major, little-endian, at their offsets, without gaps              |
package enum Safetensors {
  private static let longestHeader = 100_000_000

  /// Writes `parameters` under the names of `layout`, whole or not at all. Uses 1 MiB of memory.
  ///
  /// - Parameter counters: scalars, which come first in the file, where their offsets are multiples of 8.
  package static func write(
    _ parameters: Floats, layout: ParameterLayout, counters: [(name: String, value: Int64)] = [],
    metadata: [String: String], to path: String
  ) throws {
    precondition(parameters.count == layout.count, "\(parameters.count) values for \(layout.count) parameters")
    let file = try AtomicFile(path: path)
    var header = try headerJSON(layout, counters.map(\.name), metadata)
    // Tensors start at a multiple of 8, as in the reference implementation.
    header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
    try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.write($0) }
    try header.withUnsafeBytes { try file.write($0) }
    for (_, value) in counters { try withUnsafeBytes(of: value.littleEndian) { try file.write($0) } }
    let scratch = FloatBuffer(count: 1 << 18)
    for tensor in layout.tensors {
      let values = parameters[tensor.range]
      guard !tensor.savedAxes.isEmpty else {
        try file.write(values.bytes)
        continue
      }
      var filled = 0
      try tensor.forEachSaved { index in
        scratch.all[filled] = values[index]
        filled += 1
        if filled == scratch.count {
          try file.write(scratch.values.bytes)
          filled = 0
        }
      }
      try file.write(scratch.values[0..<filled].bytes)
    }
    try file.commit()
  }

  private static func headerJSON(
    _ layout: ParameterLayout, _ counters: [String], _ metadata: [String: String]
  ) throws -> Data {
    var fields: [String: any Encodable] = [:]
    for (index, name) in counters.enumerated() {
      fields[name] = Entry(dtype: counterType, shape: [], data_offsets: [8 * index, 8 * index + 8])
    }
    let start = 8 * counters.count
    for tensor in layout.tensors {
      let bytes = start + tensor.range.lowerBound * 4..<start + tensor.range.upperBound * 4
      fields[tensor.name] = Entry(
        dtype: "F32", shape: tensor.savedShape, data_offsets: [bytes.lowerBound, bytes.upperBound])
    }
    if !metadata.isEmpty { fields["__metadata__"] = metadata }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(Header(fields: fields))
  }

  private static let counterType = "I64"

  private struct Entry: Codable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  private struct Header: Encodable {
    let fields: [String: any Encodable]

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: AnyKey.self)
      for (name, value) in fields { try container.encode(value, forKey: AnyKey(stringValue: name)) }
    }
  }

  private struct ParsedHeader: Decodable {
    var metadata: [String: String] = [:]
    var entries: [String: Entry] = [:]

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: AnyKey.self)
      for key in container.allKeys {
        if key.stringValue == "__metadata__" {
          metadata = try container.decode([String: String].self, forKey: key)
        } else {
          entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
        }
      }
    }
  }

  /// An open file with a checked header. Tensors are read when they are used.
  package struct File {
    /// The strings under `__metadata__`.
    package let metadata: [String: String]
    private var entries: [String: Entry]
    /// The names of the int64 scalars, which are checked and not read.
    private var counters: Set<String> = []
    private let data: Data
    private let start: Int
    private let path: String

    /// Opens the file at `path` and checks its header.
    ///
    /// - Throws: ``FileError`` if it is no safetensors file of float32 tensors without gaps.
    package init(path: String) throws {
      let data: Data
      do {
        data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
      } catch {
        guard FileManager.default.fileExists(atPath: path) else { throw FileError("\(path): no such file") }
        throw FileError("\(path) cannot be read: \(error.localizedDescription)")
      }
      try self.init(data, path: path)
    }

    init(_ data: Data, path: String) throws {
      (self.data, self.path) = (data, path)
      let notSafetensors = "\(path) is not a safetensors file: "
      guard data.count >= 8 else { throw FileError(notSafetensors + "it has \(data.count) bytes") }
      let length = data.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
      guard length <= longestHeader, Int(length) <= data.count - 8 else {
        throw FileError(notSafetensors + "its header would be \(length) bytes in a file of \(data.count)")
      }
      start = 8 + Int(length)
      let header: ParsedHeader
      do {
        header = try JSONDecoder().decode(ParsedHeader.self, from: data[8..<start])
      } catch {
        throw FileError(notSafetensors + "its header cannot be read")
      }
      metadata = header.metadata
      entries = header.entries
      try checkOffsets()
      counters = Set(entries.filter { $0.value.dtype == counterType }.keys)
      entries = entries.filter { $0.value.dtype != counterType }
    }

    private func checkOffsets() throws {
      var end = 0
      // By both offsets: an empty tensor comes before the one that starts at the same offset.
      let inOrder = entries.sorted { $0.value.data_offsets.lexicographicallyPrecedes($1.value.data_offsets) }
      for (name, entry) in inOrder {
        let isCounter = entry.dtype == counterType && entry.shape.isEmpty
        var bytes = isCounter ? 8 : 4
        for size in entry.shape {
          let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
          guard size >= 0, !overflow else {
            throw FileError("\(path): tensor \(name) has the impossible shape \(entry.shape)")
          }
          bytes = product
        }
        guard entry.dtype == "F32" || isCounter else {
          throw FileError("\(path): tensor \(name) is \(entry.dtype), where F32 is needed")
        }
        let offsets = entry.data_offsets
        guard offsets.count == 2, offsets[0] == end, offsets[1] >= end, offsets[1] - end == bytes else {
          throw FileError("\(path): tensor \(name) of shape \(entry.shape) has the impossible offsets \(offsets)")
        }
        end = offsets[1]
      }
      // start + end could overflow.
      guard end == data.count - start else {
        throw FileError(
          "\(path) has \(data.count - start) bytes of tensors, where its header says \(end): it is truncated or damaged"
        )
      }
    }

    package var shapes: [String: [Int]] { entries.mapValues(\.shape) }

    /// In the file's order.
    package var tensors: [(name: String, shape: [Int])] {
      entries.sorted { ($0.value.data_offsets[0], $0.key) < ($1.value.data_offsets[0], $1.key) }
        .map { ($0.key, $0.value.shape) }
    }

    /// Calls `body` with a tensor's bytes, which are mapped, not copied.
    ///
    /// - Throws: an error of `body`, and ``FileError`` if there is no such tensor.
    package func withBytes<Result>(
      of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
      guard let entry = entries[name] else { throw FileError("\(path) lacks the tensor \(name)") }
      return try data.withUnsafeBytes { bytes in
        try body(
          UnsafeRawBufferPointer(
            rebasing: bytes[(start + entry.data_offsets[0])..<(start + entry.data_offsets[1])]))
      }
    }

    /// A tensor's values, row-major; nil if there is no such tensor.
    package func values(of name: String) -> [Float]? {
      entries[name].map { entry in
        data.withUnsafeBytes { bytes in
          stride(from: start + entry.data_offsets[0], to: start + entry.data_offsets[1], by: 4).map { offset in
            Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
          }
        }
      }
    }

    /// Checks that the file's tensors are exactly those of `layout`, by name and shape.
    ///
    /// - Throws: ``FileError`` if they are not.
    package func check(_ layout: ParameterLayout) throws {
      let extra = Set(entries.keys).union(counters).subtracting(layout.tensors.map(\.name) + layout.counters).sorted()
      guard extra.isEmpty else {
        throw FileError("\(path) has tensors that the model lacks: \(extra.joined(separator: ", "))")
      }
      for tensor in layout.tensors {
        guard let entry = entries[tensor.name] else { throw FileError("\(path) lacks the tensor \(tensor.name)") }
        guard entry.shape == tensor.savedShape else {
          throw FileError("\(path): tensor \(tensor.name) is \(entry.shape), and \(tensor.savedShape) in the model")
        }
      }
    }

    /// Reads all tensors of `layout` into `parameters`.
    ///
    /// - Throws: ``FileError`` if the file has other tensors.
    package func read(into parameters: MutableFloats, layout: ParameterLayout) throws {
      try check(layout)
      for tensor in layout.tensors {
        guard let entry = entries[tensor.name] else { continue }
        data.withUnsafeBytes { bytes in
          let saved = UnsafeRawBufferPointer(
            rebasing: bytes[(start + entry.data_offsets[0])..<(start + entry.data_offsets[1])])
          let target = parameters[tensor.range]
          var offset = 0
          tensor.forEachSaved { index in
            target[index] = Float(
              bitPattern: UInt32(littleEndian: saved.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            offset += 4
          }
        }
      }
    }
  }
}
