internal import Foundation
internal import Schema

/// An archive of NumPy arrays: features and labels by their names, and perhaps a test part.
enum NPZFile: DataSource {
  static let name = "npz"
  static let summary = "an archive of NumPy arrays"
  static let options: [OptionDeclaration] = [
    .label,
    .text(
      "features", valueName: "name", defaultText: "x, or another usual name",
      "The array of an archive that has the features."),
    .testFraction, .validationFraction, .imageScale,
  ]

  static func reads(_ path: String) -> Bool { path.hasSuffix(".npz") || startsWithArray(path) }

  /// Whether the file is a zip whose first member is an array.
  private static func startsWithArray(_ path: String) -> Bool {
    guard let reader = try? ByteReader(path: path), let header = try? reader.bytes(30), header.count == 30,
      header.starts(with: [0x50, 0x4B, 3, 4]), let name = try? reader.bytes(Int(header[26]) | Int(header[27]) << 8)
    else { return false }
    return name.suffix(4).elementsEqual(".npy".utf8)
  }

  static func read(_ request: DataRequest) throws -> DataParts {
    let archive = try NPZArchive(ZipArchive(path: request.location))
    guard request.wantsLabels else {
      return try archive.unlabelled(features: request.options.values["features"]?.description)
    }
    return try archive.parts(
      features: request.options.values["features"]?.description, label: request.options.values["label"]?.description)
  }
}

/// The arrays of an archive.
struct NPZArchive {
  private let archive: ZipArchive
  private let arrays: [String: ZipArchive.Member]

  init(_ archive: ZipArchive) throws {
    self.archive = archive
    var arrays: [String: ZipArchive.Member] = [:]
    for member in archive.members where member.name.hasSuffix(".npy") {
      let name = String(member.name.dropLast(4))
      guard arrays.updateValue(member, forKey: name) == nil else {
        throw DatasetError("\(archive.path) has two arrays of the name \(name): save it with numpy.savez")
      }
    }
    guard !arrays.isEmpty else {
      throw DatasetError(
        "\(archive.path) has no arrays, which are members whose names end in .npy: save it with numpy.savez")
    }
    self.arrays = arrays
  }

  /// Names that are usual for features and labels, of the training and of the test part.
  private static let usual: [(train: (String, String), test: (String, String)?)] = [
    (("x_train", "y_train"), ("x_test", "y_test")),
    (("X_train", "y_train"), ("X_test", "y_test")),
    (("train_images", "train_labels"), ("test_images", "test_labels")),
    (("x", "y"), nil), (("X", "y"), nil), (("data", "target"), nil), (("data", "labels"), nil),
    (("features", "labels"), nil), (("images", "labels"), nil), (("arr_0", "arr_1"), nil),
  ]

  /// The parts of the arrays that the options name, or of those with usual names.
  ///
  /// - Parameter label: an array's name, or the position of a column of the features.
  func parts(features: String?, label: String?) throws -> DataParts {
    if let features, arrays[features] == nil { throw missing("--features \(features)") }
    let column = label.flatMap { arrays[$0] == nil ? Int($0) : nil }
    if let label, arrays[label] == nil, column == nil { throw missing("--label \(label)") }
    if column == nil {
      let pair = NPZArchive.usual.first { usual in
        (features ?? usual.train.0) == usual.train.0 && (label ?? usual.train.1) == usual.train.1
          && arrays[usual.train.0] != nil && arrays[usual.train.1] != nil
      }
      if let pair { return DataParts(train: try table(pair.train), test: try testPart(pair.test)) }
      if let features, let label { return DataParts(train: try table((features, label))) }
    }
    let only = arrays.count == 1 ? arrays.keys.first : nil
    guard let table = features ?? only, column != nil || (label == nil && arrays.count == 1) else { throw missing(nil) }
    return DataParts(
      train: try DataTable(
        try array(table), labelColumn: column, otherwise: "--features NAME --label NAME names two arrays"))
  }

  /// The examples of the array that the option names, or of the only one, or of one with a usual name.
  func unlabelled(features: String?) throws -> DataParts {
    if let features, arrays[features] == nil { throw missing("--features \(features)") }
    let usual = NPZArchive.usual.map(\.train.0).first { arrays[$0] != nil }
    guard let name = features ?? (arrays.count == 1 ? arrays.keys.first : usual) else { throw missing(nil) }
    return DataParts(train: try DataTable(unlabelled: try array(name)))
  }

  private func testPart(_ names: (String, String)?) throws -> DataTable? {
    guard let names else { return nil }
    switch (arrays[names.0] != nil, arrays[names.1] != nil) {
    case (true, true): return try table(names)
    case (false, false): return nil
    case (let hasFeatures, _):
      let (there, missing) = hasFeatures ? names : (names.1, names.0)
      throw DatasetError("\(archive.path) has the array \(there) and no \(missing), which a test part needs too")
    }
  }

  private func table(_ names: (features: String, labels: String)) throws -> DataTable {
    try DataTable(try array(names.features), labels: try array(names.labels))
  }

  private func array(_ name: String) throws -> NPYArray {
    let (member, name) = (arrays[name]!, NPYName(file: archive.path, member: name))
    // A member of another size than its header says is not unpacked.
    if let head = try? archive.head(of: member, 1 << 16), let header = try? NPYHeader(head.all, name) {
      try header.check(size: member.size, try header.element(name), name)
    }
    let (bytes, range) = try archive.content(of: member)
    return try NPYArray(bytes, range, name)
  }

  /// - Parameter option: an option that names no array; nil if the usual names are not there.
  private func missing(_ option: String?) -> DatasetError {
    let names = arrays.keys.sorted()
    let list = names.prefix(20).map { "\($0) \(shape($0))" }.joined(separator: ", ") + (names.count > 20 ? ", …" : "")
    guard let option else {
      return DatasetError(
        "\(archive.path) has the arrays \(list): --features NAME --label NAME says which of them are the features and the labels"
      )
    }
    let word = String(option.split(separator: " ", maxSplits: 1)[1])
    return DatasetError("\(option): \(archive.path) has the arrays \(list)\(suggestion(word, names))")
  }

  private func shape(_ name: String) -> String {
    guard let head = try? archive.head(of: arrays[name]!, 1 << 12),
      let header = try? NPYHeader(head.all, NPYName(file: archive.path, member: name))
    else { return "(damaged)" }
    return header.shapeText
  }
}
