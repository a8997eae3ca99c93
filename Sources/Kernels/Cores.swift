internal import CKernels

/// The cores that threads may run on (Linux).
///
/// If compute threads fill the machine, bind each worker to cores of its own: all threads wake when a step begins, and
/// the system sometimes puts two on one core for some milliseconds. If cores are left over, this is not needed.
package enum Cores {
  private static let most = 8192

  /// The cores that the calling thread may run on; empty if unknown.
  package static var allowed: [Int] {
    guard let bits else { return [] }
    return (0..<most).filter { bits[$0 / 8] & 1 << ($0 % 8) != 0 }
  }

  /// The core that the calling thread runs on; nil if unknown.
  package static var current: Int? {
    let core = lk_current_core()
    return core < 0 ? nil : Int(core)
  }

  private static var bits: [UInt8]? {
    var bits = [UInt8](repeating: 0, count: most / 8)
    return lk_get_cores(&bits, bits.count) == 0 ? bits : nil
  }

  /// Runs `body`, and the threads and processes that it starts, only on `cores`, if the system supports that.
  package static func keep<Result>(to cores: [Int], _ body: () throws -> Result) rethrows -> Result {
    guard let former = bits else { return try body() }
    defer { _ = lk_set_cores(former, former.count) }
    bind(to: cores)
    return try body()
  }

  /// Binds the calling thread to `cores`, if the system supports that.
  package static func bind(to cores: [Int]) {
    var bits = [UInt8](repeating: 0, count: most / 8)
    for core in cores { bits[core / 8] |= 1 << (core % 8) }
    _ = lk_set_cores(bits, bits.count)
  }

  /// Lowers the calling thread's priority below that of ordinary threads, if the system supports that.
  package static func yieldToOthers() { lk_yield_to_others() }

  /// Divides `cores` among several `processes` with `threads` compute threads each; nil unless those fill `cores`
  /// exactly.
  package static func shares(of cores: [Int], processes: Int, threads: Int) -> [[Int]]? {
    guard processes > 1, processes * threads == cores.count else { return nil }
    return (0..<processes).map { Array(cores[$0 * threads..<($0 + 1) * threads]) }
  }
}
