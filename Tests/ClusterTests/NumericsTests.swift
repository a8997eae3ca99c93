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

  private func machine(accepts: Bool = false) -> CoordinatorMachine {
    var machine = CoordinatorMachine(
      CoordinatorMachine.Configuration(
        run: 7, plan: StepPlan(trainCount: 8, testCount: 0, batchSize: 8, microBatches: 4, length: .steps(9)),
        chunks: ChunkLayout(parameterCount: 3, size: 2), fingerprint: "d", layout: ParameterLayout(),
        numerics: numerics("a"), acceptsOtherNumerics: accepts, awaitedWorkers: 0, metrics: .loss))
    _ = machine.handle(.started, at: start)
    return machine
  }

  private func numerics(_ digest: String, kernels: String = "AVX2", build: String = "release") -> Numerics {
    Numerics(digest: digest, processor: "p", kernels: kernels, build: build)
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

  @Test func aWorkerOfOtherBitsIsRefusedWithWhatDiffers() {
    var machine = machine()
    #expect(join(&machine, 1, numerics("a", kernels: "NEON", build: "debug")).refusal == nil)
    let refusal = join(&machine, 2, numerics("b", kernels: "AVX-512", build: "debug")).refusal ?? "none"
    for part in [
      "computes other bits than the coordinator (kernels AVX-512, not AVX2; build debug, not release)",
      "give both the same program", "--accept-other-numerics",
    ] {
      #expect(refusal.contains(part), "\(refusal)")
    }
    #expect(join(&machine, 3, numerics("b")).refusal?.contains("nothing that is known of them differs") == true)
    #expect(machine.members.count == 1)
  }

  @Test("a worker that computes other bits than its coordinator ends with the reason, and the run goes on without it")
  func refusedWorker() throws {
    var options = JobOptions()
    for (name, value) in [("model", "linear"), ("steps", "5")] { try options.set(name, to: value) }
    let prepared = try PreparedJob(options, models: ModelFactory.builtIn)
    let other = Numerics(digest: "2:other", processor: "p", kernels: "NEON, 4 floats a vector", build: "release")
    let coordinator = RunningCoordinator(prepared, numerics: other)
    let failure = RunningWorker(try coordinator.waitForAddress()).waitForEnd() ?? "none"
    #expect(failure.contains("computes other bits than the coordinator (kernels "), "\(failure)")
    #expect(failure.contains("not NEON, 4 floats a vector"), "\(failure)")
    let outcome = coordinator.waitForEnd()
    #expect(outcome.reported.isEmpty && outcome.error?.contains("for 2 s") == true, "\(outcome.error ?? "no error")")
  }

  @Test func theyMayBeTakenInAndAreTold() {
    var machine = machine(accepts: true)
    let (refusal, reports) = join(&machine, 1, numerics("b", kernels: "SSE2"))
    #expect(refusal == nil && machine.members.count == 1)
    var statistics = RunStatistics()
    for report in reports { statistics.add(report, .loss) }
    #expect(
      statistics.summary.otherNumerics
        == ["worker 1 (w1) computes other bits than the coordinator (SSE2, release build, p)"])
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
