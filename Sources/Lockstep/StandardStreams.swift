internal import Foundation
internal import Reports
internal import Synchronization

/// Writes a line to standard output at once, unbuffered, so that it is in order with what other processes write.
func printLine(_ line: String) {
  StatusLine.clear { writeAll(line + "\n", STDOUT_FILENO) }
}

/// Writes a line to standard error: one line, whatever names and data it quotes.
func printError(_ line: String) {
  StatusLine.clear { writeAll(oneLine(line) + "\n", STDERR_FILENO) }
}

/// The last line of the terminal that standard output is, drawn over and over. It gives way to every other line,
/// whichever thread writes that.
enum StatusLine {
  private static let isShown = Mutex(false)

  static func draw(_ text: String) {
    isShown.withLock {
      writeAll("\r\u{1B}[K" + text, STDOUT_FILENO)
      $0 = true
    }
  }

  /// Takes it off the terminal, and writes what comes in its place.
  static func clear(_ write: () -> Void = {}) {
    isShown.withLock {
      if $0 { writeAll("\r\u{1B}[K", STDOUT_FILENO) }
      $0 = false
      write()
    }
  }
}

/// Makes sure that the three standard descriptors are open, so that no socket or file takes their numbers and gets what
/// is written to them.
func openStandardStreams() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    _ = open("/dev/null", O_RDWR)
  }
}

/// Writes `text` as it is. A reader that has gone away (`… | head`) is no reason to stop a run.
func writeAll(_ text: String, _ descriptor: Int32) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno != EINTR { return }
    bytes = bytes.dropFirst(max(count, 0))
  }
}

/// The columns of the terminal that standard output is; 80 where it is none.
func terminalWidth() -> Int {
  var size = winsize()
  guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
  return Int(size.ws_col)
}
