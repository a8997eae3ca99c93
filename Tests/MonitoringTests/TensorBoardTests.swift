import Foundation
import Kernels
import Synchronization
import Testing

@testable import Monitoring

/// TensorBoard's files, byte by byte. That TensorBoard reads them is shown end to end.
@Suite struct TensorBoardTests {
  private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  @Test("CRC-32C of RFC 3720's examples")
  func checksums() {
    #expect(CRC32C.checksum("123456789".utf8) == 0xE306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.checksum(0..<32) == 0x46DD_794E)
    #expect(CRC32C.masked([]) == 0xA282_EAD8)
  }

  @Test("records are those that TensorFlow writes")
  func records() {
    #expect(
      hex(EventFile.record(EventFile.version(time: 0)))
        == "1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3")
    #expect(
      hex(EventFile.record(EventFile.summary(time: 1, step: 3, [EventFile.scalar("train/loss", 0.5)])))
        == "200000000000000029eda95009000000000000f03f10032a130a110a0a747261696e2f6c6f7373150000003f87a9e1ea")
  }

  @Test("numbers take as many bytes as they need")
  func varints() {
    #expect(hex(ProtobufMessage { $0.add(1, 150) }.bytes) == "089601")
    #expect(hex(ProtobufMessage { $0.add(2, "testing") }.bytes) == "120774657374696e67")
    #expect(hex(ProtobufMessage { $0.add(1, -1) }.bytes) == "08ffffffffffffffffff01")
    #expect(hex(ProtobufMessage { $0.add(4, [1.0]) }.bytes) == "2208000000000000f03f")
  }

  @Test("a file that cannot be written is told once, and the run goes on")
  func unwritable() {
    let warnings = Mutex<[String]>([])
    let job = TensorBoardWriter.Job(options: [:], yaml: "", figures: [], parts: ["test"])
    let writer = TensorBoardWriter(folder: "/nowhere/\(UUID())", job) { text in warnings.withLock { $0.append(text) } }
    for step in 1...5 { writer.add(step: step, [("a", Histogram())]) }
    writer.finish(hasSucceeded: true)
    let texts = warnings.withLock { $0 }
    #expect(texts.count == 1 && texts[0].hasPrefix("there will be no more curves for TensorBoard: cannot write"))
  }

  @Test("a histogram counts each finite value in the range that holds it")
  func histogram() throws {
    let values: [Float] = [0, 1, 1.2, 1.25, -1, -1.3, 3, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, -0.0]
    let buffer = FloatBuffer(values)
    var histogram = Histogram()
    histogram.add(buffer.values, times: 2)
    let (limits, counts) = histogram.ranges
    #expect(limits == limits.sorted() && Set(limits).count == limits.count)
    #expect(counts.reduce(0, +) == 9)
    // Each value lies between its range's ends; that of a negative one has its upper end.
    for value in values where value.isFinite {
      let wide = Double(value * 2)
      let range = try #require(limits.firstIndex { wide < $0 || wide < 0 && wide == $0 })
      #expect(counts[range] > 0, "\(wide)")
    }
    let two = try #require(limits.firstIndex { $0 > 2.0 })
    #expect(limits[two] == 2.5 && counts[two] == 2)
    _ = buffer
  }
}
