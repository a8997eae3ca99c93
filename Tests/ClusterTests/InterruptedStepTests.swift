import Foundation
import Kernels
import Models
import Optimizers
import Testing
import ZeroMQ

@testable import Cluster
@testable import Files
@testable import Protocol
@testable import Reduction
@testable import Runs
@testable import Schema

/// A run that fails while a step is being updated is saved as it was before that step.
@Suite struct InterruptedStepTests {
  private let prepared: PreparedJob

  init() throws {
    var options = JobOptions()
    for (name, value) in [("model", "mlp:6"), ("steps", "5"), ("batch-size", "64"), ("micro-batches", "4")] {
      try options.set(name, to: value)
    }
    prepared = try PreparedJob(options, models: ModelFactory.builtIn)
  }

  /// Runs a coordinator and a worker of one thread each. Where `cut` says so of a message of the worker, it is the last
  /// one that reaches the coordinator.
  private func run(checkpointAfter step: Int, cut: (Header) -> Bool) throws -> RunningCoordinator.Outcome {
    let coordinator = RunningCoordinator(prepared, awaitedWorkers: 1, checkpointAfter: step)
    let context = Context()
    let front = try Socket(context, .router)
    try front.set(.linger(milliseconds: 0))
    try front.bind("tcp://127.0.0.1:*")
    let back = try Socket(context, .dealer)
    try back.set(.linger(milliseconds: 0))
    let waker = Waker()
    var poller = Poller(front, waker)
    try back.connect(coordinator.waitForAddress())
    let address = try front.lastEndpoint
    let running = RunningWorker(address)
    var worker: Message?
    var isCut = false
    while !coordinator.outcome.isOver {
      try poller.wait(milliseconds: 1)
      while let received = try front.receiveFrames(limit: 3) {
        worker = received.frames[0]
        let frames = received.frames.dropFirst()
        guard !isCut, let head = frames.first else { continue }
        isCut = cut(try Header(decoding: head.bytes))
        for frame in frames { try back.send(frame, more: frame !== frames.last) }
      }
      while let received = try back.receiveFrames(limit: 3), let worker {
        try front.send(Message(copying: worker.bytes), more: true)
        for frame in received.frames { try front.send(frame, more: frame !== received.frames.last) }
      }
    }
    running.end()
    return coordinator.outcome
  }

  @Test("a step of which a part is updated leaves the state before it, to the same bits", arguments: [0, 2])
  func isWhole(lastChunk: UInt32) throws {
    let undisturbed = try run(checkpointAfter: 2) { _ in false }
    #expect(undisturbed.error == nil)
    let whole = try #require(undisturbed.checkpoint)
    let failed = try run(checkpointAfter: 5) { $0.kind == .push && $0.step == 2 && $0.chunk == lastChunk }
    #expect(failed.error?.contains("for 2 s") == true, "\(failed.error ?? "no error")")
    #expect(failed.reported == [1, 2])
    let saved = try #require(failed.last, "the run can be saved")
    #expect(saved.state.step == 2)
    #expect(saved.state.optimizer == whole.state.optimizer)
    #expect(saved.state.numerics == whole.state.numerics && saved.state.numerics?.count == 66)
    #expect(saved.parameters.array.map(\.bitPattern) == whole.parameters.array.map(\.bitPattern))
    #expect(saved.slots.array.map(\.bitPattern) == whole.slots.array.map(\.bitPattern))
  }

  @Test("a checkpoint that is taken while the one before is still held keeps its bits too")
  func twoHeldCheckpoints() throws {
    let optimizer = try PreparedJob(JobOptions(), models: ModelFactory.builtIn).optimizer()
    let count = prepared.model.layout.count
    let chunks = ChunkLayout(prepared.model.layout, size: count)
    let gradient = FloatBuffer((0..<count).map { Float($0 % 7) - 3 })
    func makeStore() -> ParameterStore {
      ParameterStore(chunks, optimizer, isShared: false) { prepared.model.initialize($0, seed: 0) }
    }
    func bits(_ buffer: FloatBuffer) -> [UInt32] { buffer.array.map(\.bitPattern) }
    var (plain, holding) = (makeStore(), makeStore())
    var held: [(slots: FloatBuffer, expected: [UInt32])] = []
    for number in 1...8 {
      for isHolding in [false, true] {
        func step(_ store: inout ParameterStore) {
          store.begin(number, steps: 1, isLast: false, weight: 4) { [] }
          _ = store.update(0, examples: 4)(gradient.values)
          store.advance()
        }
        if isHolding { step(&holding) } else { step(&plain) }
      }
      #expect(bits(plain.current) == bits(holding.current) && bits(plain.slots) == bits(holding.slots), "\(number)")
      if [2, 4, 5].contains(number) { held.append((holding.slots, bits(plain.slots))) }
      for (slots, expected) in held { #expect(bits(slots) == expected, "\(number)") }
    }
  }

  @Test("checkpoints that are held keep their bits, and change none of the run's", arguments: [0, 1, 3])
  func heldCheckpoints(outerEvery: UInt64) throws {
    var options = JobOptions()
    for (name, value) in [("model", "mlp:6"), ("outer-every", "\(outerEvery)")] { try options.set(name, to: value) }
    let optimizer = try PreparedJob(options, models: ModelFactory.builtIn).optimizer()
    let count = prepared.model.layout.count
    let chunks = ChunkLayout(prepared.model.layout, size: (count + 1) / 2)
    let gradient = FloatBuffer((0..<count).map { Float($0 % 7) - 3 })
    func step(_ store: inout ParameterStore, _ number: Int, isInterrupted: Bool = false) {
      store.begin(number, steps: 1, isLast: false, weight: 4) { [] }
      _ = store.update(0, examples: 4)(gradient.values[chunks[0]])
      if isInterrupted { return }
      _ = store.update(1, examples: 4)(gradient.values[chunks[1]])
      store.advance()
    }
    func bits(_ buffer: FloatBuffer) -> [UInt32] { buffer.array.map(\.bitPattern) }
    func makeStore() -> ParameterStore {
      ParameterStore(chunks, optimizer, isShared: false) {
        prepared.model.initialize($0, seed: 0)
      }
    }
    var (plain, holding) = (makeStore(), makeStore())
    var held: (parameters: FloatBuffer, slots: FloatBuffer)?
    var expected: (parameters: [UInt32], slots: [UInt32]) = ([], [])
    for number in 1...6 {
      step(&plain, number)
      step(&holding, number)
      if number == 2 {
        held = (holding.current, holding.slots)
        expected = (bits(plain.current), bits(plain.slots))
      }
      #expect(bits(plain.current) == bits(holding.current) && bits(plain.slots) == bits(holding.slots), "\(number)")
    }
    #expect(try bits(#require(held).parameters) == expected.parameters)
    #expect(try bits(#require(held).slots) == expected.slots)
    // The checkpoint is at hand, so the state before the step need not be.
    step(&holding, 7, isInterrupted: true)
    #expect(!holding.isWhole)
    step(&plain, 7, isInterrupted: true)
    #expect(plain.isWhole && bits(plain.slots) != expected.slots && plain.state.updates == 6)
    withExtendedLifetime(held) {}
  }
}
