internal import Foundation

/// A line of a run's `metrics.jsonl`.
struct MetricsLine {
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
  let skipped: Int
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
  init?(_ bytes: some Sequence<UInt8>) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
      let kind = object["event"] as? String, let step = object["step"] as? Int, let epoch = object["epoch"] as? Int,
      (0...1 << 60).contains(step), (0...1 << 60).contains(epoch)
    else { return nil }
    func number(_ key: String) -> Double? { object[key] as? Double }
    func count(_ key: String) -> Int { (object[key] as? Int).map { max($0, 0) } ?? 0 }
    var (prefix, first, skipped) = ("", step, 0)
    switch kind {
    case "step", "steps":
      event = .steps
      prefix = "train_"
      first = object["first"] as? Int ?? step
      skipped = object["skipped"] as? Int ?? (object["skipped"] as? Bool == true ? 1 : 0)
      guard first >= 1, first <= step else { return nil }
    case "evaluation":
      guard let part = ["validation", "test"].first(where: { object["\($0)_loss"] != nil }) else { return nil }
      event = .evaluation(part: part)
      prefix = "\(part)_"
    case "epoch":
      guard let hash = object["parameters_sha256"] as? String, hash.utf8.count <= 64 else { return nil }
      event = .epoch(parametersSHA256: hash)
    case "checkpoint": event = .checkpoint(pauseSeconds: number("pause_seconds") ?? 0)
    default: return nil
    }
    (self.first, self.step, self.epoch, self.skipped) = (first, step, epoch, skipped)
    (examples, seconds, time) = (count("examples"), max(number("seconds") ?? 0, 0), number("time"))
    learningRate = number("learning_rate")
    (sumUpdateSeconds, sendSeconds) = (number("sum_update_seconds"), number("send_seconds"))
    loss = number(prefix == "train_" ? "loss" : "\(prefix)loss")
    (leastLoss, mostLoss) = (number("loss_min"), number("loss_max"))
    var figures: [String: Double] = [:]
    if !prefix.isEmpty {
      for (key, value) in object where key.hasPrefix(prefix) && key != "\(prefix)loss" {
        figures[String(key.dropFirst(prefix.count))] = value as? Double
      }
    }
    self.figures = figures
  }
}
