internal import ZeroMQ

/// What other threads can tell a coordinator.
package final class CoordinatorMailbox: Sendable {
  enum Letter: Sendable {
    case processEnded(name: String, String, isReplaced: Bool)
    case failed(String)
    case stop(String)
    case warning(String)
  }

  private let letters: Mailbox<Letter>

  init(_ waker: Waker) {
    letters = Mailbox { waker.wake() }
  }

  func takeAll() -> [Letter] { letters.takeAll() }

  /// The process whose worker goes by `name` has ended, as `description` says; another may be started in its place.
  package func processEnded(name: String, _ description: String, isReplaced: Bool) {
    letters.post(.processEnded(name: name, description, isReplaced: isReplaced))
  }

  /// The run must end, with this reason.
  package func fail(_ reason: String) {
    letters.post(.failed(reason))
  }

  /// The run is to end between two steps, with this reason.
  package func stop(_ reason: String) {
    letters.post(.stop(reason))
  }

  /// The user is to be warned.
  func warn(_ text: String) {
    letters.post(.warning(text))
  }
}
