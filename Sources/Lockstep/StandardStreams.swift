internal import Foundation

/// Writes a line to standard output at once, unbuffered, so that it is in order with what other processes write.
func say(_ line: String) {
  put(line + "\n", STDOUT_FILENO)
}

/// Writes a line to standard error.
func complain(_ line: String) {
  put(line + "\n", STDERR_FILENO)
}

/// Writes `text` as it is. A reader that has gone away (`… | head`) is no reason to stop a run.
func put(_ text: String, _ descriptor: Int32) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno != EINTR { return }
    bytes = bytes.dropFirst(max(count, 0))
  }
}
