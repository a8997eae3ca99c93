extension ColumnCells {
  /// A column's cells, or why they are not of its declared type.
  enum Finished {
    case cells(Table.Cells, isDayFirst: Bool?)
    /// The first cell that is no date, or another kind of date than those before; or that is no text.
    case flaw(CellFlaw.Kind, row: Int, text: String)
  }

  /// The cells of the whole column. Words that are all dates become instants, unless they are declared to be a category.
  ///
  /// - Parameters:
  ///   - type: the declared type.
  ///   - isDayFirst: whether days precede months where both are numbers; nil if it is not known.
  ///   - infersDayFirst: whether the cells tell it then.
  func finished(_ type: ColumnType?, isDayFirst: Bool?, infersDayFirst: Bool) -> Finished {
    guard mode == .words || mode == .raw else { return .cells(.numbers(numbers), isDayFirst: nil) }
    if let word = words.firstNoText { return flaw(.notText, word) }
    if mode == .raw { return .cells(.levels(codes, (0..<words.count).map { words[$0] }), isDayFirst: nil) }
    if type == .date || type == nil && !words.isEmpty {
      switch DateText.instants(words, isDayFirst: isDayFirst, infersDayFirst: infersDayFirst) {
      case .all(let instants, let isDayFirst):
        let all = codes.map { $0 < 0 ? Table.missingInstant : instants[Int($0)] }
        return .cells(.instants(all), isDayFirst: isDayFirst)
      case .not(let word) where type == .date: return flaw(.notDate, word)
      case .not: break
      }
    }
    return .cells(levels, isDayFirst: nil)
  }

  private func flaw(_ kind: CellFlaw.Kind, _ word: Int) -> Finished {
    .flaw(kind, row: codes.firstIndex(of: Int32(word))!, text: Table.shown(words[word]))
  }

  private var levels: Table.Cells {
    var codeOfWord = [Int32](repeating: 0, count: words.count)
    var levels: [String]
    if words.isASCII {
      let order = words.sorted()
      for (code, word) in order.enumerated() { codeOfWord[word] = Int32(code) }
      levels = order.map { words[$0] }
    } else {
      // Other words may be equal as texts, which spell a letter in two ways.
      let all = (0..<words.count).map { words[$0] }
      levels = []
      var firsts: [String: Int32] = [:]
      for word in all where firsts.updateValue(0, forKey: word) == nil { levels.append(word) }
      levels.sort { $0.precedes($1) }
      for (code, level) in levels.enumerated() { firsts[level] = Int32(code) }
      for (word, text) in all.enumerated() { codeOfWord[word] = firsts[text]! }
    }
    return .levels(codes.map { $0 < 0 ? -1 : codeOfWord[Int($0)] }, levels)
  }
}
