internal import Cluster
internal import Protocol
internal import Runs
internal import ZeroMQ

/// How other machines are reached, and what their workers know of this one.
struct TrialHosts: Sendable {
  let hosts: [RemoteHost]
  /// The words of a command that takes a host and a command line.
  let ssh: [String]
  let remoteProgram: String?
  /// Where each trial's coordinator listens, with port 0.
  let bind: String
  /// This machine's name for others; nil for its address.
  let advertised: String?
  private let key: CurveKeyPair
  private let workers: CurveKeyPair

  /// Makes keys for the sweep, which are on no disk.
  init(_ hosts: [RemoteHost], ssh: [String], remoteProgram: String?, bind: String, advertised: String?) throws {
    (self.hosts, self.ssh, self.remoteProgram) = (hosts, ssh, remoteProgram)
    (self.bind, self.advertised) = (bind, advertised)
    (key, workers) = (try CurveKeyPair.random(), try CurveKeyPair.random())
  }

  func coordinator(_ run: CoordinatedRun) throws -> Coordinator {
    try Coordinator(
      run, binding: boundEndpoint(bind), awaitedWorkers: 1,
      security: CoordinatorSecurity(key, admitting: AuthorizedKeys([workers.publicKey])))
  }

  /// A worker on `host` for `coordinator`.
  func launches(on host: RemoteHost, for coordinator: Coordinator) throws -> [WorkerLaunch] {
    let reached = try AdvertisedAddress(of: coordinator.address, as: advertised)
    // How a worker that fails has ended is the trial's error.
    return try WorkerLaunch.remote(
      on: [host], by: ssh, program: remoteProgram, connectingTo: reached.address, pair: workers,
      coordinator: key.publicKey, relaying: false, show: { _ in })
  }
}

/// Where one trial at a time runs.
enum TrialPlace: Sendable {
  /// A worker with so many threads on this machine.
  case here(threads: Int)
  case host(RemoteHost, TrialHosts)

  /// Places on this machine, which share its cores.
  ///
  /// - Parameters:
  ///   - bytes: the most that a trial may take.
  ///   - available: the memory that is free; nil if unknown.
  static func here(for trials: Int, cores: Int, bytes: Int, available: Int?) -> [TrialPlace] {
    let fitting = available.map { max($0 / max(bytes, 1), 1) } ?? cores
    let count = min(cores, trials, fitting)
    return Array(repeating: .here(threads: max(1, cores / max(count, 1))), count: count)
  }

  /// Runs `body` with the coordinator of `run` while one worker works for it.
  ///
  /// - Parameter began: gets the coordinator before its worker starts.
  func withWorker<Result>(
    _ run: CoordinatedRun, began: (Coordinator) -> Void, _ body: (Coordinator) throws -> Result
  ) throws -> Result {
    switch self {
    case .here(let threads):
      return try withLocalWorkers(1, threads: threads) { endpoint in
        let coordinator = try Coordinator(run, binding: endpoint, awaitedWorkers: 1, cores: threads)
        began(coordinator)
        return coordinator
      } _: {
        try body($0)
      }
    case .host(let host, let hosts):
      let coordinator = try hosts.coordinator(run)
      began(coordinator)
      return try withWorkers(hosts.launches(on: host, for: coordinator), of: coordinator) { try body(coordinator) }
    }
  }

  /// The host's name; nil for this machine.
  var host: String? { if case .host(let host, _) = self { host.name } else { nil } }

  func isLeftOut(of records: HostRecords) -> Bool { host.map(records.leftOut.contains) ?? false }
}
