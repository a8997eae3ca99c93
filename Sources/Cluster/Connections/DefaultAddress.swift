internal import Files
internal import Foundation
internal import Protocol

/// The address of a coordinator and its workers on one machine if the user gives none: a socket's file in a folder that
/// only this user can enter.
package enum DefaultAddress {
  private static let fileName = "coordinator.socket"

  /// Makes the folder if it is missing.
  ///
  /// - Throws: ``TrainingError`` that says of each folder why it cannot be used.
  package static func forCoordinator() throws -> String {
    var problems: [String] = []
    for folder in candidates(ProcessInfo.processInfo.environment) {
      if let problem = prepare(folder) { problems.append("\(folder): \(problem)") } else { return address(in: folder) }
    }
    throw TrainingError(
      "there is no folder for a socket of this user alone (\(problems.joined(separator: "; "))): give an address with --bind"
    )
  }

  /// The address where a coordinator listens, or else where the next one will.
  ///
  /// - Throws: as ``forCoordinator()``.
  package static func forWorker() throws -> String {
    let folders = candidates(ProcessInfo.processInfo.environment)
    let present = folders.first { FileManager.default.fileExists(atPath: "\($0)/\(fileName)") }
    return try present.map(address) ?? forCoordinator()
  }

  private static func address(in folder: String) -> String { "ipc://\(folder)/\(fileName)" }

  /// The possible folders, the best first.
  static func candidates(_ environment: [String: String]) -> [String] {
    func folder(_ variable: String, _ name: String) -> String? {
      environment[variable].flatMap { $0.hasPrefix("/") ? FilePath("\($0)/x").beside(name) : nil }
    }
    return [folder("XDG_RUNTIME_DIR", "lockstep"), folder("HOME", ".lockstep"), "/tmp/lockstep-\(geteuid())"]
      .compactMap(\.self)
  }

  /// Makes `folder` if it is missing.
  ///
  /// - Returns: why it cannot be used; nil if it can.
  static func prepare(_ folder: String) -> String? {
    let length = "\(folder)/\(fileName)".utf8.count
    guard length <= SocketFile.longestPath else {
      return "its socket's path would have \(length) bytes, and can have \(SocketFile.longestPath)"
    }
    var status = stat()
    if lstat(folder, &status) != 0 {
      let parent = FilePath(folder).folder
      // Never make the user's home or runtime folder.
      guard lstat(parent, &status) == 0 else { return "\(parent) is not there" }
      guard mkdir(folder, 0o700) == 0 || errno == EEXIST, lstat(folder, &status) == 0 else {
        return String(cString: strerror(errno))
      }
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { return "it is no folder" }
    guard status.st_uid == geteuid() else { return "it is another user's" }
    guard status.st_mode & 0o077 == 0 || chmod(folder, 0o700) == 0 else { return "others can enter it" }
    guard access(folder, W_OK | X_OK) == 0 else { return String(cString: strerror(errno)) }
    guard !isOnNetwork(folder) else { return "it is on another machine's disk" }
    return nil
  }

  /// Whether the file system of `path` is a network's. Other machines would then see the socket's file, but nobody
  /// listens there.
  private static func isOnNetwork(_ path: String) -> Bool {
    let kinds: Set<Substring> = [
      "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "9p", "fuse.sshfs", "fuse.glusterfs",
    ]
    let path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path + "/"
    let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
    // Fields: device, mount point, kind. The deepest mount point counts, and of equal ones the last.
    var deepest = (length: -1, kind: Substring())
    for line in mounts.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 2 else { continue }
      let mountPoint = fields[1].hasSuffix("/") ? String(fields[1]) : fields[1] + "/"
      if path.hasPrefix(mountPoint) && mountPoint.utf8.count >= deepest.length {
        deepest = (mountPoint.utf8.count, fields[2])
      }
    }
    return kinds.contains(deepest.kind)
  }
}
