internal import Foundation

/// A path in its parts, as the system reads it: Foundation's functions for that trap at paths of one letter (Swift 6.3).
package struct FilePath {
  /// The folder that it is in; empty for the present one.
  package let folder: String
  /// Its last part; empty for the root alone.
  package let name: String

  /// The parts of `path`; slashes at its end do not count.
  package init(_ path: String) {
    let bytes = Array(path.utf8)
    let slash = UInt8(ascii: "/")
    let end = (bytes.lastIndex { $0 != slash } ?? -1) + 1
    let start = (bytes[..<end].lastIndex(of: slash) ?? -1) + 1
    name = String(decoding: bytes[start..<end], as: UTF8.self)
    let folderEnd = (bytes[..<start].lastIndex { $0 != slash } ?? -1) + 1
    folder = bytes.first == slash && folderEnd == 0 ? "/" : String(decoding: bytes[..<folderEnd], as: UTF8.self)
  }

  /// Something called `name` in the same folder.
  package func beside(_ name: String) -> String {
    folder.isEmpty ? name : folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }
}
