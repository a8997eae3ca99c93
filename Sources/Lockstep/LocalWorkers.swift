internal import Cluster

/// Runs `body` while the worker processes of `launches` work for `coordinator`. They end with it.
func withWorkers<Result>(
  _ launches: [WorkerLaunch], of coordinator: Coordinator, maxRestarts: Int = 3, _ body: () throws -> Result
) throws -> Result {
  let processes = try WorkerProcesses(launches, mailbox: coordinator.mailbox, maxRestarts: maxRestarts)
  defer { processes.stop() }
  defer { coordinator.waitForWorkers() }
  return try body()
}

/// Runs `body` with a coordinator in this process while worker processes on this machine work for it.
///
/// - Parameters:
///   - timeline: a file in whose place each worker records a timeline of its own.
///   - makeCoordinator: takes the address to bind to.
func withLocalWorkers<Result>(
  _ workers: Int, threads: Int, maxRestarts: Int = 3, timeline: String? = nil,
  _ makeCoordinator: (String) throws -> Coordinator, _ body: (Coordinator) throws -> Result
) throws -> Result {
  let address = try LocalAddress()
  defer { address.remove() }
  let coordinator = try makeCoordinator(address.endpoint)
  let launches = try WorkerLaunch.local(
    workers, threads: threads, connectingTo: coordinator.address, timeline: timeline)
  return try withWorkers(launches, of: coordinator, maxRestarts: maxRestarts) { try body(coordinator) }
}
