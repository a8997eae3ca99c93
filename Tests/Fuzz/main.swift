import Foundation

@testable import Cluster
@testable import Protocol
@testable import Runs

/// libFuzzer's loop. Its own main function would collide with the package manager's way of linking.
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
  _ argumentCount: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The reader that LOCKSTEP_FUZZ names.
func reader() -> ([UInt8]) throws -> Bool {
  switch ProcessInfo.processInfo.environment["LOCKSTEP_FUZZ"] {
  case "from-worker":
    { bytes in
      _ = readRecord(bytes)
      var coordinator = BesiegedCoordinator(
        others: bytes.count % 3, bytes.count % 2 == 0 ? .float32 : .bf16, isLocal: bytes.count % 5 < 2)
      for message in RawMessage.all(in: bytes) {
        _ = try coordinator.receive(message)
        coordinator.wait(0.25)
      }
      return true
    }
  case "from-coordinator":
    { bytes in
      _ = readRecord(bytes)
      var worker = BesiegedWorker(
        .simulated, bytes.count % 2 == 0 ? .float32 : .bf16, isLocal: bytes.count % 5 < 2)
      for message in RawMessage.all(in: bytes) where !worker.isOver {
        _ = try worker.receive(message)
        worker.wait(0.25)
      }
      return true
    }
  case "to-relay":
    { bytes in
      var relay = BesiegedRelay(bytes.count % 2 == 0 ? .float32 : .bf16, isLocal: bytes.count % 5 < 2)
      relay.assign(step: 0)
      for (index, message) in RawMessage.all(in: bytes).enumerated() {
        _ = try relay.receive(message, isFromAbove: index % 2 == 0)
      }
      return true
    }
  case "idx": readIDX
  case "csv": readCSV
  case "jsonl": readJSONL
  case "npy": readNPY
  case "npz": readNPZ
  case "jobs": readJob
  case "safetensors": readSafetensors
  case let other: fatalError("LOCKSTEP_FUZZ names no reader: \(other ?? "it is not set")")
  }
}

let read = reader()
var arguments = CommandLine.unsafeArgv
var argumentCount = CommandLine.argc
exit(
  runFuzzer(&argumentCount, &arguments) { start, count in
    do {
      _ = try read(Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
      fatalError("\(error)")
    }
    return 0
  })
