internal import CKernels

// bf16 is the upper half of a float32: 8 bits of exponent, 7 of the fraction. Values are rounded to the nearest, ties to
// even; beyond the largest, about 3.39·10³⁸, they become infinite. Subnormal values stay, and a NaN stays one.

/// `output` = `input`, rounded to bf16, as float32 values. `output` may be `input`.
package func roundToBF16(_ input: Floats, into output: MutableFloats) {
  precondition(input.count == output.count, "rounding \(input.count) values into \(output.count)")
  kernels.round_bf16(output.base, input.base, input.count)
}

/// `sum` += `term`, elementwise. The first `roundedCount` values of both are rounded to bf16, and then their sum is; the
/// others are added in float32.
package func accumulate(_ term: Floats, into sum: MutableFloats, roundedCount: Int) {
  precondition(term.count == sum.count, "adding \(term.count) values to \(sum.count)")
  precondition(roundedCount >= 0 && roundedCount <= sum.count, "\(roundedCount) of \(sum.count) values to round")
  if roundedCount > 0 { kernels.accumulate_bf16(sum.base, term.base, roundedCount) }
  if roundedCount < sum.count {
    kernels.accumulate(sum.base + roundedCount, term.base + roundedCount, sum.count - roundedCount)
  }
}

/// Writes `values`, rounded, as 2 bytes each, little-endian on the machines that this runs on.
package func packBF16(_ values: Floats, into bytes: UnsafeMutableRawBufferPointer) {
  precondition(bytes.count == 2 * values.count, "packing \(values.count) values into \(bytes.count) bytes")
  guard let base = bytes.baseAddress else { return }
  kernels.pack_bf16(base, values.base, values.count)
}

/// Reads values of 2 bytes each, at any address.
package func unpackBF16(_ bytes: UnsafeRawBufferPointer, into values: MutableFloats) {
  precondition(bytes.count == 2 * values.count, "unpacking \(bytes.count) bytes into \(values.count) values")
  guard let base = bytes.baseAddress else { return }
  kernels.unpack_bf16(values.base, base, values.count)
}
