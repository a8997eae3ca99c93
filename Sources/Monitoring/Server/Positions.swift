/// How far a page has read of each run: `ID:GENERATION:NEXT`, separated by commas.
struct Positions: Equatable {
  struct Position: Equatable {
    var generation: String
    /// The next line of metrics.
    var next: Int
  }

  private(set) var runs: [Int: Position] = [:]

  /// What is not of the form is left out: that run's news begin with a reset.
  init(_ text: String) {
    for part in text.split(separator: ",").prefix(1024) {
      let fields = part.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count == 3, let run = Int(fields[0]), let next = Int(fields[2]), next >= 0,
        UInt32(fields[1], radix: 16) != nil
      else { continue }
      runs[run] = Position(generation: String(fields[1]), next: next)
    }
  }

  var text: String {
    runs.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.generation):\($0.value.next)" }.joined(separator: ",")
  }

  subscript(run: Int) -> Position? {
    get { runs[run] }
    set { runs[run] = newValue }
  }
}

/// What one page is told, event by event.
struct EventStream {
  private var positions: Positions
  private var statusChanges: [Int: Int] = [:]
  private var logCounts: [Int: Int] = [:]
  /// Runs whose reset the page has been told of, and their generation then.
  private var resets: [Int: String] = [:]

  /// The log is sent from its beginning: the page drops what it has.
  init(_ positions: Positions) { self.positions = positions }

  /// The events since the last call; empty if nothing has changed.
  mutating func next(_ site: Site) throws -> String {
    var text = ""
    func event(_ name: String, _ json: String) {
      text += "event: \(name)\nid: \(positions.text)\ndata: \(json)\n\n"
    }
    for (index, entry) in site.sources.enumerated() {
      let id = "\(index)"
      switch entry.source {
      case .run(let feed):
        let position = positions[index]
        if position?.generation != feed.generation, resets[index] != feed.generation {
          resets[index] = feed.generation
          event("reset", "{\"run\":\"\(id)\"}")
        }
        if let position, position.generation == feed.generation, position.next <= feed.lineCount {
          if let news = try feed.newsJSON(id: id, from: position.next) {
            positions[index]!.next = feed.lineCount + 1
            event("points", news)
          } else {
            positions[index] = nil
            resets[index] = feed.generation
            event("reset", "{\"run\":\"\(id)\"}")
          }
        }
        if statusChanges.updateValue(feed.statusChanges, forKey: index) != feed.statusChanges {
          event(
            "status",
            "{\"run\":\"\(id)\",\"status\":\(try feed.statusText),\"summary\":\(feed.summaryText ?? "null"),"
              + "\"problem\":\(feed.problem.map(quoted) ?? "null")}")
        }
        let known = logCounts.updateValue(feed.logCount, forKey: index) ?? 0
        if feed.logCount > known {
          event("log", "{\"run\":\"\(id)\",\"lines\":\(try json(feed.log.suffix(feed.logCount - known)))}")
        }
      case .sweep(let feed):
        if statusChanges.updateValue(feed.changes, forKey: index) != feed.changes {
          event("sweep", try feed.json(id: id, name: entry.name, as: "run"))
        }
      }
    }
    return text
  }
}
