internal import Foundation

/// Lets the calling thread run only where the run leaves a core, or its small share.
func lowerPriority() {
  #if os(Linux)
    // Of the thread, on Linux.
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
  #endif
}
