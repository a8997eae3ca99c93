/// The numbers by which leaves are cut among workers, taken over and cut into pieces. None of them changes a bit of the
/// result, because the reduction tree fixes the order of summing. `Benchmarks/straggler.py`, `network.py` and
/// `micro_batches.py` repeat the measurements named here.
package enum SchedulingPolicy {
  // MARK: Measuring paces

  /// What remains of the earlier measurements with each new one, 0…1: about the last five count. Larger: paces change
  /// later when a worker does. Smaller: one slow task moves the cut.
  package static let paceMemory = 0.8

  /// Seconds a transfer from which on a link counts as slow. Small steps under load wait that long for a core: without
  /// this limit a flood of random bytes made a step 1.41 to 1.65 times as long, with it 1.04 to 1.30.
  package static let slowTransferSeconds = 0.005

  /// The least seconds that a task counts with, so that a pace is finite.
  package static let minimumTaskSeconds = 1e-9

  // MARK: Cutting leaves

  /// Paces within this factor are cut equally, because equal cuts have the fewest nodes to push. Larger: fast workers
  /// wait for slow ones. Smaller: noise in the paces changes the cuts, and uneven ones push more nodes.
  package static let equalPaceFactor = 1.5

  /// The factor between the fastest and the slowest worker from which on each no longer gets a single node. Nodes differ
  /// by a factor of up to two; a worker slower than that would make all others wait for its node. On links of
  /// 100 Mbit/s a node each made a step of three workers 3.0 s in place of 5.0 s.
  package static let singleNodePaceFactor = 3.0

  // MARK: Taking leaves over

  /// A leaf whose whole time is more than this factor times its computing is bound by transfers, and is not taken over
  /// early: workers share a link, where one more transfer delays all. Four workers at 100 Mbit/s: a step of 3.9 s in
  /// place of 4.4 s.
  package static let transferBoundFactor = 4.0

  /// The part of an idle worker's usual task time that is expected for what a task takes besides its leaves, which is
  /// not measured. Larger: leaves are taken over later. Smaller: more are computed twice for nothing.
  package static let taskOverheadFraction = 0.25

  /// The least seconds that a takeover is expected to take. Smaller: leaves of small steps are computed twice when a
  /// worker merely waits for a core.
  package static let minimumTakeoverSeconds = 0.002

  /// The usual task times without progress after which a worker's leaves go to idle workers as well, where that is
  /// longer than ``Limits/progressTimeout``. Smaller: workers whose tasks are always long are taken for stuck.
  package static let progressTimeoutTasks = 3.0

  // MARK: Slow workers

  /// An idle worker slower than the fastest by this factor is measured again now and then: it may have become faster.
  /// Smaller: workers of usual pace compute leaves for nothing.
  package static let remeasuringPaceFactor = 2.0

  /// The time between two such measurements, in leaves of that worker, so that measuring costs it a twentieth of its
  /// time. Larger: a worker that recovers gets its share later.
  package static let remeasuringIntervalLeaves = 20.0

  /// The user is warned of a worker slower than the fastest by this factor. Smaller: warnings of usual differences.
  package static let slowWarningPaceFactor = 3.0

  /// Seconds that a worker must stay that slow before the warning, so that a short pause gives none.
  package static let slowWarningSeconds = 3.0

  // MARK: A worker's pieces

  /// Rows that a piece of several leaves has at most. Larger: its activations leave the cache. Smaller: fewer leaves are
  /// summed there. Computing leaves in pieces brought a step of 16 micro-batches from 1.48 to 1.06 times one of 2.
  package static let maximumPieceRows = 1024
}
