import TestSupport
import Testing

/// Spoiled safetensors files: each is read or refused.
@Suite struct HostileFilesTests {
  private func file(header: String, data: Int = 0) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  @Test func spoiledFiles() throws {
    let read = try readSpoiled("safetensors", count: randomCases(1_000_000), readSafetensors)
    #expect(read > randomCases(100))
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
    #expect(try !readSafetensors(file(header: header, data: 8)))
  }

  @Test("two tensors of one name", arguments: [("[0,8]", 8), ("[8,16]", 16), ("[4,12]", 12), ("[0,4]", 8)])
  func twoTensorsOfOneName(_ offsets: String, _ size: Int) throws {
    let first = #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#
    let second = #""a":{"dtype":"F32","shape":[2],"data_offsets":\#(offsets)}"#
    // Where one of them is all of the file, it is read.
    #expect(try readSafetensors(file(header: "{\(first),\(second)}", data: size)) == (size == 8))
  }

  @Test func memoryIsBoundedByTheHeadersLength() throws {
    for header in [
      #"{"a":{"dtype":"F32","shape":[\#(String(repeating: "1,", count: 50_000))1],"data_offsets":[0,4]}}"#,
      #"{"__metadata__":{"a":"\#(String(repeating: "x", count: 100_000))"},"#
        + #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      "{"
        + (0..<2000).map { #""\#($0)":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"# }.joined()
        + #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    ] {
      #expect(try readSafetensors(file(header: header, data: 4)))
    }
  }
}
