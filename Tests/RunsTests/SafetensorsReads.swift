import Foundation
import Kernels
import Models
import Schema
import TestSupport

@testable import Files
@testable import Runs

/// Reads bytes as a safetensors file's, and their tensors as a model's.
///
/// - Returns: whether they could be read.
/// - Throws: ``Excess`` where that takes more memory than it may.
func readSafetensors(_ bytes: [UInt8]) throws -> Bool {
  let data = Data(bytes)
  var result: Result<Safetensors.File, any Error> = .failure(FileError(""))
  let allocation = Allocation { result = Result { try Safetensors.File(data, path: "model.safetensors") } }
  // Foundation's JSON takes 24 bytes a token before any value, in an array that grows by half.
  try allocation.check(honest: bytes.count, peak: 40, block: 25, constant: 1 << 15)
  do {
    let file = try result.get()
    var layout = ParameterLayout()
    for (name, shape) in file.tensors {
      let values = file.values(of: name)
      guard values?.count == shape.reduce(1, *) else { throw Excess("\(values?.count ?? 0) values of shape \(shape)") }
      layout.append(name, shape: shape)
    }
    let parameters = FloatBuffer(count: layout.count)
    try withExtendedLifetime(parameters) { try file.read(into: parameters.all, layout: layout) }
    return true
  } catch is FileError {
    return false
  }
}
