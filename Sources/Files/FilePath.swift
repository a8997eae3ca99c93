internal import Foundation

/// A path split into folder and name. Foundation's functions for this trap at paths of one letter (Swift 6.3).
package struct FilePath {
  /// Empty for the current folder.
  package let folder: String
  /// The last component; empty for the root.
  package let name: String

  /// Slashes at the end of `path` are ignored.
  package init(_ path: String) {
    let bytes = Array(path.utf8)
    let slash = UInt8(ascii: "/")
    let end = (bytes.lastIndex { $0 != slash } ?? -1) + 1
    let start = (bytes[..<end].lastIndex(of: slash) ?? -1) + 1
    name = String(decoding: bytes[start..<end], as: UTF8.self)
    let folderEnd = (bytes[..<start].lastIndex { $0 != slash } ?? -1) + 1
    folder = bytes.first == slash && folderEnd == 0 ? "/" : String(decoding: bytes[..<folderEnd], as: UTF8.self)
  }

  /// The path of `name` in the same folder.
  package func beside(_ name: String) -> String {
    folder.isEmpty ? name : folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }
}
