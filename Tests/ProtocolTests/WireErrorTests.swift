import Testing

@testable import Protocol

@Suite struct WireErrorTests {
  @Test(
    "each error says what was wrong, with the values",
    arguments: [
      (.notLockstep(bytes: 7), ["7 bytes"]), (.version(9), ["version 9", "speaks 12"]),
      (.headerLength(55), ["55 bytes", "72"]), (.unknownKind(99), ["kind 99"]), (.unknownTask(77), ["task 77"]),
      (.reversedLeaves(5, 4), ["5..<4"]), (.frameCount(3), ["3 frames"]),
      (.payloadLength(found: 12, expected: 48), ["12 bytes", "48"]),
      (.noLeaves(.push), ["push", "without leaves"]), (.wrongTask(.evaluateTest, .push), ["push", "evaluate"]),
      (.outOfRange("step", value: "9", range: "0 to 8"), ["step 9", "0 to 8"]), (.notFinite, ["infinite"]),
      (.notJSON(.hello, "the cause"), ["hello", "the cause"]),
    ] as [(WireError, [String])])
  func descriptions(_ error: WireError, _ parts: [String]) {
    for part in parts { #expect(error.description.contains(part)) }
  }
}
