internal import Foundation
internal import Kernels

/// A NumPy array in a file of its own or in an archive, whose elements are read when they are used.
///
/// | offset | size | field                                                                                 |
/// | -----: | ---: | ------------------------------------------------------------------------------------- |
/// |      0 |    6 | `\x93NUMPY`                                                                           |
/// |      6 |    2 | the version: 1, 2 or 3, and 0                                                         |
/// |      8 |    2 | the length of the header, little-endian; 4 bytes from version 2 on                    |
/// |        |      | the header: a Python dict of `descr`, `fortran_order` and `shape`, blanks, a line end |
/// |        |      | the elements, row-major, or column-major where `fortran_order` is True                |
struct NPYArray {
  let name: NPYName
  /// The sizes, the number of examples first.
  let shape: [Int]
  let element: ArrayElement
  private let bytes: StoredBytes
  /// The place of the first element in ``bytes``.
  private let offset: Int

  /// Maps the file at `path`.
  init(path: String) throws {
    let bytes = try StoredBytes(path: path)
    try self.init(bytes, bytes.all.indices, NPYName(file: path))
  }

  /// The array in `range` of `bytes`. Column-major elements are copied to row-major ones, in memory of the same size.
  init(_ bytes: StoredBytes, _ range: Range<Int>, _ name: NPYName) throws {
    let header = try NPYHeader(UnsafeRawBufferPointer(rebasing: bytes.all[range]), name)
    let element = try header.element(name)
    try header.check(size: range.count, element, name)
    (self.name, shape, self.element) = (name, header.shape, element)
    let offset = range.lowerBound + header.length
    if header.isFortran, header.shape.filter({ $0 > 1 }).count > 1 {
      self.bytes = rowMajor(bytes, offset, header.shape, element.size)
      self.offset = 0
    } else {
      (self.bytes, self.offset) = (bytes, offset)
    }
  }

  /// `(2, 3)`, as Python writes it.
  var shapeText: String { NPYHeader.text(shape) }

  /// All values, row by row. A column can be left out.
  func numbers(omitting column: Int? = nil) -> StoredNumbers {
    let rows = shape.first ?? 1
    return StoredNumbers(
      bytes, at: offset, element, rows: rows, columns: shape.dropFirst().reduce(1, *), omitting: column)
  }

  /// The values of a column of a table.
  func column(_ column: Int) -> [Float] {
    let (rows, columns) = (shape[0], shape[1])
    return (0..<rows).map { row in
      var value: Float = 0
      element.convert(
        bytes.all.baseAddress! + offset + (row * columns + column) * element.size, count: 1, into: &value)
      return value
    }
  }

  /// - Throws: ``DatasetError`` if the array is no list of examples, or an empty one.
  func checkHasExamples() throws {
    guard let count = shape.first else {
      throw DatasetError("\(name) is a single number, of the shape (): an array with an example a row is needed")
    }
    guard count > 0, !shape.contains(0) else {
      throw DatasetError("\(name) has no examples: its shape is \(shapeText)")
    }
  }

  /// - Throws: ``DatasetError`` if the file has changed since it was opened.
  func checkUnchanged() throws { try bytes.checkUnchanged() }
}

/// Where an array is, for errors.
struct NPYName: CustomStringConvertible {
  let file: String
  /// Its name in an archive; nil for a file of its own.
  var member: String?

  var description: String { file + (member.map { ", array \($0)" } ?? "") }

  /// Python that saves the array again. The expression is of `array`.
  func saving(_ expression: String, isPickled: Bool = false) -> String {
    let file = pythonLiteral(file)
    let loaded = "numpy.load(\(file)\(isPickled ? ", allow_pickle=True" : ""))"
    let load = "import numpy, numpy.lib.recfunctions; "
    guard let member = member.map(pythonLiteral) else {
      return "python3 -c \"\(load)array = \(loaded); numpy.save(\(file), \(expression))\""
    }
    return
      "python3 -c \"\(load)arrays = dict(\(loaded)); array = arrays[\(member)]; arrays[\(member)] = \(expression); "
      + "numpy.savez(\(file), **arrays)\""
  }
}

/// What an array's header says.
struct NPYHeader {
  let shape: [Int]
  let isFortran: Bool
  /// The number of bytes before the first element.
  let length: Int
  /// The number of elements.
  let count: Int
  /// nil for a record of several fields.
  private let type: String?

