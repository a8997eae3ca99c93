/// What a relay must know of a job to add its sums, in a relay's WELCOME.
package struct SummedJob: ControlPayload {
  /// Examples of the training part.
  package var examples: Int
  package var batchSize: Int
  package var microBatches: Int
  package var totalSteps: Int
  package var parameterCount: Int
  package var statisticCount: Int
  /// ``ChunkLayout/moments``.
  package var moments: Int?
  package var precision: Precision
  /// ``ChunkLayout/isAveraged``.
  package var isAveraged: Bool
  /// H and K of local steps; nil without them.
  package var localSteps: Int?
  package var replicas: Int?

  package func check() throws(WireError) {
    for (value, name) in [
      (examples, "count of examples"), (batchSize, "batch size"), (microBatches, "count of micro-batches"),
      (parameterCount, "count of parameters"),
    ] {
      _ = try (1...1 << 48).checked(value, name)
    }
    _ = try (0...1 << 48).checked(totalSteps, "count of steps")
    _ = try (0...1 << 48).checked(statisticCount, "count of statistics")
    _ = try (0...16).checked(moments ?? 0, "count of moments")
    guard (localSteps == nil) == (replicas == nil), (localSteps == nil) == (moments == nil) else {
      throw .outOfRange("local steps", value: "without replicas and moments", range: "all of them or none")
    }
    _ = try (2...1 << 48).checked(localSteps ?? 2, "count of local steps")
    guard try microBatches % (1...microBatches).checked(replicas ?? 1, "count of replicas") == 0 else {
      throw .outOfRange("count of replicas", value: "\(replicas ?? 1)", range: "divisors of \(microBatches)")
    }
  }

  package init(_ plan: StepPlan, _ chunks: ChunkLayout) {
    (examples, batchSize, microBatches) = (plan.trainCount, plan.batchSize, plan.microBatches)
    (totalSteps, parameterCount, statisticCount) = (plan.totalSteps, chunks.parameterCount, chunks.statisticCount)
    (moments, precision, isAveraged) = (chunks.moments, chunks.precision, chunks.isAveraged)
    (localSteps, replicas) = (plan.local?.steps, plan.local?.replicas)
  }

  /// The plan of its training; it has no evaluations, whose metrics relays only hand on.
  package var plan: StepPlan {
    StepPlan(
      trainCount: examples, testCount: 0, batchSize: batchSize, microBatches: microBatches,
      length: .steps(totalSteps), local: localSteps.map { LocalSteps(steps: $0, replicas: replicas ?? 1) })
  }

  package func chunks(size: Int) -> ChunkLayout {
    ChunkLayout(
      parameterCount: parameterCount, statisticCount: statisticCount, moments: moments, size: size,
      precision: precision,
      isAveraged: isAveraged)
  }
}
