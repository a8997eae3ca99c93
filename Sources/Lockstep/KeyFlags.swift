internal import ArgumentParser
internal import Cluster

private let secretKeyHelp = ArgumentHelp(
  "This side's secret key: a file that `lockstep keygen` wrote, or - for a line of standard input.", valueName: "file")

/// A coordinator's keys.
struct CoordinatorKeyFlags: ParsableArguments {
  @Option(help: secretKeyHelp)
  var key: String?

  @Option(
    help: ArgumentHelp(
      "Whose workers may take part: a file of public keys, one a line with a comment. Read again when it changes.",
      valueName: "file"))
  var authorizedKeys: String?

  @Flag(help: "Listen without keys where other machines can reach it: whoever does can take part, unencrypted.")
  var insecure = false

  func validate() throws {
    guard (key == nil) == (authorizedKeys == nil) else {
      throw ValidationError("--key and --authorized-keys go together: this side's key, and whose may come in")
    }
    guard !insecure || key == nil else { throw ValidationError("--insecure is for a coordinator without --key") }
  }

  /// - Throws: where other machines can reach `endpoint` and nothing protects it.
  func security(of endpoint: String) throws -> CoordinatorSecurity? {
    if let key, let authorizedKeys {
      return CoordinatorSecurity(try KeyFile.readPair(key), admitting: try AuthorizedKeys(authorizedKeys))
    }
    guard !isLocal(endpoint) else {
      if socketPath(endpoint) == nil {
        complain(
          "warning: every user of this machine can take part at \(endpoint); without --bind, or with an ipc:///PATH, only you can"
        )
      }
      return nil
    }
    guard insecure else {
      throw ValidationError(
        "\(endpoint) can be reached from other machines, and no keys protect it. `lockstep keygen coordinator.key` here "
          + "and `lockstep keygen worker.key` for the workers make them; then add --key coordinator.key --authorized-keys "
          + "worker.key.pub. On a network that you trust: --insecure")
    }
    complain("warning: --insecure: whoever reaches \(endpoint) can take part, and what is sent is not encrypted")
    return nil
  }

  /// Whether workers need keys.
  var isSecure: Bool { key != nil }

  /// The flags, to be given again.
  var arguments: String {
    guard let key, let authorizedKeys else { return insecure ? " --insecure" : "" }
    return " --key \(shellQuoted(key)) --authorized-keys \(shellQuoted(authorizedKeys))"
  }
}

/// A worker's keys.
struct WorkerKeyFlags: ParsableArguments {
  @Option(help: secretKeyHelp)
  var key: String?

  @Option(
    help: ArgumentHelp("The coordinator's public key, or the file that it is in.", valueName: "key"))
  var coordinatorKey: String?

  @Flag(help: "Connect without keys to another machine: nobody is who they say, and nothing is encrypted.")
  var insecure = false

  func validate() throws {
    guard (key == nil) == (coordinatorKey == nil) else {
      throw ValidationError("--key and --coordinator-key go together: this side's key, and whom to talk to")
    }
    guard !insecure || key == nil else { throw ValidationError("--insecure is for a worker without --key") }
  }

  /// - Throws: where `endpoint` is another machine's and nothing protects the connection.
  func security(of endpoint: String) throws -> WorkerSecurity? {
    if let key, let coordinatorKey {
      return WorkerSecurity(try KeyFile.readPair(key), coordinator: try KeyFile.readPublicKey(coordinatorKey))
    }
    guard !isLocal(endpoint) else { return nil }
    guard insecure else {
      throw ValidationError(
        "\(endpoint) may be another machine, and no keys protect the connection. `lockstep keygen worker.key` makes one "
          + "here; its worker.key.pub goes into the coordinator's --authorized-keys; then add --key worker.key "
          + "--coordinator-key coordinator.key.pub. On a network that you trust: --insecure")
    }
    complain(
      "warning: --insecure: nothing shows that \(endpoint) is the coordinator, and what is sent is not encrypted")
    return nil
  }
}
