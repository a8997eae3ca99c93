/// Records of a TensorBoard event file: `tensorflow.Event` messages (tensorflow/core/util/event.proto) in TFRecord frames.
///
/// | size | field                                        |
/// | ---: | -------------------------------------------- |
/// |    8 | length n of the message, little-endian       |
/// |    4 | masked CRC-32C of the length                 |
/// |    n | the message                                  |
/// |    4 | masked CRC-32C of the message                |
enum EventFile {
  static func record(_ message: ProtobufMessage) -> [UInt8] {
    func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    let length = little(UInt64(message.bytes.count))
    return length + little(CRC32C.masked(length)) + message.bytes + little(CRC32C.masked(message.bytes))
  }

  /// The first record of a file.
  static func version(time: Double) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, time)
      $0.add(3, "brain.Event:2")
    }
  }

  /// Says that what readers have from `step` on is void.
  static func restart(time: Double, step: Int) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, time)
      if step != 0 { $0.add(2, step) }
      $0.add(7, ProtobufMessage { $0.add(1, 1) })
    }
  }

  /// An event with values, all of one step.
  static func summary(time: Double, step: Int, _ values: [ProtobufMessage]) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, time)
      if step != 0 { $0.add(2, step) }
      $0.add(
        5,
        ProtobufMessage { summary in
          for value in values { summary.add(1, value) }
        })
    }
  }

  static func scalar(_ tag: String, _ value: Double) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, tag)
      $0.add(2, Float(value))
    }
  }

  /// Markdown.
  static func text(_ tag: String, _ text: String) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, tag)
      $0.add(
        8,
        ProtobufMessage {
          $0.add(1, 7)  // DT_STRING
          $0.add(2, ProtobufMessage { $0.add(2, ProtobufMessage { $0.add(1, 1) }) })
          $0.add(8, text)
        })
      $0.add(9, metadata("text", [], dataClass: 2))
    }
  }

  static func histogram(_ tag: String, _ histogram: Histogram) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, tag)
      $0.add(5, histogram.message)
    }
  }

  /// What the hparams plugin reads (tensorboard/plugins/hparams/plugin_data.proto).
  static func hyperparameters(_ tag: String, _ content: ProtobufMessage) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(1, tag)
      $0.add(
        8,
        ProtobufMessage {
          $0.add(1, 1)  // DT_FLOAT
          $0.add(2, ProtobufMessage())
          $0.add(5, [UInt8](repeating: 0, count: 4))
        })
      $0.add(9, metadata("hparams", content.bytes, dataClass: 2))
    }
  }

  /// - Parameter dataClass: 2 is a tensor.
  private static func metadata(_ plugin: String, _ content: [UInt8], dataClass: Int) -> ProtobufMessage {
    ProtobufMessage {
      $0.add(
        1,
        ProtobufMessage {
          $0.add(1, plugin)
          if !content.isEmpty { $0.add(2, content) }
        })
      $0.add(4, dataClass)
    }
  }
}
