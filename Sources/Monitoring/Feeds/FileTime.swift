internal import Foundation

/// When a file was last replaced or written; nil if there is none.
struct FileTime: Equatable {
  private let number: ino_t
  private let seconds: Int
  private let nanoseconds: Int
  private let size: off_t

  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    (number, seconds, nanoseconds, size) = (status.st_ino, time.tv_sec, time.tv_nsec, status.st_size)
  }
}
