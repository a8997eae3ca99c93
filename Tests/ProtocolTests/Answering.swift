@testable import Protocol
@testable import Reduction

extension CoordinatorMachine {
  /// Handles an event as a driver does that finds all numbers finite.
  mutating func handleAnswering(_ event: Event, at now: Instant) -> [Action] {
    var all: [Action] = []
    for action in handle(event, at: now) {
      all.append(action)
      switch action {
      case .check(let chunk): all += handleAnswering(.checked(chunk: chunk, nonFinite: nil), at: now)
      case .update(let chunk, _, _): all += handleAnswering(.updated(chunk: chunk, nonFinite: nil), at: now)
      default: break
      }
    }
    return all
  }
}
