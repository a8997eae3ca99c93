internal import Foundation
internal import Reports
internal import Synchronization

/// Writes to standard output without a buffer, so that lines of several processes stay in order.
func printLine(_ line: String) {
  StatusLine.write(line + "\n", STDOUT_FILENO)
}

/// Writes one line to standard error, also if `line` quotes text with line breaks.
func printError(_ line: String) {
  StatusLine.write(oneLine(line) + "\n", STDERR_FILENO)
}

/// A line at the bottom of the terminal that is drawn again and again, which every other output replaces; or a whole screen
/// that is, which other output waits for.
enum StatusLine {
  private enum State {
    case none, line
    /// What is printed is shown when the screen is left.
    case screen(waiting: [(text: String, descriptor: Int32)])
  }
  private static let state = Mutex(State.none)
  /// Of more lines, the oldest are dropped, as a terminal does.
  private static let mostWaiting = 5000

  static func draw(_ text: String) {
    state.withLock { state in
      if case .screen = state { return }
      writeAll("\r\u{1B}[K" + text, STDOUT_FILENO)
      state = .line
    }
  }

  /// Removes the line.
  static func clear() {
    state.withLock { if case .line = $0 { remove(&$0) } }
  }

  /// Writes `text` in place of the line, or when the screen is left.
  static func write(_ text: String, _ descriptor: Int32) {
    state.withLock { state in
      if case .screen(let waiting) = state, isatty(descriptor) == 1 {
        state = .screen(waiting: waiting.suffix(mostWaiting - 1) + [(text, descriptor)])
        return
      }
      if case .line = state { remove(&state) }
      writeAll(text, descriptor)
    }
  }

  private static func remove(_ state: inout State) {
    writeAll("\r\u{1B}[K", STDOUT_FILENO)
    state = .none
  }

  /// Draws `lines` on a screen of its own (xterm's alternate one), all at once where the terminal can (mode 2026). A thread
  /// of its own writes them, because a terminal may stand still for long; then lines that come meanwhile are not drawn.
  static func drawScreen(_ lines: [String]) {
    let isFirst = state.withLock { state in
      if case .screen = state { return false }
      state = .screen(waiting: [])
      return true
    }
    guard !isDrawing.exchange(true, ordering: .acquiringAndReleasing) else { return }
    let start = isFirst ? "\u{1B}[?1049h\u{1B}[?25l" : ""
    let body = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\n")
    drawing.async {
      writeAll("\u{1B}[?2026h\(start)\u{1B}[H\(body)\u{1B}[J\u{1B}[?2026l", STDOUT_FILENO)
      isDrawing.store(false, ordering: .releasing)
    }
  }

  private static let isDrawing = Atomic(false)
  private static let drawing = DispatchQueue(label: "screen")

  /// Leaves the screen, and prints what has waited. Without a screen, does nothing.
  static func leaveScreen() {
    let waiting = state.withLock { state -> [(text: String, descriptor: Int32)]? in
      guard case .screen(let waiting) = state else { return nil }
      state = .none
      return waiting
    }
    guard let waiting else { return }
    drawing.sync {
      writeAll("\u{1B}[?25h\u{1B}[?1049l", STDOUT_FILENO)
      for (text, descriptor) in waiting { writeAll(text, descriptor) }
    }
  }

  /// The last lines that wait.
  static func waitingLines(_ count: Int) -> [String] {
    state.withLock { state in
      guard case .screen(let waiting) = state else { return [] }
      return waiting.suffix(count).flatMap { $0.text.split(separator: "\n").map(String.init) }
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
func terminalWidth() -> Int { terminalSize().width }

/// The terminal's columns and rows; 80 and 24 if standard output is no terminal.
func terminalSize() -> (width: Int, height: Int) {
  var size = winsize()
  guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
  return (Int(size.ws_col), Int(size.ws_row))
}

/// Whether a user of a terminal wants colours (https://no-color.org).
var wantsColor: Bool { (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty }

/// The columns of a plot on standard output, and whether it has colours.
func plotStyle() -> (width: Int, hasColor: Bool) {
  guard isatty(STDOUT_FILENO) == 1 else { return (80, false) }
  return (min(terminalWidth(), 120), wantsColor)
}
