/// Reads dates from words, all of which must be of one kind.
struct DateText {
  /// A date whose first two numbers may be the day and the month or the month and the day.
  private enum Reading {
    case instant(Int64)
    case either(first: Int64, second: Int64, year: Int64, seconds: Int64)
  }

  /// The seconds since 1970 of each word, or which word is the first that is no date, or contradicts those before.
  enum Instants: Equatable {
    /// - isDayFirst: whether days precede months where both are numbers; nil if they are not.
    case all([Int64], isDayFirst: Bool?)
    case not(word: Int)
  }

  private struct NotDate: Error {
    let word: Int
  }

  /// Reads dates from words of one column.
  ///
  /// - Parameters:
  ///   - isDayFirst: whether days precede months where both are numbers; nil if it is not known.
  ///   - infersDayFirst: whether the words tell it then, and the month is first if they do not. Otherwise such words are no
  ///     dates.
  static func instants(_ words: Words, isDayFirst given: Bool? = nil, infersDayFirst: Bool = true) -> Instants {
    var readings: [Reading] = []
    var isDayFirst = given
    do {
      try words.forEach { (word, text) throws(NotDate) in
        guard let reading = reading(of: text) else { throw NotDate(word: word) }
        if case .either = reading, given == nil, !infersDayFirst { throw NotDate(word: word) }
        if case .either(let first, let second, _, _) = reading, first > 12 || second > 12 {
          guard isDayFirst ?? (first > 12) == (first > 12) else { throw NotDate(word: word) }
          isDayFirst = first > 12
        }
        readings.append(reading)
      }
    } catch {
      return .not(word: error.word)
    }
    var instants: [Int64] = []
    instants.reserveCapacity(readings.count)
    var isEither = false
    for (word, reading) in readings.enumerated() {
      switch reading {
      case .instant(let instant): instants.append(instant)
      case .either(let first, let second, let year, let seconds):
        isEither = true
        let (month, day) = isDayFirst == true ? (second, first) : (first, second)
        guard let days = days(year, month, day) else { return .not(word: word) }
        instants.append(days * 86_400 + seconds)
      }
    }
    return .all(instants, isDayFirst: isEither ? isDayFirst ?? false : nil)
  }

  /// Whether all of `words` are dates of one kind.
  static func areDates(_ words: [String]) -> Bool {
    var all = Words()
    for var word in words { word.withUTF8 { _ = all.number(of: $0) } }
    if case .all = instants(all) { return true }
    return false
  }

