/// Finds the number of workers with which steps are shortest: over slow links, more workers may make them longer.
///
/// It measures some steps with all workers, and then with half as many as before as long as that makes them shorter.
package struct WorkerCount: Sendable {
  /// The workers that there are.
  private var available = 0
  /// How many of them compute now.
  package private(set) var current = 0
  /// The number with which steps were shortest so far, and their median seconds; 0 before the first.
  package private(set) var best = (count: 0, seconds: 0.0)
  /// The median seconds of steps with all of them.
  package private(set) var allSeconds = 0.0
  /// Steps with the present number that are not measured any more.
  private var skipped = 0
  private var seconds: [Double] = []
  package private(set) var isSettled = true
  /// Steps since then.
  private var settledSteps = 0

  package init() {}

  /// Begins with all of `count` workers, because others have come or left.
  package mutating func begin(with count: Int) {
    self = WorkerCount()
    (available, current, isSettled) = (count, count, count < 2)
  }

  /// Adds a step.
  ///
  /// - Parameter computing: the seconds in which the busiest worker computed.
  /// - Returns: whether another number of workers is to compute from now on.
  package mutating func add(seconds newSeconds: Double, computing: Double) -> Bool {
    guard !isSettled else {
      settledSteps += 1
      // Links may be faster than they were.
      guard settledSteps >= SchedulingPolicy.retrialSteps, current < available else { return false }
      begin(with: available)
      return true
    }
    guard skipped >= SchedulingPolicy.skippedTrialSteps else {
      skipped += 1
      return false
    }
    seconds.append(newSeconds)
    guard seconds.count == SchedulingPolicy.trialSteps else { return false }
    let median = seconds.sorted()[seconds.count / 2]
    (seconds, skipped) = ([], 0)
    if current == available { allSeconds = median }
    if current == available || median < (1 - SchedulingPolicy.leastTrialGain) * best.seconds {
      best = (current, median)
    } else {
      isSettled = true
      current = best.count
      return true
    }
    // Half as many workers compute twice as long.
    guard current > 1, 2 * computing < (1 - SchedulingPolicy.leastTrialGain) * median else {
      isSettled = true
      return false
    }
    current = (current + 1) / 2
    return true
  }
}
