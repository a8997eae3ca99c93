internal import Foundation
internal import Kernels
internal import Schema

/// A run's options for TensorBoard's hparams plugin (tensorboard/plugins/hparams: api.proto, plugin_data.proto).
extension TensorBoardWriter.Job {
  /// The values of a file's first event.
  func values(_ time: Double) -> [ProtobufMessage] {
    [
      EventFile.text("job", "```yaml\n\(yaml)\n```"),
      EventFile.hyperparameters("_hparams_/experiment", ProtobufMessage { $0.add(2, experiment(time)) }),
      EventFile.hyperparameters("_hparams_/session_start_info", ProtobufMessage { $0.add(3, session(time)) }),
    ]
  }

  static func end(_ time: Double, _ hasSucceeded: Bool) -> ProtobufMessage {
    EventFile.hyperparameters(
      "_hparams_/session_end_info",
      ProtobufMessage {
        $0.add(
          4,
          ProtobufMessage {
            $0.add(1, hasSucceeded ? 1 : 2)
            $0.add(2, time)
          })
      })
  }

  private var sorted: [(name: String, value: OptionValue)] {
    options.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private func experiment(_ time: Double) -> ProtobufMessage {
    ProtobufMessage { experiment in
      experiment.add(3, time)
      for (name, value) in sorted {
        experiment.add(
          4,
          ProtobufMessage {
            $0.add(1, name)
            $0.add(4, value.dataType)
          })
      }
      let parts = parts.reversed() + ["train"]
      for tag in parts.flatMap({ part in (["loss"] + figures).map { "\(part)/\($0)" } }) {
        experiment.add(5, ProtobufMessage { $0.add(1, ProtobufMessage { $0.add(2, tag) }) })
      }
    }
  }

  private func session(_ time: Double) -> ProtobufMessage {
    ProtobufMessage { session in
      for (name, value) in sorted {
        session.add(
          1,
          ProtobufMessage {
            $0.add(1, name)
            $0.add(2, value.message)
          })
      }
      session.add(4, group)
      session.add(5, time)
    }
  }

  /// The same for all seeds of one setting.
  private var group: String {
    var hash = SHA256()
    let text = sorted.filter { $0.name != "seed" }.map { "\($0.name)=\($0.value.description)" }.joined(separator: "\n")
    Array(text.utf8).withUnsafeBytes { hash.update($0) }
    return String(hash.digest.hex.prefix(16))
  }
}

extension OptionValue {
  /// `google.protobuf.Value`.
  fileprivate var message: ProtobufMessage {
    ProtobufMessage { message in
      switch self {
      case .flag(let value): message.add(4, value ? 1 : 0)
      case .whole, .real: message.add(2, number ?? 0)
      case .text(let value): message.add(3, value)
      }
    }
  }

  /// hparams' `DataType`.
  fileprivate var dataType: Int {
    switch self {
    case .text: 1
    case .flag: 2
    case .whole, .real: 3
    }
  }
}
