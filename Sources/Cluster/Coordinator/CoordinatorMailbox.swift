internal import ZeroMQ

/// What other threads can tell a coordinator.
package final class CoordinatorMailbox: Sendable {
  enum Notice: Sendable {
    case processEnded(name: String, String, isReplaced: Bool)
    case failed(String)
    case stop(String)
    case warning(String)
  }

  private let notices: Mailbox<Notice>

  init(_ waker: Waker) {
    notices = Mailbox { waker.wake() }
  }

  func takeAll() -> [Notice] { notices.takeAll() }

  /// The process whose worker goes by `name` has ended, as `description` says; another may be started in its place.
  package func processEnded(name: String, _ description: String, isReplaced: Bool) {
    notices.post(.processEnded(name: name, description, isReplaced: isReplaced))
  }

  /// The run must end, with this reason.
  package func fail(_ reason: String) {
    notices.post(.failed(reason))
  }

  /// The run is to end between two steps, with this reason.
  package func stop(_ reason: String) {
    notices.post(.stop(reason))
  }

  /// The user is to be warned.
  func warn(_ text: String) {
    notices.post(.warning(text))
  }
}
