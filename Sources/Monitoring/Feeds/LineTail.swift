internal import Files
internal import Foundation

/// Reads the lines that are appended to a file.
struct LineTail {
  private let path: String
  private var descriptor: Int32 = -1
  private var file: (device: dev_t, number: ino_t)?
  private var offset: off_t = 0
  private var rest: [UInt8] = []
  /// Whether the rest of a line that was too long is still to come.
  private var isSkipping = false
  /// Lines so far.
  private(set) var count = 0

  /// A longer line is dropped.
  static let longestLine = 1 << 20

  init(_ path: String) { self.path = path }

  enum Change {
    case none
    case lines([ArraySlice<UInt8>])
    /// The file is another one, or shorter than what was read of it: its lines come from the first one on.
    case replaced
  }

  /// Reads what was appended, at most `limit` bytes; there may be no whole line in it. A last line without its end comes
  /// when it has one.
  ///
  /// - Throws: ``FileError`` if the file is there and cannot be read.
  mutating func poll(limit: Int = 4 << 20) throws -> Change {
    var status = stat()
    guard stat(path, &status) == 0 else {
      guard errno == ENOENT else { throw FileError.system("\(path) cannot be read") }
      return reset() ? .replaced : .none
    }
    if let file, file != (status.st_dev, status.st_ino) || status.st_size < offset {
      _ = reset()
      return .replaced
    }
    if descriptor < 0 {
      descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw FileError.system("\(path) cannot be read") }
      guard fstat(descriptor, &status) == 0 else { throw FileError.system("\(path) cannot be read") }
      file = (status.st_dev, status.st_ino)
    }
    guard status.st_size > offset else { return .none }
    var block = [UInt8](repeating: 0, count: min(Int(status.st_size - offset), limit))
    let read = block.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, offset) }
    guard read >= 0 else { throw FileError.system("\(path) cannot be read") }
    guard read > 0 else { return .none }
    offset += off_t(read)
    rest += block[..<read]
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    while let end = rest[start...].firstIndex(of: 0x0A) {
      if end > start, end - start <= LineTail.longestLine, !isSkipping { lines.append(rest[start..<end]) }
      isSkipping = false
      start = end + 1
    }
    rest.removeFirst(start)
    if isSkipping || rest.count > LineTail.longestLine { (rest, isSkipping) = ([], true) }
    count += lines.count
    return .lines(lines)
  }

  /// - Returns: whether there was a file before.
  private mutating func reset() -> Bool {
    let had = file != nil
    close()
    (descriptor, file, offset, rest, count, isSkipping) = (-1, nil, 0, [], 0, false)
    return had
  }

  /// Must be called at the end, because this is a value.
  mutating func close() {
    if descriptor >= 0 { Foundation.close(descriptor) }
    descriptor = -1
  }
}
