import Dispatch
import Foundation

/// The median seconds of one call of `body`, over rounds of about 20 ms after a warm-up.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  func once(_ calls: Int) throws -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    for _ in 0..<calls { try body() }
    return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9 / Double(calls)
  }
  _ = try once(1)
  let calls = try max(1, Int(0.02 / once(1)))
  var times: [Double] = []
  for _ in 0..<9 { times.append(try once(calls)) }
  return times.sorted()[4]
}

func row(_ cells: String...) { print("| \(cells.joined(separator: " | ")) |") }

func places(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }

func percent(_ share: Double) -> String { String(format: "%.0f %%", 100 * share) }
