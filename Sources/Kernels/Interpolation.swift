/// `result` = a + w (b − a), elementwise, with w: `weight`; b itself where w is 1. Each operation rounds once.
package func interpolate(_ a: Floats, _ b: Floats, weight: Double, into result: MutableFloats) {
  precondition(a.count == result.count && b.count == result.count, "\(result.count) values between two vectors")
  guard weight != 1 else { return result.copy(b) }
  let weight = Float(weight)
  for index in result.indices { result[index] = a[index] + weight * (b[index] - a[index]) }
}
