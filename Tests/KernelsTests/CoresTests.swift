import Foundation
import Kernels
import Testing

@Suite struct CoresTests {
  @Test func processesThatFillTheMachineGetCoresOfTheirOwn() {
    #expect(Cores.shares(of: [0, 1], processes: 2, threads: 1) == [[0], [1]])
    #expect(Cores.shares(of: [2, 3, 6, 7], processes: 2, threads: 2) == [[2, 3], [6, 7]])
    #expect(Cores.shares(of: [0, 1, 2, 3], processes: 3, threads: 1) == nil, "a core is left over")
    #expect(Cores.shares(of: [0, 1], processes: 3, threads: 1) == nil, "there are too few")
    #expect(Cores.shares(of: [0, 1], processes: 1, threads: 2) == nil, "one process has them all anyway")
    #expect(Cores.shares(of: [], processes: 2, threads: 1) == nil)
  }

  #if os(Linux)
    @Test func aProcessThatIsStartedIsKeptToCores() throws {
      let allowed = Cores.allowed
      let core = try #require(allowed.last)
      let output = Pipe()
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/cat")
      process.arguments = ["/proc/self/status"]
      process.standardOutput = output
      try Cores.keep(to: [core]) {
        #expect(Cores.allowed == [core])
        try process.run()
      }
      #expect(Cores.allowed == allowed)
      let status = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(status.contains("Cpus_allowed_list:\t\(core)\n"), "\(status)")
    }
  #endif
}
