/// Events in the order of their times; of equal times, the one that was added first comes first. A binary heap.
struct EventQueue<Event> {
  private var heap: [(time: Int64, number: Int, event: Event)] = []
  private var added = 0

  var count: Int { heap.count }

  mutating func add(_ event: Event, at time: Int64) {
    added += 1
    heap.append((time, added, event))
    var index = heap.count - 1
    while index > 0, precedes(index, (index - 1) / 2) {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func removeFirst() -> (time: Int64, event: Event)? {
    guard !heap.isEmpty else { return nil }
    heap.swapAt(0, heap.count - 1)
    let (time, _, event) = heap.removeLast()
    var index = 0
    while true {
      var first = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count && precedes(child, first) { first = child }
      if first == index { return (time, event) }
      heap.swapAt(index, first)
      index = first
    }
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    (heap[left].time, heap[left].number) < (heap[right].time, heap[right].number)
  }
}
