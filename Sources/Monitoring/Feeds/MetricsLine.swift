internal import Foundation

/// A line of a run's `metrics.jsonl`.
struct MetricsLine: Equatable {
  enum Event: Equatable {
    /// One step or several.
    case steps
    case evaluation(part: String)
    case epoch(parametersSHA256: String)
    case checkpoint(pauseSeconds: Double)
  }

  let event: Event
  /// The first step of the line; that of `step` but for lines of several steps.
  let first: Int
  let step: Int
  let epoch: Int
  /// 0 where none are counted.
  let examples: Int
  let seconds: Double
  /// When it was written, in seconds since 1970; nil in files of earlier versions.
  let time: Double?
  let learningRate: Double?
  let sumUpdateSeconds: Double?
  let sendSeconds: Double?
  let loss: Double?
  let leastLoss: Double?
  let mostLoss: Double?
  /// The model's figures by name.
  let figures: [String: Double]

  /// Reads a line.
  ///
  /// - Returns: nil if it is none of the kinds above, or a number is out of its range.
  init?(_ bytes: ArraySlice<UInt8>) {
    guard let fields = FlatObject(bytes) ?? FlatObject(parsing: bytes) else { return nil }
    self.init(fields)
  }

  /// The range of steps, epochs and examples.
  private static let counts = 0.0...0x1p53

  init?(_ object: FlatObject) {
    func count(_ key: String) -> Int? {
      object.numbers[key].flatMap { Self.counts.contains($0) && $0 == $0.rounded() ? Int($0) : nil }
    }
    guard let kind = object.texts["event"], let step = count("step"), let epoch = count("epoch") else { return nil }
    var (prefix, first) = ("", step)
    switch kind {
    case "step", "steps":
      event = .steps
      prefix = "train_"
      first = count("first") ?? step
      guard first >= 1, first <= step else { return nil }
    case "evaluation":
      guard let part = ["validation", "test"].first(where: { object.names.contains("\($0)_loss") }) else { return nil }
      event = .evaluation(part: part)
      prefix = "\(part)_"
    case "epoch":
      guard let hash = object.texts["parameters_sha256"], hash.utf8.count <= 64 else { return nil }
      event = .epoch(parametersSHA256: hash)
    case "checkpoint": event = .checkpoint(pauseSeconds: object.numbers["pause_seconds"] ?? 0)
    default: return nil
    }
    (self.first, self.step, self.epoch) = (first, step, epoch)
    (examples, seconds) = (count("examples") ?? 0, max(object.numbers["seconds"] ?? 0, 0))
    (time, learningRate) = (object.numbers["time"], object.numbers["learning_rate"])
    (sumUpdateSeconds, sendSeconds) = (object.numbers["sum_update_seconds"], object.numbers["send_seconds"])
    loss = object.numbers[prefix == "train_" ? "loss" : "\(prefix)loss"]
    (leastLoss, mostLoss) = (object.numbers["loss_min"], object.numbers["loss_max"])
    var figures: [String: Double] = [:]
    if !prefix.isEmpty {
      for (key, value) in object.numbers where key.hasPrefix(prefix) && key != "\(prefix)loss" {
        figures[String(key.dropFirst(prefix.count))] = value
      }
    }
    self.figures = figures
  }
}

/// A JSON object's numbers and texts; what else it has is left out.
struct FlatObject: Equatable {
  private(set) var numbers: [String: Double] = [:]
  private(set) var texts: [String: String] = [:]
  /// Of the members that are neither, such as null.
  private(set) var others: Set<String> = []

  var names: Set<String> { others.union(numbers.keys).union(texts.keys) }

  /// Reads any JSON object.
  init?(parsing bytes: ArraySlice<UInt8>) {
    guard let object = try? JSONDecoder().decode(FlatObject.self, from: Data(bytes)) else { return nil }
    self = object
  }

  /// Reads an object as this program writes it, on one line without blanks: ten times as fast, because a run may write ten
  /// thousand lines a second.
  ///
  /// - Returns: nil for any other text, which may be an object all the same.
  init?(_ bytes: ArraySlice<UInt8>) {
    numbers.reserveCapacity(16)
    guard bytes.withUnsafeBufferPointer({ scan($0) }) else { return nil }
  }

  private mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var place = 0
    func peek() -> UInt8? { place < bytes.count ? bytes[place] : nil }
    func take(_ character: Character) -> Bool {
      guard peek() == character.asciiValue else { return false }
      place += 1
      return true
    }
    /// A text without escapes.
    func text() -> String? {
      guard take("\"") else { return nil }
      let start = place
      while let byte = peek(), byte != UInt8(ascii: "\"") {
        guard byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\\") else { return nil }
        place += 1
      }
      defer { place += 1 }
      return place < bytes.count ? String(decoding: bytes[start..<place], as: UTF8.self) : nil
    }
    guard take("{") else { return false }
    repeat {
      guard let name = text(), take(":"), let first = peek() else { return false }
      switch first {
      case UInt8(ascii: "\""):
        guard let text = text() else { return false }
        texts[name] = text
      case UInt8(ascii: "{"):
        // The compute seconds of each worker, which hold no other object and no text but names.
        while let byte = peek(), byte != UInt8(ascii: "}") {
          guard byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "[") else { return false }
          place += 1
        }
        guard take("}") else { return false }
        others.insert(name)
      default:
        let start = place
        while let byte = peek(), byte != UInt8(ascii: ","), byte != UInt8(ascii: "}") { place += 1 }
        let word = String(decoding: bytes[start..<place], as: UTF8.self)
        switch word {
        case "null", "true", "false": others.insert(name)
        default:
          guard FlatObject.isNumber(bytes[start..<place]), let number = Double(word), number.isFinite else {
            return false
          }
          numbers[name] = number
        }
      }
    } while take(",")
    return take("}") && place == bytes.count
  }

  /// Whether `text` is a number of JSON (RFC 8259, section 6).
  private static func isNumber(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    var rest = text[...]
    func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    func take(_ characters: String) -> Bool {
      guard let byte = rest.first, characters.utf8.contains(byte) else { return false }
      rest = rest.dropFirst()
      return true
    }
    func digits() -> Bool {
      let count = rest.prefix(while: isDigit).count
      rest = rest.dropFirst(count)
      return count > 0
    }
    _ = take("-")
    if !take("0"), !digits() { return false }
    if take("."), !digits() { return false }
    if take("eE") {
      _ = take("+-")
      if !digits() { return false }
    }
    return rest.isEmpty
  }
}

extension FlatObject: Decodable {
  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Name.self)
    for name in container.allKeys {
      if let number = try? container.decode(Double.self, forKey: name) {
        numbers[name.stringValue] = number
      } else if let text = try? container.decode(String.self, forKey: name) {
        texts[name.stringValue] = text
      } else {
        others.insert(name.stringValue)
      }
    }
  }
}
