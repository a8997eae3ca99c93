internal import Foundation
internal import Protocol

/// Raises the limit on open files, and refuses a limit below `needed`: libzmq aborts the process when it runs out of
/// descriptors.
func ensureDescriptors(_ needed: Int) throws {
  #if canImport(Darwin)
    let resource = RLIMIT_NOFILE
  #else
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  #endif
  var limit = rlimit()
  let plenty = 1 << 17
  guard getrlimit(resource, &limit) == 0, limit.rlim_cur < rlim_t(plenty) else { return }
  let former = limit.rlim_cur
  limit.rlim_cur = min(limit.rlim_max, rlim_t(plenty))
  if setrlimit(resource, &limit) != 0 { limit.rlim_cur = former }
  guard limit.rlim_cur >= rlim_t(needed) else {
    throw TrainingError(
      "\(needed) open files are needed, and \(limit.rlim_max) are allowed: raise the limit (ulimit -n)")
  }
}