  private static let months = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
  ]

  /// Nil if there is no such day.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
    guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
    let date = CivilDate(year: year, month: month, day: day)
    return CivilDate(days: date.days) == date ? date.days : nil
  }

  private static func reading(of text: UnsafeBufferPointer<UInt8>) -> Reading? {
    let text = CellText.trimmed(text)
    guard text.count >= 6, text.count <= 40, text.contains(where: { $0 &- 48 < 10 }) else { return nil }
    var parser = Parser(text: text)
    guard let date = date(&parser) else { return nil }
    guard let seconds = time(&parser), parser.isAtEnd else { return nil }
    switch date {
    case .instant(let days): return .instant(days * 86_400 + seconds)
    case .either(let first, let second, let year, _):
      guard days(year, first, second) != nil || days(year, second, first) != nil else { return nil }
      return .either(first: first, second: second, year: year, seconds: seconds)
    }
  }

  /// The day, with days in place of seconds.
  private static func date(_ parser: inout Parser) -> Reading? {
    if let month = parser.month() {
      // Jan 1 2000, Jan 1, 2000, Jan-1-2000.
      if !parser.skip(" ") { parser.skip("-") }
      guard let day = parser.number(1...2) else { return nil }
      parser.skip(",")
      guard parser.skip(" ") || parser.skip("-"), let year = parser.number(4...4) else { return nil }
      return days(year, month, day).map { .instant($0) }
    }
    if parser.text.count == 8, parser.text.allSatisfy({ $0 &- 48 < 10 }) {
      // 20000131, which only a declared date can be.
      guard let year = parser.number(4...4), let month = parser.number(2...2), let day = parser.number(2...2) else {
        return nil
      }
      return days(year, month, day).map { .instant($0) }
    }
    guard let first = parser.number(1...4) else { return nil }
    let isYear = parser.digits == 4
    if parser.digits == 3 { return nil }
    guard let separator = parser.separator() else { return nil }
    if !isYear, let month = parser.month() {
      // 1 Jan 2000, 1-Jan-2000.
      guard parser.skip(separator), let year = parser.number(4...4) else { return nil }
      return days(year, month, first).map { .instant($0) }
    }
    guard separator != " ", let second = parser.number(1...2) else { return nil }
    if isYear {
      guard parser.skip(separator) else {
        return separator == "-" && parser.isAtEnd ? days(first, second, 1).map { .instant($0) } : nil
      }
      guard let day = parser.number(1...2) else { return nil }
      return days(first, second, day).map { .instant($0) }
    }
    guard parser.skip(separator), let year = parser.number(4...4) else { return nil }
    // With points the day comes first.
    if separator == "." { return days(year, second, first).map { .instant($0) } }
    return .either(first: first, second: second, year: year, seconds: 0)
  }

  /// The seconds of the day in UTC; 0 without a time.
  private static func time(_ parser: inout Parser) -> Int64? {
    guard !parser.isAtEnd else { return 0 }
    guard parser.skip("T") || parser.skip(" "), let hour = parser.number(1...2), hour < 24, parser.skip(":"),
      let minute = parser.number(2...2), minute < 60
    else { return nil }
    var seconds = hour * 3600 + minute * 60
    if parser.skip(":") {
      guard let second = parser.number(2...2), second < 61 else { return nil }
      seconds += second
      if parser.skip(".") { while parser.number(1...1) != nil {} }
    }
    parser.skip(" ")
    if parser.skip("Z") || parser.isAtEnd { return seconds }
    let isWest = parser.skip("-")
    guard isWest || parser.skip("+"), let hours = parser.number(2...2), hours < 24 else { return nil }
    parser.skip(":")
    let minutes = parser.isAtEnd ? 0 : parser.number(2...2) ?? 60
    guard minutes < 60 else { return nil }
    let offset = hours * 3600 + minutes * 60
    return isWest ? seconds + offset : seconds - offset
  }

  private struct Parser {
    let text: UnsafeBufferPointer<UInt8>
    var place = 0
    /// Of the last number.
    var digits = 0

    var isAtEnd: Bool { place == text.count }

    init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    mutating func number(_ counts: ClosedRange<Int>) -> Int64? {
      var value: Int64 = 0
      digits = 0
      while place < text.count, text[place] &- 48 < 10, digits < counts.upperBound {
        value = value * 10 + Int64(text[place] - 48)
        (place, digits) = (place + 1, digits + 1)
      }
      return counts.contains(digits) ? value : nil
    }

    @discardableResult
    mutating func skip(_ byte: Unicode.Scalar) -> Bool {
      guard place < text.count, text[place] == UInt8(ascii: byte) else { return false }
      place += 1
      return true
    }

    mutating func separator() -> Unicode.Scalar? {
      for separator in ["-", "/", ".", " "] as [Unicode.Scalar] where skip(separator) { return separator }
      return nil
    }

    /// A month's name, or its first three letters.
    mutating func month() -> Int64? {
      let word = text[place...].prefix { ($0 | 0x20) &- 97 < 26 }.map { $0 | 0x20 }
      guard word.count >= 3 else { return nil }
      let name = String(decoding: word, as: UTF8.self)
      guard let index = DateText.months.firstIndex(where: { $0 == name || $0.prefix(3) == name }) else { return nil }
      place += word.count
      skip(".")
      return Int64(index) + 1
    }
  }
}
