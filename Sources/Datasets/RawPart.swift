internal import Foundation

/// Features and labels as read, before it is decided what the labels are.
struct RawPart {
  var name: String
  var features: FeatureStorage
  var featureCount: Int
  var labels: [Float]
  /// Where label i stands in its file, for errors.
  var place: @Sendable (Int) -> String

  static let fashionMNISTFolder = "/usr/share/datasets/fashion-mnist"

  static func fashionMNIST() throws -> (train: RawPart, test: RawPart?) {
    guard FileManager.default.fileExists(atPath: fashionMNISTFolder) else {
      throw DatasetError(
        "fashion-mnist is not installed in \(fashionMNISTFolder): run deploy/install-dependencies.sh, or "
          + "`apt-get install dataset-fashion-mnist` on Debian and Ubuntu; elsewhere give the folder of its four "
          + "IDX files as --data")
    }
    return try idxFolder(fashionMNISTFolder)
  }

  /// The embedded digits: every fifth example, counted from the fifth, is the test part (359 of 1,797).
  static func digits() throws -> (train: RawPart, test: RawPart?) {
    let table = try CSVTable(label: nil) {
      try ByteReader(bytes: PackageResources.digits_csv_gz, name: "digits")
    }
    let width = table.columns - 1
    func part(_ belongs: (Int) -> Bool) -> RawPart {
      let rows = (0..<table.rows).filter(belongs)
      return RawPart(
        name: "digits", features: .floats(rows.flatMap { table.features[$0 * width..<($0 + 1) * width] }),
        featureCount: width, labels: rows.map { table.labels[$0] }, place: { "digits, example \(rows[$0] + 1)" })
    }
    return (part { $0 % 5 != 4 }, part { $0 % 5 == 4 })
  }

