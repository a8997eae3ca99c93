import Foundation
import Testing

@testable import Files

@Suite struct FilePathTests {
  @Test(
    "a path's folder and name are the system's",
    arguments: [
      ("r", "", "r"), ("/", "/", ""), ("/r", "/", "r"), ("a/b", "a", "b"), ("a/b/", "a", "b"), ("/a/b//", "/a", "b"),
      ("//a", "/", "a"), ("a//b", "a", "b"), ("", "", ""), (".", "", "."), ("../x", "..", "x"),
    ])
  func parts(_ path: String, _ folder: String, _ name: String) {
    #expect(FilePath(path).folder == folder && FilePath(path).name == name)
  }

  @Test func whatStandsBesideIsInTheSameFolder() {
    #expect(FilePath("r").beside("s") == "s")
    #expect(FilePath("/r").beside("s") == "/s")
    #expect(FilePath("a/r").beside("s") == "a/s")
  }

  @Test func foldersAreMadeWithThoseAboveThem() throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("folders-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: root) }
    try makeFolders("\(root)/a/b//c/")
    try makeFolders("\(root)/a/b")
    var isFolder: ObjCBool = false
    #expect(FileManager.default.fileExists(atPath: "\(root)/a/b/c", isDirectory: &isFolder) && isFolder.boolValue)
    try AtomicFile.write("x", to: "\(root)/a/file")
    #expect(throws: FileError("\(root)/a/file is a file, where a folder is needed")) {
      try makeFolders("\(root)/a/file")
    }
    #expect(throws: FileError.self) { try makeFolders("\(root)/a/file/d") }
    #expect(throws: FileError.self) { try makeFolders("") }
  }

  @Test("lines that cannot be written are kept, and told at each attempt", .enabled(if: access("/dev/full", W_OK) == 0))
  func aFailedFlushKeepsItsLines() throws {
    let file = try LineFile(path: "/dev/full", appending: true)
    try file.append("one")
    #expect(throws: FileError.self) { try file.flush() }
    try file.append("two")
    #expect(throws: FileError.self) { try file.flush() }
    #expect(file.unwritten == Array("one\ntwo\n".utf8))
  }
}
