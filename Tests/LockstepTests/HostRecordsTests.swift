import Testing

@testable import Lockstep

@Suite struct HostRecordsTests {
  @Test func aHostOnWhichNothingHasEndedWellIsLeftOut() {
    var records = HostRecords()
    #expect(records.failed("a", before: []) == .again(leavesOut: true))
    // Of another trial that ran on it.
    #expect(records.failed("a", before: []) == .again(leavesOut: false))
    #expect(records.leftOut == ["a"])
  }

  @Test func aTrialThatFailsTwiceIsToBlame() {
    var records = HostRecords()
    records.succeeded("b")
    #expect(records.failed("a", before: []) == .again(leavesOut: true))
    #expect(records.failed("b", before: ["a"]) == .trialFailed)
    #expect(records.leftOut.isEmpty, "it was not the host")
  }

  @Test func aTrialMayFailTwiceOnOneHost() {
    var records = HostRecords()
    records.succeeded("a")
    #expect(records.failed("a", before: []) == .again(leavesOut: false))
    #expect(records.failed("a", before: ["a"]) == .trialFailed)
    records.succeeded("a")
    #expect(records.failed("a", before: []) == .again(leavesOut: false), "failures in succession count")
  }

  @Test func aHostThatDiesIsLeftOut() {
    var records = HostRecords()
    records.succeeded("a")
    #expect(records.failed("a", before: []) == .again(leavesOut: false))
    #expect(records.failed("a", before: []) == .again(leavesOut: true))
    #expect(records.failed("a", before: ["b"]) == .again(leavesOut: false))
    #expect(records.leftOut == ["a"])
  }
}
