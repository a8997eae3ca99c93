internal import Foundation
package import Optimizers
package import Protocol

/// Watches the memory of a coordinator. No option of ZeroMQ limits a message that never ends, so a peer could fill the
/// machine's memory, and the system might then kill any process.
package struct MemoryWatch: Sendable {
  struct Reading: Sendable {
    /// This process' resident memory.
    var resident: Int
    /// What is still free in the machine or in this process' control group, whichever is less.
    var available: Int
    /// The size of the machine's memory or of the control group's limit.
    var total: Int
  }

  private let read: @Sendable (_ leastResident: Int) -> Reading?

  /// Reads the system's figures.
  package static let system = MemoryWatch { SystemMemory.reading(ifResidentIsAbove: $0) }

  /// - Parameter read: gets the resident memory up to which all is well; may return nil below it.
  init(_ read: @escaping @Sendable (_ leastResident: Int) -> Reading?) { self.read = read }

  /// This process' resident memory, in bytes; nil if unknown.
  static var residentBytes: Int? { SystemMemory.resident() }

  /// What is still free in the machine or in this process' control group, in bytes; nil if unknown.
  package static var availableBytes: Int? { SystemMemory.reading(ifResidentIsAbove: -1)?.available }

  /// The most bytes that a coordinator's vectors take.
  ///
  /// - Parameters:
  ///   - count: the values of a vector.
  ///   - workers: those whose gradients it holds.
  package static func vectorBytes(
    _ count: Int, _ optimizer: Optimizer, _ precision: Precision, workers: Int, hasCheckpoints: Bool = true
  ) -> Int {
    let versions = (precision == .bf16 ? 2 : 0) + (optimizer.evaluated != nil ? 3 : 0)
    // Two sets of slots, and two more while checkpoints hold those. What changes whole tensors needs products as large as
    // its slots, some of them in double.
    let state = ((hasCheckpoints ? 4 : 2) + (optimizer.transformsTensors ? 3 : 0)) * optimizer.stateCount
    let directions = optimizer.transformsTensors ? 5 * count : 0
    return MemoryLayout<Float>.size * ((8 + versions + 4 * workers) * count + state + directions)
  }

  /// The reason to end the run before memory runs out; nil if all is well: less than nine tenths are used, or this
  /// process has no more than `usual` bytes.
  func problem(usual: Int) -> String? {
    guard let reading = read(usual), reading.resident > usual, reading.available < reading.total / 10 else {
      return nil
    }
    func megabytes(_ bytes: Int) -> String { "\(bytes >> 20) MB" }
    return
      "this process has \(megabytes(reading.resident)) of memory, where a run of this size needs "
      + "\(megabytes(usual)) at most, and only \(megabytes(reading.available)) of \(megabytes(reading.total)) are left: "
      + "a peer that is let in probably sends messages without an end; go on with --resume, and let fewer in "
      + "(--authorized-keys)"
  }
}

/// Reads memory figures of Linux.
private enum SystemMemory {
  static func reading(ifResidentIsAbove least: Int) -> MemoryWatch.Reading? {
    guard let resident = resident(), resident > least, let machine = text("/proc/meminfo") else { return nil }
    func field(_ name: String) -> Int? {
      machine.split(separator: "\n").first { $0.hasPrefix("\(name):") }?
        .split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
    }
    guard let total = field("MemTotal"), let available = field("MemAvailable") else { return nil }
    var reading = MemoryWatch.Reading(resident: resident, available: available, total: total)
    if let (limit, used) = controlGroup(), limit < total, limit - used < available {
      (reading.total, reading.available) = (limit, limit - used)
    }
    return reading
  }

  /// The limit of this process' control group, and its usage without droppable caches; nil without a limit.
  private static func controlGroup() -> (limit: Int, used: Int)? {
    let groups = text("/proc/self/cgroup")?.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 2) } ?? []
    for group in groups where group.count >= 2 {
      let isSecond = group[0] == "0"
      guard isSecond || group[1].split(separator: ",").contains("memory") else { continue }
      // In a container, its own group is at the top.
      let paths = group.count == 3 ? [String(group[2]), "/"] : ["/"]
      let root = isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
      for path in paths {
        let folder = root + (path == "/" ? "" : path)
        let names = isSecond ? ("memory.max", "memory.current") : ("memory.limit_in_bytes", "memory.usage_in_bytes")
        guard let limit = number("\(folder)/\(names.0)"), let used = number("\(folder)/\(names.1)") else { continue }
        let droppable = text("\(folder)/memory.stat")?.split(separator: "\n")
          .first { $0.hasPrefix("inactive_file ") || $0.hasPrefix("total_inactive_file ") }?
          .split(separator: " ").last.flatMap { Int($0) }
        return (limit, used - (droppable ?? 0))
      }
    }
    return nil
  }

  static func resident() -> Int? {
    let pages = text("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return pages.map { $0 * Int(getpagesize()) }
  }

  private static func number(_ path: String) -> Int? {
    text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  /// The first 64 KiB of a file.
  private static func text(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }
  }
}
