/// The numbers by which leaves are cut among workers, taken over and cut into pieces. None of them changes a bit of the
/// result, because the reduction tree fixes the order of summing. `Benchmarks/straggler.py`, `network.py` and
/// `micro_batches.py` repeat the measurements named here.
package enum SchedulingPolicy {
  // MARK: Measuring paces

  /// The factor, 0…1, by which earlier measurements lose weight with each new one: about the last five count. Larger:
  /// paces follow a worker's changes later. Smaller: one slow task moves the cut.
  package static let paceMemory = 0.8

  /// Seconds. Only if a transfer takes longer, the link counts as slow: shorter times may be those of threads that wait
  /// for a core. Without this limit a flood of random bytes made a step 1.41 to 1.65 times as long, with it 1.04 to 1.30.
  package static let slowTransferSeconds = 0.005

  /// The least seconds that are counted for a task, so that its pace is finite.
  package static let minimumTaskSeconds = 1e-9

  /// Seconds. Where workers use all cores, the coordinator polls before it sleeps only if their tasks are shorter. Larger:
  /// it takes a core from workers for nothing, which made a step of two workers on two cores 1.06 times as long (tasks of
  /// 1.8 ms). Smaller: it wakes late, which made one with tasks of 0.2 ms 1.1 times as long.
  package static let shortTaskSeconds = 0.0004

  // MARK: Cutting leaves

  /// Paces within this factor are cut equally, because equal cuts have the fewest nodes to push. Larger: fast workers
  /// wait for slow ones. Smaller: noise in the paces changes the cuts, and uneven ones push more nodes.
  package static let equalPaceFactor = 1.5

  /// Workers get a single node each, to send fewer, only if the fastest is less than this factor faster than the slowest.
  /// Nodes differ in size by up to two. Larger: all wait for a slow worker's node. Smaller: noise in the paces prevents
  /// such cuts, which on links of 100 Mbit/s made a step of three workers 3.0 s in place of 5.0 s.
  package static let singleNodePaceFactor = 3.0

  // MARK: Taking leaves over

  /// If a leaf's whole time is more than this factor times its computing time, transfers dominate and leaves are not
  /// taken over early: workers share the link, and one more transfer delays all. With four workers at 100 Mbit/s a step
  /// takes 3.9 s in place of 4.4 s.
  package static let transferBoundFactor = 4.0

  /// A takeover is expected to take at least this fraction of an idle worker's usual task time, as a part of that time
  /// does not depend on the leaves. Larger: leaves are taken over later. Smaller: more are computed twice for nothing.
  package static let taskOverheadFraction = 0.25

  /// A takeover is expected to take at least this many seconds. Smaller: leaves of small steps are computed twice when a
  /// worker only waits for a core.
  package static let minimumTakeoverSeconds = 0.002

  /// In usual task times of a worker: without progress for this long, and at least ``Limits/progressTimeout``, its leaves
  /// go to idle workers as well. Smaller: workers whose tasks always take long are treated as stuck.
  package static let progressTimeoutTasks = 3.0

  // MARK: Slow workers

  /// An idle worker that is slower than the fastest by this factor is measured again now and then: it may have become
  /// faster. Smaller: workers of usual pace compute leaves for nothing.
  package static let remeasuringPaceFactor = 2.0

  /// The time between two such measurements, in leaves of that worker, so that measuring costs it a twentieth of its
  /// time. Larger: a worker that recovers gets its share later.
  package static let remeasuringIntervalLeaves = 20.0

  /// The user is warned of a worker that is slower than the fastest by this factor. Smaller: usual differences give
  /// warnings.
  package static let slowWarningPaceFactor = 3.0

  /// Seconds for which a worker must stay that slow before the warning, so that a short pause gives none.
  package static let slowWarningSeconds = 3.0

  // MARK: Relays

  /// With at least so many relays on other machines, members on the coordinator's machine are none: its link carries all
  /// parameters and sums already. Larger: that link makes steps longer. Smaller: the links of the few relays do.
  package static let relaysApart = 3

  /// In tasks with relays, paces do not cut leaves unless that saves at least this fraction of the
  /// usual task time. Larger: fast workers wait for slow ones. Smaller: noise in the paces of short computing changes
  /// the cuts, and some workers get nothing.
  package static let relayedCutFraction = 0.1

  /// In usual task times: when idle workers compute the leaves of a worker that waits for relays as well. Smaller: what
  /// is only late is computed and sent twice.
  package static let relayedTakeoverTasks = 2.0

  /// Seconds without a chunk after which a worker that waits for parameters asks the coordinator for the rest. Larger: a
  /// step stands still for longer after a relay is lost. Smaller: chunks that only wait in a slow link are sent twice.
  package static let missingChunkSeconds = 2.0

  /// Seconds until relays are used again after a member could not reach one, or one did not deliver. Each time twice as
  /// many as the time before, so often: at most 64 minutes.
  package static let relayRetrySeconds = 30.0
  package static let mostRelayRetryDoublings = 7

  // MARK: How many workers compute

  /// Steps that are measured with each number of workers. Larger: it takes longer until too many workers stand by. Smaller:
  /// noise decides.
  package static let trialSteps = 3

  /// Steps that are not measured after the number has changed: what was sent before, and new routes, disturb them.
  package static let skippedTrialSteps = 3

  /// Steps after which all workers compute again and are measured anew. Larger: workers stand by for longer after a network
  /// has become faster. Smaller: the long steps with all of them cost more.
  package static let retrialSteps = 1000

  /// Fewer workers must make steps shorter by at least this fraction. Smaller: noise leaves workers out.
  package static let leastTrialGain = 0.1

  // MARK: A worker's pieces

  /// Rows that a piece of several leaves has at most. Larger: its activations leave the cache. Smaller: fewer leaves are
  /// summed there. Computing leaves in pieces brought a step of 16 micro-batches from 1.48 to 1.06 times one of 2.
  package static let maximumPieceRows = 1024
}
