internal import Files
internal import Foundation
internal import Schema

/// An output folder, locked so that only one process at a time writes into it.
package final class OutputFolder {
  package let path: String
  private let descriptor: Int32

  /// Makes the folder, or opens it.
  ///
  /// - Parameters:
  ///   - path: nil for a new folder `runs/<prefix><time>`.
  /// - Throws: an error that names the folder and the cause; also if another process writes into it.
  package init(_ path: String?, prefix: String = "") throws {
    self.path = try path ?? OutputFolder.makeNew(prefix)
    do {
      try makeFolders(self.path)
    } catch {
      throw FileError("--output \(self.path): \(error)")
    }
    let descriptor = open(self.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("--output \(self.path): the folder cannot be opened") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw FileError("--output \(self.path): another run is writing into this folder; choose another")
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// The file by which each kind of content is known.
  private static let marks = ["job.yaml", "comparison.json", "sweep.json", "profile.json", "find-rate.json"]

  /// - Throws: ``OptionError`` if something else is in the folder than what has the file `own`.
  package func refuseOthers(than own: String) throws {
    for mark in OutputFolder.marks where mark != own && FileManager.default.fileExists(atPath: "\(path)/\(mark)") {
      throw OptionError("--output \(path): there is \(mark) of something else; choose another folder")
    }
  }

  /// Makes `runs/<prefix><time>`, with a number at the end if another run has made that.
  private static func makeNew(_ prefix: String) throws -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd-HHmmss"
    let base = "runs/\(prefix)\(formatter.string(from: Date()))"
    try makeFolders("runs")
    for path in [base] + (2...1000).map({ "\(base)-\($0)" }) {
      if mkdir(path, 0o777) == 0 {
        try sync("runs")
        return path
      }
      guard errno == EEXIST else {
        throw FileError.system("the folder \(path) cannot be made; choose one with --output")
      }
    }
    throw FileError("there are a thousand runs of this second already; choose a folder with --output")
  }
}
