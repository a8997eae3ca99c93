import Foundation
import Testing
import ZeroMQ

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

@Suite final class SecurityTests {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-keys-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  private func write(_ text: String, _ name: String) throws -> String {
    try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    return path(name)
  }

  @Test func aPairIsReadAsItWasMade() throws {
    let line = try KeyFile.makePair(path("a.key"), comment: "me@here")
    let pair = try KeyFile.readPair(path("a.key"))
    #expect(line == "\(pair.publicKey) me@here")
    #expect(try KeyFile.readPublicKey(path("a.key.pub")) == pair.publicKey)
    #expect(try KeyFile.readPublicKey("\(pair.publicKey)") == pair.publicKey)
    var status = stat()
    #expect(stat(path("a.key"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(throws: FileError.self) { try KeyFile.makePair(path("a.key"), comment: "again") }
    try FileManager.default.removeItem(atPath: path("a.key"))
    #expect(throws: FileError.self) { try KeyFile.makePair(path("a.key"), comment: "beside a.key.pub") }
    #expect(!FileManager.default.fileExists(atPath: path("a.key")), "half a pair is left")
  }

  @Test(arguments: [0o640, 0o604, 0o660, 0o644])
  func aSecretKeyThatOthersMayReadIsRefused(_ mode: Int) throws {
    _ = try KeyFile.makePair(path("a.key"), comment: "")
    chmod(path("a.key"), mode_t(mode))
    let error = #expect(throws: FileError.self) { try KeyFile.readPair(path("a.key")) }
    #expect(error?.description.contains("chmod 600") == true)
  }

  @Test func whatIsNoKeyIsRefused() throws {
    _ = try KeyFile.makePair(path("a.key"), comment: "")
    let both = try write(String(repeating: "\(CurveKeyPair.random()) x\n", count: 2), "two")
    for text in [path("missing"), both, path("a.key") + "x"] {
      #expect(throws: FileError.self) { try KeyFile.readPublicKey(text) }
    }
    let empty = try write("# nothing\n", "empty")
    chmod(empty, 0o600)
    #expect(throws: FileError.self) { try KeyFile.readPair(empty) }
    #expect(throws: FileError.self) { try KeyFile.readPair("/dev/zero") }
  }

  @Test func authorizedKeysAreReadAgainWhenTheyChange() throws {
    let (first, second) = (try CurveKeyPair.random().publicKey, try CurveKeyPair.random().publicKey)
    let file = try write("# ours\n\n  \(first)  the first\n", "keys")
    let keys = try AuthorizedKeys(file)
    var problems: [String] = []
    func isAdmitted(_ key: CurveKey) -> Bool { keys.contains(key) { problems.append($0) } }
    #expect(isAdmitted(first) && !isAdmitted(second))
    _ = try write("\(second)\n\(first) the first\r\n", "keys")
    #expect(isAdmitted(first) && isAdmitted(second))
    _ = try write("\(second)\n", "keys")
    #expect(!isAdmitted(first) && isAdmitted(second) && problems.isEmpty)
    _ = try write("\(second)\nnonsense\n", "keys")
    #expect(!isAdmitted(second), "a file that is wrong admits nobody")
    #expect(!isAdmitted(second))
    #expect(problems.count == 1 && problems[0].contains("keys:2: 'nonsense'"), "\(problems)")
    try FileManager.default.removeItem(atPath: file)
    #expect(!isAdmitted(second) && problems.count == 2)
    _ = try write("\(second)\n", "keys")
    #expect(isAdmitted(second))
    #expect(throws: FileError.self) { try AuthorizedKeys(path("missing")) }
    #expect(throws: FileError.self) { try AuthorizedKeys(write("x\n", "wrong")) }
  }

  @Test func aSourceIsToldOnceAMinute() {
    func at(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_000_000_000).advanced(by: seconds) }
    var log = RefusalLog()
    #expect(log.add("a", at: at(0)) == .refusal(suppressed: 0))
    #expect(log.add("a", at: at(59)) == .nothing)
    #expect(log.add("b", at: at(59)) == .refusal(suppressed: 1))
    #expect(log.add("a", at: at(60)) == .refusal(suppressed: 0))
  }

  @Test func aFloodOfSourcesIsToldOnce() {
    let start = Instant(nanoseconds: 1_000_000_000)
    var log = RefusalLog()
    let tellings = (0..<10_000).map { log.add("\($0)", at: start) }
    #expect(tellings.count { $0 != .nothing } == 101)
    #expect(tellings.count { $0 == .flood } == 1)
    #expect(log.add("later", at: start.advanced(by: 61)) == .refusal(suppressed: 9_900))
  }

  @Test func loopbackAndSocketFilesAreLocal() {
    for address in ["ipc:///tmp/x", "tcp://127.0.0.1:1", "tcp://127.9.9.9:*", "tcp://localhost:0", "tcp://[::1]:5"] {
      #expect(isLocal(address), "\(address)")
    }
    for address in [
      "tcp://0.0.0.0:1", "tcp://*:1", "tcp://eth0:1", "tcp://10.0.0.1:1", "tcp://127.evil.com:1", "tcp://[::]:1",
      "tcp://localhost.evil.com:1", "tcp://", "tcp://x",
    ] {
      #expect(!isLocal(address), "\(address)")
    }
  }
}
