internal import Cluster

/// Runs a coordinator in this process, and worker processes on this machine that end with it.
///
/// - Parameters:
///   - timeline: a file in whose place each worker records a timeline of its own.
///   - makeCoordinator: takes the address to bind to.
///   - body: what the coordinator does.
func withLocalWorkers<Result>(
  _ workers: Int, threads: Int, maxRestarts: Int = 3, timeline: String? = nil,
  _ makeCoordinator: (String) throws -> Coordinator, _ body: (Coordinator) throws -> Result
) throws -> Result {
  let address = try LocalAddress()
  defer { address.remove() }
  let coordinator = try makeCoordinator(address.endpoint)
  let launches = try WorkerLaunch.local(
    workers, threads: threads, connectingTo: coordinator.address, timeline: timeline)
  let processes = try WorkerProcesses(launches, mailbox: coordinator.mailbox, maxRestarts: maxRestarts)
  defer { processes.stop() }
  defer { coordinator.waitForWorkers() }
  return try body(coordinator)
}
