internal import Foundation
internal import Reports
internal import Synchronization

/// Writes to standard output without a buffer, so that lines of several processes stay in order.
func printLine(_ line: String) {
  StatusLine.clear { writeAll(line + "\n", STDOUT_FILENO) }
}

/// Writes one line to standard error, also if `line` quotes text with line breaks.
func printError(_ line: String) {
  StatusLine.clear { writeAll(oneLine(line) + "\n", STDERR_FILENO) }
}

/// A line at the bottom of the terminal that is drawn again and again. Every other output replaces it.
enum StatusLine {
  private static let isShown = Mutex(false)

  static func draw(_ text: String) {
    isShown.withLock {
      writeAll("\r\u{1B}[K" + text, STDOUT_FILENO)
      $0 = true
    }
  }

  /// Removes the line, then calls `write`.
  static func clear(_ write: () -> Void = {}) {
    isShown.withLock {
      if $0 { writeAll("\r\u{1B}[K", STDOUT_FILENO) }
      $0 = false
      write()
    }
  }
}

/// Opens /dev/null for each standard descriptor that is closed. Otherwise a socket or a file would get its number, and
/// all that is printed.
func openStandardStreams() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    _ = open("/dev/null", O_RDWR)
  }
}

/// Ignores errors: a run goes on when the reader of its output is gone (`… | head`).
func writeAll(_ text: String, _ descriptor: Int32) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno != EINTR { return }
    bytes = bytes.dropFirst(max(count, 0))
  }
}

/// The terminal's columns; 80 if standard output is no terminal.
func terminalWidth() -> Int {
  var size = winsize()
  guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
  return Int(size.ws_col)
}

/// The columns of a plot on standard output, and whether it has colours.
func plotStyle() -> (width: Int, hasColor: Bool) {
  guard isatty(STDOUT_FILENO) == 1 else { return (80, false) }
  return (min(terminalWidth(), 120), (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty)
}
