import Foundation
import Testing

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// Where coordinator and worker meet without an address, and who has a path.
@Suite struct DefaultAddressTests {
  private let root: String

  init() throws {
    root = "/tmp/lockstep-test-\(UUID().uuidString.prefix(8))"
    try makeFolders(root)
  }

  private func remove() { try? FileManager.default.removeItem(atPath: root) }

  @Test func theRuntimeFolderComesFirstThenTheHomeThenTheTemporaryFolder() {
    let last = "/tmp/lockstep-\(geteuid())"
    #expect(
      DefaultAddress.candidates(["XDG_RUNTIME_DIR": "/run/user/1", "HOME": "/home/a"])
        == ["/run/user/1/lockstep", "/home/a/.lockstep", last])
    #expect(DefaultAddress.candidates(["HOME": "/home/a", "XDG_RUNTIME_DIR": ""]) == ["/home/a/.lockstep", last])
    #expect(DefaultAddress.candidates(["HOME": "/home/a/"]) == ["/home/a/.lockstep", last])
    #expect(DefaultAddress.candidates(["HOME": "relative"]) == [last])
    #expect(DefaultAddress.candidates([:]) == [last])
  }

  @Test func aFolderIsMadeForThisUserAlone() {
    defer { remove() }
    #expect(DefaultAddress.prepare("\(root)/a") == nil)
    var status = stat()
    #expect(stat("\(root)/a", &status) == 0 && status.st_mode & 0o777 == 0o700)
    // One that is open to others is closed.
    chmod("\(root)/a", 0o755)
    #expect(DefaultAddress.prepare("\(root)/a") == nil)
    #expect(stat("\(root)/a", &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  @Test func whatCannotBeUsedIsToldWhy() throws {
    defer { remove() }
    #expect(DefaultAddress.prepare("\(root)/missing/a") == "\(root)/missing is not there")
    try AtomicFile.write("x", to: "\(root)/file")
    #expect(DefaultAddress.prepare("\(root)/file") == "it is no folder")
    symlink("/tmp", "\(root)/link")
    #expect(DefaultAddress.prepare("\(root)/link") == "it is no folder")
    #expect(DefaultAddress.prepare("/proc/lockstep") != nil)
    let long = "\(root)/\(String(repeating: "x", count: 90))"
    #expect(DefaultAddress.prepare(long)?.contains("can have 107") == true)
    if geteuid() == 0 {
      mkdir("\(root)/theirs", 0o700)
      chown("\(root)/theirs", 12345, 12345)
      #expect(DefaultAddress.prepare("\(root)/theirs") == "it is another user's")
    }
  }

  @Test func aPathHasOneCoordinatorAndItsFileIsTheUsersAlone() throws {
    defer { remove() }
    let path = "\(root)/socket"
    do {
      let first = try SocketFile(path)
      defer { close(first.descriptor) }
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_mode & S_IFMT == S_IFSOCK)
      #expect {
        try SocketFile(path)
      } throws: { error in
        "\(error)" == "ipc://\(path) is in use by another coordinator: choose another address with --bind"
      }
      #expect(FileManager.default.fileExists(atPath: path))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: root).isEmpty, "nothing is left of it")
    let second = try SocketFile(path)
    close(second.descriptor)
  }

  @Test func aLeftoverIsReplacedAndOtherThingsAreNot() throws {
    defer { remove() }
    // What a coordinator that was killed leaves: its lock went with it.
    let path = "\(root)/socket"
    #expect(system("python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('\(path)')\"") == 0)
    #expect(FileManager.default.createFile(atPath: "\(path).lock", contents: nil))
    close(try SocketFile(path).descriptor)
    try AtomicFile.write("mine", to: path)
    #expect {
      try SocketFile(path)
    } throws: {
      "\($0)".contains("no socket")
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
    #expect {
      try SocketFile("\(root)/\(String(repeating: "x", count: 100))")
    } throws: {
      "\($0)".contains("can have 107: choose a shorter one")
    }
  }
}
