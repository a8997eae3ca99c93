/// A day of the Gregorian calendar, also before it was in use (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
struct CivilDate: Equatable {
  var year: Int64
  /// 1…12.
  var month: Int64
  /// 1…31.
  var day: Int64

  init(year: Int64, month: Int64, day: Int64) { (self.year, self.month, self.day) = (year, month, day) }

  /// - Parameter days: since 1970-01-01.
  init(days: Int64) {
    // Years begin with March, so that a leap day is the last of its year; eras have 400 of them.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Since 1970-01-01.
  var days: Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// ISO 8601, without a time at midnight.
  static func text(_ instant: Int64) -> String {
    func digits(_ value: Int64, _ count: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    let (days, seconds) = split(instant)
    let date = CivilDate(days: days)
    let day = "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
    guard seconds > 0 else { return day }
    let time = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { digits($0, 2) }
    return "\(day)T\(time.joined(separator: ":"))"
  }

  /// The days and the seconds of the day of a time in seconds since 1970.
  static func split(_ instant: Int64) -> (days: Int64, seconds: Int64) {
    let days = (instant >= 0 ? instant : instant - 86_399) / 86_400
    return (days, instant - days * 86_400)
  }
}
