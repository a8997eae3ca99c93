internal import ArgumentParser
internal import Cluster
internal import Schema
internal import ZeroMQ

enum CoordinatorKeySection: OptionSection {
  static let key = OptionDeclaration.secretKey
  static let authorizedKeys = OptionDeclaration.path(
    "authorized-keys", decides: false,
    "Whose workers may take part: a file of public keys, one a line with a comment. Read again when it changes.")
  static let insecure = OptionDeclaration.toggle(
    "insecure", "Listen without keys where other machines can reach it: whoever does can take part, unencrypted.")
  static let options = [key, authorizedKeys, insecure]

  static func check(_ given: DeclaredOptions<Self>) throws {
    guard given.has(key) == given.has(authorizedKeys) else {
      throw ValidationError("--key and --authorized-keys go together: this side's key, and whose may come in")
    }
    guard !given.isOn(insecure) || !given.has(key) else {
      throw ValidationError("--insecure is for a coordinator without --key")
    }
  }
}

extension OptionDeclaration {
  fileprivate static let secretKey = OptionDeclaration.path(
    "key", decides: false,
    "This side's secret key: a file that `lockstep keygen` wrote, or - for a line of standard input.")
}

extension DeclaredOptions<CoordinatorKeySection> {
  private var key: String? { text(Section.key) }
  private var authorizedKeys: String? { text(Section.authorizedKeys) }
  private var insecure: Bool { isOn(Section.insecure) }

  /// - Throws: if other machines can reach `endpoint` and it has no keys.
  func security(of endpoint: String) throws -> CoordinatorSecurity? {
    if let key, let authorizedKeys {
      return CoordinatorSecurity(try KeyFile.readPair(key), admitting: try AuthorizedKeys(authorizedKeys))
    }
    guard !isLocal(endpoint) else {
      if socketPath(endpoint) == nil {
        printError(
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
    printError("warning: --insecure: whoever reaches \(endpoint) can take part, and what is sent is not encrypted")
    return nil
  }

  var isSecure: Bool { key != nil }

  /// The flags, for the command that resumes the run.
  var arguments: String {
    guard let key, let authorizedKeys else { return insecure ? " --insecure" : "" }
    return " --key \(shellQuoted(key)) --authorized-keys \(shellQuoted(authorizedKeys))"
  }
}

enum WorkerKeySection: OptionSection {
  static let key = OptionDeclaration.secretKey
  static let coordinatorKey = OptionDeclaration.text(
    "coordinator-key", valueName: "key", decides: false,
    "The coordinator's public key, or the file that it is in.")
  static let authorizedKeys = OptionDeclaration.text(
    "authorized-keys", valueName: "keys", decides: false,
    "Which workers may use this one as their relay (--bind): a public key, or a file of some, one a line with a comment."
  )
  static let insecure = OptionDeclaration.toggle(
    "insecure",
    "Connect to and listen for other machines without keys: nobody is who they say, and nothing is encrypted.")
  static let options = [key, coordinatorKey, authorizedKeys, insecure]

  static func check(_ given: DeclaredOptions<Self>) throws {
    guard given.has(key) == given.has(coordinatorKey) else {
      throw ValidationError("--key and --coordinator-key go together: this side's key, and whom to talk to")
    }
    guard !given.has(authorizedKeys) || given.has(key) else {
      throw ValidationError(
        "--authorized-keys without --key: a relay without a key of its own cannot tell who connects")
    }
    guard !given.isOn(insecure) || !given.has(key) else {
      throw ValidationError("--insecure is for a worker without --key")
    }
  }
}

extension DeclaredOptions<WorkerKeySection> {
  /// - Throws: if `endpoint` may be another machine's and it has no keys.
  func security(of endpoint: String) throws -> WorkerSecurity? {
    if let key = text(Section.key), let coordinatorKey = text(Section.coordinatorKey) {
      return WorkerSecurity(try KeyFile.readPair(key), coordinator: try KeyFile.readPublicKey(coordinatorKey))
    }
    guard !isLocal(endpoint) else { return nil }
    guard isOn(Section.insecure) else {
      throw ValidationError(
        "\(endpoint) may be another machine, and no keys protect the connection. `lockstep keygen worker.key` makes one "
          + "here; its worker.key.pub goes into the coordinator's --authorized-keys; then add --key worker.key "
          + "--coordinator-key coordinator.key.pub. On a network that you trust: --insecure")
    }
    printError(
      "warning: --insecure: nothing shows that \(endpoint) is the coordinator, and what is sent is not encrypted")
    return nil
  }

  /// Whom a relay that listens on `endpoint` admits; nil for anyone.
  ///
  /// - Parameter own: this side's key.
  /// - Throws: if other machines can reach `endpoint` and nothing says whom to admit.
  func relaySecurity(of endpoint: String, _ own: WorkerSecurity?) throws -> CoordinatorSecurity? {
    if let own, let keys = text(Section.authorizedKeys) {
      return own.serving(try CurveKey(base64: keys).map { AuthorizedKeys([$0]) } ?? AuthorizedKeys(keys))
    }
    guard own != nil || !isLocal(endpoint) && !isOn(Section.insecure) else { return nil }
    throw ValidationError(
      "--bind \(endpoint): --authorized-keys must say which workers may use this one as their relay: a file with their "
        + "public keys. On a network that you trust: --insecure")
  }

  /// How a relay listens on `endpoint`.
  func relaySettings(
    binding endpoint: String, advertising host: String?, _ own: WorkerSecurity?
  ) throws -> RelaySettings {
    try checkEndpoint(endpoint, of: "bind")
    return RelaySettings(binding: endpoint, security: try relaySecurity(of: endpoint, own)) {
      try AdvertisedAddress(of: $0, as: host).address
    }
  }
}