  static func load(_ source: DataSource) throws -> (train: RawPart, test: RawPart?) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: source.data, isDirectory: &isFolder) else {
      let isPath = source.data.contains("/") || source.data.contains(".")
      let known = isPath ? "" : "; the data that need no file are \(DataSource.builtIn.joined(separator: " and "))"
      throw DatasetError("--data \(source.data): no such file or folder\(known)")
    }
    if isFolder.boolValue {
      if source.label != nil {
        throw DatasetError("--label goes with a CSV file, and \(source.data) is a folder of IDX files")
      }
      if source.test != nil {
        throw DatasetError("--test goes with a CSV file, and \(source.data) is a folder of IDX files")
      }
      let parts = try idxFolder(source.data)
      if parts.test != nil && source.testFraction != nil {
        throw DatasetError("--test-fraction does not go with \(source.data), which has a test part of its own")
      }
      return parts
    }
    let train = try csv(source.data, label: source.label)
    guard let testPath = source.test else { return (train.part, nil) }
    if source.testFraction != nil { throw DatasetError("--test and --test-fraction exclude each other") }
    let test = try csv(testPath, label: source.label)
    guard train.table.columns == test.table.columns, train.table.labelColumn == test.table.labelColumn else {
      throw DatasetError(
        "\(testPath) has \(test.table.columns) columns with the label in \(test.table.columnName(test.table.labelColumn)), "
          + "\(source.data) has \(train.table.columns) with the label in \(train.table.columnName(train.table.labelColumn))"
      )
    }
    if let trainNames = train.table.names, let testNames = test.table.names, trainNames != testNames {
      let column = zip(trainNames, testNames).enumerated().first { $0.element.0 != $0.element.1 }!.offset
      throw DatasetError(
        "\(testPath): column \(column + 1) is '\(testNames[column])', and '\(trainNames[column])' in \(source.data)")
    }
    return (train.part, test.part)
  }

  private static func csv(_ path: String, label: String?) throws -> (part: RawPart, table: CSVTable) {
    var table = try CSVTable(label: label) { try ByteReader(path: path) }
    let column = table.columnName(table.labelColumn)
    let part = RawPart(
      name: path, features: .floats(table.features), featureCount: table.columns - 1, labels: table.labels,
      place: { "\(path), record \($0 + 1), column \(column)" })
    (table.features, table.labels) = ([], [])
    return (part, table)
  }

  /// A folder with `train-images…` and `train-labels…`, and `t10k-` or `test-` ones for the test part, each `.gz` or not.
  private static func idxFolder(_ folder: String) throws -> (train: RawPart, test: RawPart?) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    } catch {
      throw DatasetError("\(folder) cannot be read: \(error.localizedDescription)")
    }
    func file(_ prefixes: [String], _ what: String) -> String? {
      names.first { name in prefixes.contains { name.hasPrefix("\($0)-\(what)") } }.map { "\(folder)/\($0)" }
    }
    func part(_ prefixes: [String], required: Bool) throws -> RawPart? {
      let (images, labels) = (file(prefixes, "images"), file(prefixes, "labels"))
      if images == nil && labels == nil && !required { return nil }
      guard let images, let labels else {
        let missing = "\(prefixes.joined(separator: "- or "))-\(images == nil ? "images" : "labels")…"
        throw DatasetError(
          "\(folder) has no file \(missing); it should hold train-images…, train-labels…, t10k-images… and t10k-labels… in the IDX format"
        )
      }
      return try idx(images: images, labels: labels)
    }
    let train = try part(["train"], required: true)!
    let test = try part(["t10k", "test"], required: false)
    if let test, test.featureCount != train.featureCount {
      throw DatasetError(
        "\(test.name) has \(test.featureCount) values an example, \(train.name) has \(train.featureCount)")
    }
    return (train, test)
  }

  private static func idx(images path: String, labels labelPath: String) throws -> RawPart {
    let images = try IDXArray(path: path)
    let labels = try IDXArray(path: labelPath)
    let count = images.dimensions[0]
    guard labels.dimensions.count == 1 || labels.width == 1 else {
      throw DatasetError("\(labelPath) has \(labels.width) labels an example; one is needed")
    }
    guard labels.dimensions[0] == count else {
      throw DatasetError("\(labelPath) has \(labels.dimensions[0]) labels for the \(count) examples of \(path)")
    }
    guard count > 0, images.width > 0 else { throw DatasetError("\(path) has no examples") }
    let part = RawPart(
      name: path, features: images.elements, featureCount: images.width, labels: labels.elements.floats,
      place: { "\(labelPath), example \($0 + 1)" })
    if case .floats(let floats) = images.elements, let bad = floats.firstIndex(where: { !$0.isFinite }) {
      throw DatasetError(
        "\(path), example \(bad / images.width + 1), value \(bad % images.width + 1) is \(floats[bad]); clean the data first"
      )
    }
    if let bad = part.labels.firstIndex(where: { !$0.isFinite }) {
      throw DatasetError("\(part.place(bad)): the label is \(part.labels[bad])")
    }
    return part
  }

  /// How many classes there are, or nil for regression.
  func decideClasses(_ classify: Bool?, with test: RawPart?) throws -> Int? {
    if classify == false { return nil }
    let mostClasses = 100_000
    let largest = labels.max() ?? 0
    let areWhole = labels.allSatisfy { $0 >= 0 && $0 == $0.rounded() }
    guard classify == true else {
      guard areWhole, largest >= 1, largest < 1000 else { return nil }
      return Set(labels).count == Int(largest) + 1 ? Int(largest) + 1 : nil
    }
    if let bad = labels.firstIndex(where: { $0 < 0 || $0 != $0.rounded() || $0 >= Float(mostClasses) }) {
      throw DatasetError(
        "\(place(bad)): label \(labels[bad]) is no class; classes are the whole numbers 0, 1, 2, … below \(mostClasses) "
          + "(for numbers to predict, say --loss mean-squared-error)")
    }
    return max(Int(largest) + 1, 2)
  }

  /// The part as examples of `classes` classes, or of real targets where that is nil.
  func dataset(classes: Int?) throws -> Dataset {
    guard let classes else {
      return Dataset(features: features, targets: .values(labels), featureCount: featureCount, outputs: 1)
    }
    if let bad = labels.firstIndex(where: { $0 < 0 || $0 != $0.rounded() || $0 >= Float(classes) }) {
      throw DatasetError(
        "\(place(bad)): label \(labels[bad]) is out of range; the training part has classes 0 to \(classes - 1)")
    }
    return Dataset(
      features: features, targets: .classes(labels.map { Int32($0) }), featureCount: featureCount, outputs: 1)
  }
}

extension FeatureStorage {
  var floats: [Float] {
    switch self {
    case .bytes(let bytes): bytes.map { Float($0) }
    case .floats(let floats): floats
    }
  }
}
