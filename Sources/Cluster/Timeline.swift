package import Files
internal import Foundation
internal import Protocol
internal import Synchronization

/// Records what each thread of a run's processes does when, in a file for Perfetto and chrome://tracing (Google, *Trace
/// Event Format*, the JSON array). All processes of a machine use its clock, so their times can be compared.
///
/// Several processes may write one file. Each appends whole lines; the process that began it ends it.
package final class Timeline: Sendable {
  enum Activity: String {
    case wait, receive, send, push, compute, sum, check, update, step
  }

  private struct State: ~Copyable {
    let file: LineFile
    /// The row of each thread, from 1; row 0 shows the steps.
    var rows: [UInt: Int] = [:]
    var failure: (any Error)?
  }

  private let state: Mutex<State>
  private let isBeginner: Bool

  /// Begins a file, or appends to the file of another process.
  ///
  /// - Throws: ``FileError`` if `path` cannot be written.
  package init(_ path: String, process: String, appending: Bool = false) throws(FileError) {
    isBeginner = !appending
    let start = Timeline.metadata("process_name", row: 0, process)
    let file: LineFile
    do {
      if !appending {
        let empty = try LineFile(path: path)
        try empty.append("[" + start)
        try empty.flush()
      }
      file = try LineFile(path: path, appending: true)
      if appending { try file.append("," + start) }
    } catch {
      throw error as? FileError ?? FileError("\(error)")
    }
    state = Mutex(State(file: file))
    if !appending { write(Timeline.metadata("thread_name", row: 0, "steps")) }
  }

  /// Records that the calling thread did `activity` from `start` to `end`.
  func record(
    _ activity: Activity, from start: Instant, to end: Instant = .now, step: Int? = nil, leaves: Range<Int>? = nil,
    chunk: Int? = nil, worker: Int? = nil
  ) {
    var arguments: [String] = []
    if let step { arguments.append("\"step\":\(step + 1)") }
    if let leaves { arguments.append("\"micro-batches\":\"\(leaves.lowerBound)..<\(leaves.upperBound)\"") }
    if let chunk { arguments.append("\"chunk\":\(chunk)") }
    if let worker { arguments.append("\"worker\":\(worker)") }
    // A thread is named after its first activity.
    let row =
      switch activity {
      case .step: 0
      case .compute, .sum, .check, .update: row("compute")
      case .wait, .receive, .send, .push: row("messages")
      }
    let duration = max(end.nanoseconds - start.nanoseconds, 0)
    write(
      "{\"name\":\"\(activity.rawValue)\",\"ph\":\"X\",\"pid\":\(getpid()),\"tid\":\(row),"
        + "\"ts\":\(microseconds(start.nanoseconds)),\"dur\":\(microseconds(duration)),"
        + "\"args\":{\(arguments.joined(separator: ","))}}")
  }

  /// Writes the rest, and the end of the file if this process began it.
  ///
  /// - Throws: the first error in writing the file.
  package func finish() throws {
    try state.withLock { state in
      if let failure = state.failure { throw failure }
      if isBeginner { try state.file.append("]") }
      try state.file.flush()
    }
  }

  private func row(_ name: String) -> Int {
    let thread = threadNumber()
    let (row, isNew) = state.withLock { state in
      if let row = state.rows[thread] { return (row, false) }
      state.rows[thread] = state.rows.count + 1
      return (state.rows.count, true)
    }
    if isNew { write(Timeline.metadata("thread_name", row: row, name)) }
    return row
  }

  private func write(_ event: String) {
    state.withLock { state in
      guard state.failure == nil else { return }
      do {
        try state.file.append("," + event)
      } catch {
        state.failure = error
      }
    }
  }

  private static func metadata(_ kind: String, row: Int, _ name: String) -> String {
    let name = name.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
    return "{\"name\":\"\(kind)\",\"ph\":\"M\",\"pid\":\(getpid()),\"tid\":\(row),\"args\":{\"name\":\"\(name)\"}}"
  }
}

private func threadNumber() -> UInt {
  #if canImport(Darwin)
    UInt(bitPattern: pthread_self())
  #else
    UInt(pthread_self())
  #endif
}

private func microseconds(_ nanoseconds: Int64) -> String {
  let rest = String(nanoseconds % 1000)
  return "\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
}
