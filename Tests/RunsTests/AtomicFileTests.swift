import Files
import Foundation
import Testing

@Suite struct AtomicFileTests {
  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/file" }

  init() throws { folder = try TemporaryFolder() }

  private func write(_ text: String, to file: borrowing AtomicFile) throws {
    try Array(text.utf8).withUnsafeBytes { try file.write($0) }
  }

  @Test("a committed file holds what was written, and nothing lies beside it")
  func committed() throws {
    let file = try AtomicFile(path: path)
    try write("one ", to: file)
    try write("", to: file)
    try write("two", to: file)
    try file.commit()
    #expect(try text(at: path) == "one two")
    #expect(try folder.names() == ["file"])
  }

  @Test("before the commit there is no file under the name")
  func beforeCommit() throws {
    let file = try AtomicFile(path: path)
    try write("one", to: file)
    #expect(!FileManager.default.fileExists(atPath: path))
    try file.commit()
    #expect(FileManager.default.fileExists(atPath: path))
  }

  private func abandon() throws {
    let file = try AtomicFile(path: path)
    try write("half", to: file)
  }

  @Test("a file that was not committed leaves nothing")
  func abandoned() throws {
    try abandon()
    #expect(try folder.names() == [])
  }

  @Test("a file that was not committed leaves the old one as it was")
  func abandonedOverOld() throws {
    try AtomicFile.write("old", to: path)
    try abandon()
    #expect(try text(at: path) == "old")
    #expect(try folder.names() == ["file"])
  }

  @Test("a file is replaced as a whole, a longer one too")
  func replaced() throws {
    try AtomicFile.write(String(repeating: "long ", count: 100_000), to: path)
    #expect(try bytes(at: path).count == 500_000)
    try AtomicFile.write(Data([0, 255, 10]), to: path)
    #expect(try bytes(at: path) == [0, 255, 10])
  }

  @Test("a reader of the old file keeps reading the old content")
  func oldReader() throws {
    try AtomicFile.write("old", to: path)
    let reader = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    defer { try? reader.close() }
    try AtomicFile.write("new", to: path)
    #expect(try reader.readToEnd() == Data("old".utf8))
    #expect(try text(at: path) == "new")
  }

  @Test("an unwritable folder is an error that names the path")
  func unwritable() throws {
    expectError("\(folder.path)/none/file", "No such file") {
      try AtomicFile.write("x", to: "\(folder.path)/none/file")
    }
    // Not by permissions, which root ignores: a file in the folder's place.
    try AtomicFile.write("x", to: path)
    expectError("\(path)/below", "Not a directory") { try AtomicFile.write("x", to: "\(path)/below") }
    #expect(try text(at: path) == "x")
  }

  @Test("a folder under the name is an error that names the path, and stays")
  func folderInPlace() throws {
    try FileManager.default.createDirectory(atPath: "\(path)/inside", withIntermediateDirectories: true)
    expectError(path) { try AtomicFile.write("x", to: path) }
    #expect(try folder.names() == ["file"])
    #expect(FileManager.default.fileExists(atPath: "\(path)/inside"))
  }
}

@Suite struct LineFileTests {
  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/lines" }

  init() throws { folder = try TemporaryFolder() }

  @Test("flushed lines are in the file, each with its end, in order")
  func flushed() throws {
    let file = try LineFile(path: path)
    try file.append("one")
    try file.append("")
    try file.flush()
    #expect(try text(at: path) == "one\n\n")
    try file.append("zwölf")
    try file.flush()
    try file.flush()
    #expect(try text(at: path) == "one\n\nzwölf\n")
  }

  @Test("what has come together is written without a flush, nothing twice")
  func writesItself() throws {
    let file = try LineFile(path: path)
    let lines = (0..<20_000).map { "line \($0)" }
    for line in lines { try file.append(line) }
    let early = try text(at: path)
    #expect(early.utf8.count > 100_000)
    let whole = lines.joined(separator: "\n") + "\n"
    #expect(whole.hasPrefix(early))
    try file.flush()
    #expect(try text(at: path) == whole)
  }

  @Test("a file that exists is emptied")
  func emptied() throws {
    try AtomicFile.write("old lines\n", to: path)
    let file = try LineFile(path: path)
    #expect(try text(at: path) == "")
    try file.append("new")
    try file.flush()
    #expect(try text(at: path) == "new\n")
  }

  @Test("an unwritable folder is an error that names the path")
  func unwritable() {
    expectError("\(folder.path)/none/lines") { _ = try LineFile(path: "\(folder.path)/none/lines") }
  }

  #if os(Linux)
    @Test("a full disk is an error that names the path")
    func full() throws {
      let file = try LineFile(path: "/dev/full")
      try file.append("one")
      expectError("/dev/full", "No space left") { try file.flush() }
    }
  #endif
}
