internal import Foundation
internal import Schema

/// A folder of IDX files in the layout of MNIST.
enum IDXFolder: DataSource {
  static let name = "idx"
  static let summary = "a folder of IDX files"
  static let options: [OptionDeclaration] = [.testFraction, .validationFraction, .imageScale]

  static func reads(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }

  static func read(_ request: DataRequest) throws -> DataParts { try read(folder: request.location) }

  /// Reads `train-images…` and `train-labels…`, and `t10k-…` or `test-…` for the test part. Each may be gzip.
  static func read(folder: String) throws -> DataParts {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    } catch {
      throw DatasetError("\(folder) cannot be read: \(error.localizedDescription)")
    }
    func file(_ prefixes: [String], _ what: String) -> String? {
      names.first { name in prefixes.contains { name.hasPrefix("\($0)-\(what)") } }.map { "\(folder)/\($0)" }
    }
    func part(_ prefixes: [String], required: Bool) throws -> DataTable? {
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
    return DataParts(train: train, test: test)
  }

  private static func idx(images path: String, labels labelPath: String) throws -> DataTable {
    let images = try IDXArray(path: path)
    let labels = try IDXArray(path: labelPath)
    let count = images.dimensions[0]
    guard labels.dimensions[0] == count else {
      throw DatasetError("\(labelPath) has \(labels.dimensions[0]) labels for the \(count) examples of \(path)")
    }
    guard count > 0, images.width > 0 else { throw DatasetError("\(path) has no examples") }
    guard labels.width > 0 else { throw DatasetError("\(labelPath) has no labels") }
    // Images without a channel dimension have one channel.
    let shape = Array(images.dimensions.dropFirst()) + (images.dimensions.count == 3 ? [1] : [])
    let width = labels.width
    return DataTable(
      name: path, count: count, features: images.elements, shape: shape.isEmpty ? [1] : shape,
      targets: labels.elements.floats, targetCount: width, place: { "\(labelPath), example \($0 / width + 1)" })
  }
}

/// Fashion-MNIST from Debian's package `dataset-fashion-mnist`.
enum FashionMNIST: DataSource {
  static let name = "fashion-mnist"
  static let summary = "fashion-mnist"
  static let options: [OptionDeclaration] = [.validationFraction, .imageScale]
  private static let folder = "/usr/share/datasets/fashion-mnist"

  static func read(_ request: DataRequest) throws -> DataParts {
    guard FileManager.default.fileExists(atPath: folder) else {
      throw DatasetError(
        "fashion-mnist is not installed in \(folder): run deploy/install-dependencies.sh, or `apt-get install "
          + "dataset-fashion-mnist` on Debian and Ubuntu; elsewhere give the folder of its four IDX files as --data")
    }
    return try IDXFolder.read(folder: folder)
  }
}
