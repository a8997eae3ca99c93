/// `change` = `weight` · (`start` − `end`), elementwise: each operation rounds once.
package func scaledDifference(_ start: Floats, _ end: Floats, weight: Float, into change: MutableFloats) {
  precondition(start.count == change.count && end.count == change.count, "a change of \(change.count) values")
  for index in change.indices { change[index] = weight * (start[index] - end[index]) }
}
