/// Decides whether a trial that fails on a host is to blame, or the host. A value without I/O.
///
/// A host on which a trial has ended well is proven. A trial that fails runs again. If it fails a second time, on a proven
/// host, it is to blame, and hosts that were left out because of it are used again. A host is left out when a trial fails on
/// it that is not proven, or when two trials fail on it in succession.
struct HostRecords {
  enum Verdict: Equatable {
    /// The trial runs again; whether the host is left out now.
    case again(leavesOut: Bool)
    case trialFailed
  }

  private(set) var leftOut: Set<String> = []
  private var proven: Set<String> = []
  private var failures: [String: Int] = [:]

  /// A trial has ended on `host`, also by diverging.
  mutating func succeeded(_ host: String) {
    proven.insert(host)
    failures[host] = 0
  }

  /// - Parameter before: the hosts on which the trial has failed already.
  mutating func failed(_ host: String, before: Set<String>) -> Verdict {
    if proven.contains(host), !before.isEmpty {
      failures[host] = 0
      leftOut.subtract(before)
      return .trialFailed
    }
    failures[host, default: 0] += 1
    guard !proven.contains(host) || failures[host]! >= 2 else { return .again(leavesOut: false) }
    proven.remove(host)
    return .again(leavesOut: leftOut.insert(host).inserted)
  }
}
