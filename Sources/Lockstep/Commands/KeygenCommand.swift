internal import ArgumentParser
internal import Cluster
internal import Foundation

struct KeygenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keygen",
    abstract: "Make a key pair, for a coordinator or a worker.",
    discussion: """
      Writes the secret key to FILE, which nobody else may read, and the public one to FILE.pub, whose line goes into \
      the other side's --authorized-keys or --coordinator-key. Workers may share a key.
      """)

  @Argument(help: ArgumentHelp("The secret key's file.", valueName: "file"))
  var file: String

  @Option(help: ArgumentHelp("What stands behind the public key. (default: user@host)", valueName: "text"))
  var comment: String?

  func validate() throws {
    guard comment?.contains(where: \.isNewline) != true else { throw ValidationError("--comment is a single line") }
  }

  func run() throws {
    let comment = comment ?? "\(NSUserName())@\(ProcessInfo.processInfo.hostName)"
    let line = try KeyFile.makePair(file, comment: comment)
    printLine("secret key: \(file)\npublic key: \(file).pub\n\(line)")
  }
}
