internal import Foundation

/// Whether heavy cases are run: those that take minutes or need a network of namespaces. `LOCKSTEP_HEAVY=1` says so, as
/// `.ci/run` does.
public let runsHeavyCases = ProcessInfo.processInfo.environment["LOCKSTEP_HEAVY"] == "1"

/// How many of `all` random cases are run: all of them, or a fiftieth where heavy cases are not.
public func randomCases(_ all: Int) -> Int { runsHeavyCases ? all : all / 50 }
