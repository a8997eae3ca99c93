import Kernels
import Models
import Testing

@testable import Cluster
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// Workers whose bits are not the run's.
@Suite struct NumericsTests {
  private typealias Peer = CoordinatorMachine.Peer
  private let start = Instant(nanoseconds: 0)

  private func machine(digest: String? = nil, start step: Int = 0, accepts: Bool = false) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, start: step,
        plan: StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(9)),
        chunks: ChunkLayout(parameterCount: 3, size: 2), fingerprint: "d", layout: ParameterLayout(),
        numericsDigest: digest, acceptsOtherNumerics: accepts, awaitedWorkers: 0, metrics: .loss))
    _ = machine.handle(.started, at: start)
    return machine
  }

  private func numerics(_ digest: String, instructionSet: String = "AVX2", build: String = "release") -> Numerics {
    var numerics = Numerics.simulated
    (numerics.digest, numerics.instructionSet, numerics.build) = (digest, instructionSet, build)
    return numerics
  }

  /// A worker says that it is ready.
  ///
  /// - Returns: why it is refused, nil where it is not, and what is reported.
  private func join(
    _ machine: inout CoordinatorMachine, _ number: UInt64, _ numerics: Numerics
  ) -> (refusal: String?, reports: [TrainingEvent]) {
    let peer = Peer(id: number)
    _ = machine.handle(.received(Header(.hello), .hello(Hello(name: "w\(number)", threads: 1)), from: peer), at: start)
    let ready = Ready(data: "d", layout: ParameterLayout(), numerics: numerics)
    let actions = machine.handle(
      .received(Header(.ready, run: 7, session: machine.members[peer]!.session), .ready(ready), from: peer), at: start)
    var refusal: String?
    for case .send(let header, .reason(let reason), _) in actions where header.kind == .refuse { refusal = reason }
    return (refusal, actions.compactMap { if case .report(let event) = $0 { event } else { nil } })
  }

  @Test func theFirstWorkersBitsAreTheRunsAndOthersAreRefusedByName() {
    var machine = machine()
    #expect(join(&machine, 1, numerics("a")).refusal == nil)
    #expect(join(&machine, 2, numerics("a", instructionSet: "SSE41", build: "debug")).refusal == nil)
    let refusal = join(&machine, 3, numerics("b", instructionSet: "AVX512_CORE")).refusal ?? "none"
    for part in [
      "other bits than worker 1 (w1), which came first", "instruction set AVX512_CORE, not AVX2",
      "DNNL_MAX_CPU_ISA=AVX2", "if worker 1 (w1) is the odd one", "--accept-other-numerics",
    ] {
      #expect(refusal.contains(part), "\(refusal)")
    }
    #expect(machine.members.count == 2 && machine.numerics?.digest == "a")
  }

  @Test func equalDigestsAreWelcomeWhateverComputesThem() {
    var machine = machine()
    for (number, build) in ["release", "debug"].enumerated() {
      #expect(join(&machine, UInt64(number + 1), numerics("a", build: build)).refusal == nil)
    }
  }

  @Test func aDifferenceThatNothingExplainsIsToldAsThat() {
    var machine = machine()
    _ = join(&machine, 1, numerics("a"))
    #expect(join(&machine, 2, numerics("b")).refusal?.contains("nothing that is known of them differs") == true)
  }

  @Test func theyMayBeTakenInAndAreTold() {
    var machine = machine(accepts: true)
    _ = join(&machine, 1, numerics("a"))
    let (refusal, reports) = join(&machine, 2, numerics("b", instructionSet: "SSE41"))
    #expect(refusal == nil && machine.members.count == 2)
    var statistics = RunStatistics()
    for report in reports { statistics.add(report, .loss) }
    #expect(
      statistics.summary.otherNumerics
        == ["worker 2 (w2) computes other bits than the run's first worker (SSE41, oneDNN 2, release build, p)"])
  }

  @Test func aResumedRunKeepsItsBits() {
    var machine = machine(digest: "a", start: 3)
    let refusal = join(&machine, 1, numerics("b")).refusal ?? "none"
    #expect(refusal.contains("other bits than this run did before it was saved"), "\(refusal)")
    #expect(refusal.contains("DNNL_MAX_CPU_ISA") && refusal.contains("--accept-other-numerics"), "\(refusal)")
    #expect(join(&machine, 2, numerics("a")).refusal == nil)
    // From now on there is somebody to compare with.
    #expect(join(&machine, 3, numerics("b", build: "debug")).refusal?.contains("build debug, not release") == true)
  }

  @Test func aCheckpointWithoutBitsTakesTheFirstWorkersAndSaysSo() {
    var machine = machine(start: 3)
    let reports = join(&machine, 1, numerics("a")).reports
    #expect(
      reports.contains {
        if case .warning(let text) = $0 { text.contains("does not say which bits") } else { false }
      })
    #expect(join(&machine, 2, numerics("b")).refusal != nil)
  }

  @Test func aDigestIsOfTheBitsAndNoNaNsOwn() {
    func digest(_ values: [Float], loss: Double = 1) -> String {
      let gradient = FloatBuffer(values)
      return withExtendedLifetime(gradient) { Numerics.digest(of: Metrics(weight: 1, loss: loss), gradient.all) }
    }
    let other = Float(bitPattern: 0xFFC1_2345)
    #expect(digest([1, .nan]) == digest([1, other]))
    #expect(digest([1], loss: .nan) == digest([1], loss: Double(nan: 5, signaling: false)))
    #expect(digest([1, 2]) != digest([1, 2.0000002]))
    #expect(digest([0]) != digest([-0.0]))
    #expect(digest([1], loss: 1) != digest([1], loss: 1.0000000000000002))
    // python3: sha256(struct.pack('<ddff', 1.0, 1.0, 1.0, 2.0))
    #expect(digest([1, 2]) == "2:e9380ec6e777cdb3d9b7a6a0b89a6dab7382d679ce34193f8b94009a75bfcd1a")
  }
}
