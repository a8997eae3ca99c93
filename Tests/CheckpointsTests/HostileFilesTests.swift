import Checkpoints
import Foundation
import Models
import TestSupport
import Testing

/// Spoiled safetensors files: each is read or refused.
@Suite struct HostileFilesTests {
  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/model.safetensors" }

  init() throws { folder = try TemporaryFolder() }

  private func write(header: String, data: Int = 0) throws {
    let bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    try Data(bytes + Array(header.utf8) + [UInt8](repeating: 0, count: data)).write(to: URL(fileURLWithPath: path))
  }

  @Test func spoiledFiles() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("HostileFilesTests: seed \(seed)")
    var mutator = Mutator(seed: seed)
    var layout = ParameterLayout()
    layout.append("0.weight", shape: [3, 2], savedTransposed: true)
    layout.append("0.bias", shape: [2])
    try save([1, 2, 3, 4, 5, 6, 7, 8], layout, metadata: ["format": "pt"], to: path)
    let whole = try bytes(at: path)
    var read = 0
    for _ in 0..<20_000 {
      try Data(mutator.mutated(whole, with: whole)).write(to: URL(fileURLWithPath: path))
      do {
        let values = try load(path, layout)
        #expect(values.count == layout.count)
        read += 1
      } catch is FileError {}
    }
    #expect(read > 100, "seed \(seed)")
  }

  @Test(
    "headers that lie",
    arguments: [
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#,
      #"{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}}"#,
      String(repeating: #"{"a":"#, count: 100_000), String(repeating: "[", count: 1_000_000),
    ])
  func headersThatLie(_ header: String) throws {
    try write(header: header, data: 8)
    #expect(throws: FileError.self) { try Safetensors.File(path: path) }
  }

  @Test func twoTensorsOfOneNameAreRefusedOrOne() throws {
    let entry = #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#
    try write(header: "{\(entry),\(entry)}", data: 8)
    let file = try? Safetensors.File(path: path)
    #expect(file == nil || file?.values(of: "a") == [0, 0])
  }
}
