internal import ZeroMQ

/// Passes notices of other threads to a coordinator.
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

  /// The process of the worker `name` has ended; another may be started instead.
  package func processEnded(name: String, _ description: String, isReplaced: Bool) {
    notices.post(.processEnded(name: name, description, isReplaced: isReplaced))
  }

  /// Ends the run at once.
  package func fail(_ reason: String) {
    notices.post(.failed(reason))
  }

  /// Ends the run after the current step.
  package func stop(_ reason: String) {
    notices.post(.stop(reason))
  }

  func warn(_ text: String) {
    notices.post(.warning(text))
  }
}
