internal import Foundation

/// The user's command for the end of a run.
struct EndCommand {
  let text: String

  /// Runs it with /bin/sh and waits for it. A failure is told, and does not change how the run has ended.
  func run(summary: String, status: String) {
    var environment = ProcessInfo.processInfo.environment
    environment["LOCKSTEP_SUMMARY"] = URL(fileURLWithPath: summary).path
    environment["LOCKSTEP_STATUS"] = status
    let variables = environment.map { "\($0)=\($1)" }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // This process blocks the signals that it waits for, and ignores others; the command must not.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigaddset(&signals, SIGPIPE)
    sigaddset(&signals, SIGXFSZ)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    // Nor may it hold what this process has open, such as the page's port.
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/fd")) ?? []
    for descriptor in open.compactMap({ Int32($0) }) where descriptor > STDERR_FILENO {
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }
    var process: pid_t = 0
    let error = withStrings(["/bin/sh", "-c", text]) { arguments in
      withStrings(variables) { posix_spawn(&process, "/bin/sh", nil, &attributes, arguments, $0) }
    }
    guard error == 0 else {
      printError("warning: --on-end: /bin/sh cannot be started: \(String(cString: strerror(error)))")
      return
    }
    var result: Int32 = 0
    while waitpid(process, &result, 0) < 0, errno == EINTR {}
    let signal = result & 0x7F
    let code = (result >> 8) & 0xFF
    if signal != 0 {
      printError("warning: --on-end: the command was ended by signal \(signal)")
    } else if code != 0 {
      printError("warning: --on-end: the command ended with status \(code)")
    }
  }
}

/// Calls `body` with a null-terminated array of C strings.
private func withStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let pointers = strings.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
}