  /// Reads the header at the start of `bytes`.
  init(_ bytes: UnsafeRawBufferPointer, _ name: NPYName) throws {
    guard !bytes.starts(with: [0x1F, 0x8B]) else {
      throw DatasetError(
        "\(name) is compressed with gzip: unpack it first, as in gunzip --keep \(shellWord(name.file))")
    }
    guard bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw DatasetError(
        "\(name) is not a NumPy array: it starts with \(bytes.prefix(6).map { [$0].hex }.joined(separator: " "))")
    }
    guard bytes.count >= 12 else { throw DatasetError("\(name) is truncated in its header") }
    guard (1...3).contains(bytes[6]), bytes[7] == 0 else {
      throw DatasetError(
        "\(name) has version \(bytes[6]).\(bytes[7]) of NumPy's format, and 1.0 to 3.0 are read: save it with numpy.save"
      )
    }
    let first = bytes[6] == 1 ? 10 : 12
    let size = bytes[8..<first].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard size <= bytes.count - first else { throw DatasetError("\(name) is truncated in its header") }
    length = first + size
    var parser = NPYHeaderParser(UnsafeRawBufferPointer(rebasing: bytes[first..<length]))
    guard let fields = parser.fields() else {
      throw DatasetError("\(name) is damaged: its header is not one that NumPy writes; save it again with numpy.save")
    }
    (type, isFortran, shape) = (fields.type, fields.isFortran, fields.shape)
    var count = 1
    // Zeros count as one here, so that an overflow of the other sizes' product is detected.
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
      guard !overflow else {
        throw DatasetError("\(name) says that it has the shape \(NPYHeader.text(shape)), which no file can hold")
      }
      count = product
    }
    self.count = shape.contains(0) ? 0 : count
  }

  /// - Throws: ``DatasetError`` unless header and elements have `size` bytes together.
  func check(size: Int, _ element: ArrayElement, _ name: NPYName) throws {
    let (needed, overflow) = count.multipliedReportingOverflow(by: element.size)
    let stored = size - length
    guard !overflow, needed == stored else {
      throw DatasetError(
        "\(name) has \(stored) bytes of elements, and its header says \(overflow ? "more than any file holds" : "\(needed)"): "
          + "\(shapeText) of \(typeText); \(overflow || needed > stored ? "it is truncated" : "something was appended to it"), "
          + "so save it again")
    }
  }

  static func text(_ shape: [Int]) -> String {
    shape.count == 1 ? "(\(shape[0]),)" : "(\(shape.map { "\($0)" }.joined(separator: ", ")))"
  }

  var shapeText: String { NPYHeader.text(shape) }
  /// The type as NumPy writes it.
  var typeText: String { type ?? "records" }

  /// - Throws: ``DatasetError`` for elements that are no numbers.
  func element(_ name: NPYName) throws -> ArrayElement {
    if let element = type.flatMap({ ArrayElement($0) }) { return element }
    guard let type else {
      throw DatasetError(
        "\(name) holds records of several fields: save a plain array, as in "
          + name.saving("numpy.lib.recfunctions.structured_to_unstructured(array)"))
    }
    let code = type.first.map { "<>|=".contains($0) } == true ? type.dropFirst() : type[...]
    let (what, expression): (String, String) =
      switch code.first {
      case "O": ("Python objects", "array.astype('float32')")
      case "S", "U", "a": ("text", "numpy.unique(array, return_inverse=True)[1]")
      case "c": ("complex numbers", "array.real")
      case "M", "m": ("times", "array.astype('int64')")
      case "f": ("numbers of an unusual size (\(type))", "array.astype('float32')")
      default: ("elements of the type '\(type.prefix(20))'", "array.astype('float32')")
      }
    throw DatasetError(
      "\(name) holds \(what): save numbers, as in \(name.saving(expression, isPickled: code.first == "O"))")
  }
}

/// Parses the Python dict of a header: the three fields that NumPy writes, in any order.
private struct NPYHeaderParser {
  private let text: UnsafeRawBufferPointer
  private var place = 0

  init(_ text: UnsafeRawBufferPointer) { self.text = text }

