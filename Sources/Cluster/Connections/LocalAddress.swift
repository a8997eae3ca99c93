internal import Foundation
internal import Protocol

/// An `ipc://` address in a new folder that only this user can enter.
package struct LocalAddress {
  private let folder: String

  package init() throws {
    // Paths of sockets have at most about 100 bytes, and the user's temporary folder may be deep.
    let base = NSTemporaryDirectory()
    let template = (base.utf8.count < 60 ? base : "/tmp/") + "/lockstep-XXXXXX"
    var bytes = Array(template.replacingOccurrences(of: "//", with: "/").utf8CString)
    guard mkdtemp(&bytes) != nil else {
      throw TrainingError(
        "no folder for the workers' socket can be made in \(base): \(String(cString: strerror(errno)))")
    }
    folder = bytes.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  package var endpoint: String { "ipc://\(folder)/socket" }

  /// A folder that cannot be removed does not make a run fail.
  package func remove() { try? FileManager.default.removeItem(atPath: folder) }
}
