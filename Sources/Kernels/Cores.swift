internal import CKernels

/// The cores that threads may run on (Linux).
///
/// Where compute threads fill the machine each worker is best kept to cores of its own: when a step begins, all are
/// woken at once, and the system puts two of them on one core now and then, which it notices some milliseconds later.
/// Where cores are left over the system finds a free one by itself.
package enum Cores {
  private static let most = 8192

  /// Those that the calling thread may run on; empty where the system does not say.
  package static var allowed: [Int] {
    guard let bits else { return [] }
    return (0..<most).filter { bits[$0 / 8] & 1 << ($0 % 8) != 0 }
  }

  /// The one that the calling thread runs on; nil where the system does not say.
  package static var current: Int? {
    let core = lk_current_core()
    return core < 0 ? nil : Int(core)
  }

  private static var bits: [UInt8]? {
    var bits = [UInt8](repeating: 0, count: most / 8)
    return lk_get_cores(&bits, bits.count) == 0 ? bits : nil
  }

  /// Runs `body` on `cores` alone, and so all threads and processes that it starts, where the system can do that.
  package static func keep<Result>(to cores: [Int], _ body: () throws -> Result) rethrows -> Result {
    guard let former = bits else { return try body() }
    defer { _ = lk_set_cores(former, former.count) }
    bind(to: cores)
    return try body()
  }

  /// Keeps the calling thread to `cores`, where the system can do that.
  package static func bind(to cores: [Int]) {
    var bits = [UInt8](repeating: 0, count: most / 8)
    for core in cores { bits[core / 8] |= 1 << (core % 8) }
    _ = lk_set_cores(bits, bits.count)
  }

  /// The cores of each of `processes` with `threads` compute threads; nil where those do not fill `cores` exactly.
  package static func shares(of cores: [Int], processes: Int, threads: Int) -> [[Int]]? {
    guard processes > 1, processes * threads == cores.count else { return nil }
    return (0..<processes).map { Array(cores[$0 * threads..<($0 + 1) * threads]) }
  }
}