  /// The fields; nil if the text is not such a dict. The type is nil for a list of fields.
  mutating func fields() -> (type: String?, isFortran: Bool, shape: [Int])? {
    var type: String??
    var isFortran: Bool?
    var shape: [Int]?
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = string(), take(":") else { return nil }
      switch key {
      case "descr" where type == nil:
        if let name = string() {
          type = .some(name)
        } else if skipNested() {
          type = .some(nil)
        } else {
          return nil
        }
      case "fortran_order" where isFortran == nil:
        if take("True") { isFortran = true } else if take("False") { isFortran = false } else { return nil }
      case "shape" where shape == nil: shape = tuple()
      default: return nil
      }
      if !take(",") {
        guard take("}") else { return nil }
        break
      }
    }
    skipBlanks()
    guard place == text.count, let type, let isFortran, let shape else { return nil }
    return (type, isFortran, shape)
  }

  private mutating func skipBlanks() {
    while place < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[place]) { place += 1 }
  }

  /// Passes `word`, if it is next.
  private mutating func take(_ word: StaticString) -> Bool {
    skipBlanks()
    let next = UnsafeRawBufferPointer(rebasing: text[place..<min(text.count, place + word.utf8CodeUnitCount)])
    let isNext = next.elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    if isNext { place += word.utf8CodeUnitCount }
    return isNext
  }

  /// A string without escapes.
  private mutating func string() -> String? {
    skipBlanks()
    guard place < text.count, text[place] == 0x27 || text[place] == 0x22 else { return nil }
    guard let end = text[(place + 1)...].firstIndex(of: text[place]) else { return nil }
    let content = text[place + 1..<end]
    guard content.count <= 100, !content.contains(0x5C) else { return nil }
    place = end + 1
    return String(decoding: content, as: UTF8.self)
  }

  /// Passes a list or a tuple with all that is in it.
  private mutating func skipNested() -> Bool {
    guard place < text.count, text[place] == 0x5B || text[place] == 0x28 else { return false }
    var depth = 0
    while place < text.count {
      switch text[place] {
      case 0x5B, 0x28: depth += 1
      case 0x5D, 0x29: depth -= 1
      case 0x22, 0x27:
        guard let end = text[(place + 1)...].firstIndex(of: text[place]) else { return false }
        place = end
      default: break
      }
      place += 1
      if depth == 0 { return true }
    }
    return false
  }

  private mutating func tuple() -> [Int]? {
    guard take("(") else { return nil }
    var sizes: [Int] = []
    while !take(")") {
      // NumPy's limit.
      guard sizes.count < 64, let size = whole() else { return nil }
      sizes.append(size)
      if !take(",") {
        // One number in parentheses is no tuple in Python.
        guard sizes.count > 1, take(")") else { return nil }
        break
      }
    }
    return sizes
  }

  private mutating func whole() -> Int? {
    skipBlanks()
    let digits = text[place...].prefix { (0x30...0x39).contains($0) }
    guard !digits.isEmpty, digits.count < 20, let value = Int(String(decoding: digits, as: UTF8.self)) else {
      return nil
    }
    place += digits.count
    // Python 2 marked long numbers.
    if place < text.count, text[place] == UInt8(ascii: "L") { place += 1 }
    return value
  }
}

/// A copy of column-major elements in row-major order.
///
/// Column-major elements of the shape (s₀, s₁, …) are a list of columns of s₀ elements, one for each place in the other
/// sizes, of which the first changes fastest. Some rows at a time are copied from all columns, so that what is read and
/// what is written stay in the cache.
private func rowMajor(_ bytes: StoredBytes, _ offset: Int, _ shape: [Int], _ size: Int) -> StoredBytes {
  let (rows, columns) = (shape[0], shape.dropFirst().reduce(1, *))
  let count = rows * columns * size
  let memory = StoredBytes.allocate(count)
  guard count > 0, let base = bytes.all.baseAddress else { return StoredBytes(owning: memory, count: 0, from: bytes) }
  let others = Array(shape.dropFirst())
  // How far apart neighbours along each of the other sizes are in a row.
  let strides = others.indices.map { others[($0 + 1)...].reduce(1, *) }
  let block = 64
  for first in stride(from: 0, to: rows, by: block) {
    var place = [Int](repeating: 0, count: others.count)
    var target = 0
    for column in 0..<columns {
      let source = base + offset + (column * rows + first) * size
      let output = memory + (first * columns + target) * size
      for row in 0..<min(block, rows - first) {
        (output + row * columns * size).copyMemory(from: source + row * size, byteCount: size)
      }
      for axis in others.indices {
        place[axis] += 1
        target += strides[axis]
        if place[axis] < others[axis] { break }
        target -= place[axis] * strides[axis]
        place[axis] = 0
      }
    }
  }
  return StoredBytes(owning: memory, count: count, from: bytes)
}
