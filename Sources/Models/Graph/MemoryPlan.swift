internal import Kernels

/// Where the values of a graph lie in a thread's memory. Values that are not needed at the same time share storage.
///
/// Offsets and sizes are for one example; the storage of n examples is n times as large.
struct MemoryPlan: Sendable {
  /// Storage that several values may share.
  enum Storage: Equatable, Sendable {
    /// The batch's features.
    case input
    /// At this offset.
    case arena(Int)
  }

  /// How an operation's gradient with respect to an input reaches that input's gradient.
  enum InputGradient: Equatable, Sendable {
    /// Nothing needs it.
    case none
    /// It is written there, at this offset.
    case write(Int)
    /// It is written at the first offset, and then added to what is at the second.
    case add(Int, to: Int)
    /// It is the output's gradient, and lies there already.
    case shared
    /// It is the output's gradient, which is copied to this offset.
    case copyOutput(Int)
    /// It is the output's gradient, which is added to what is at this offset.
    case addOutput(to: Int)
  }

  /// Of each value; nil where it is not used.
  private(set) var values: [Storage?]
  /// Of each value's gradient; nil where nothing needs it.
  private(set) var gradients: [Int?]
  /// Of what each node keeps.
  private(set) var kept: [Int]
  /// For each node and each of its inputs.
  private(set) var inputGradients: [[InputGradient]]
  /// The floats of one example.
  private(set) var size = 0

  /// - Parameter isTraining: whether a backward pass follows the forward pass.
  init(_ graph: Graph, isTraining: Bool) {
    var planner = Planner(graph, isTraining: isTraining)
    planner.plan()
    let offsets = planner.offsets()
    size = offsets.size
    func offset(_ group: Int) -> Int { offsets.ofGroups[group] }
    values = planner.values.map { group in group.map { $0 == Planner.inputGroup ? .input : .arena(offset($0)) } }
    gradients = planner.gradients.map { $0.map(offset) }
    kept = planner.kept.map(offset)
    inputGradients = planner.inputGradients.map { inputs in
      inputs.map { gradient in
        switch gradient {
        case .write(let group): .write(offset(group))
        case .add(let temporary, let group): .add(offset(temporary), to: offset(group))
        case .copyOutput(let group): .copyOutput(offset(group))
        case .addOutput(let group): .addOutput(to: offset(group))
        case .none, .shared: gradient
        }
      }
    }
  }
}

/// Finds which values share storage, and when each storage is in use. A group is a storage.
private struct Planner {
  static let inputGroup = 0

  private let graph: Graph
  private let isTraining: Bool
  /// The first and last time at which each group holds something that is read, and its size.
  private var groups: [(first: Int, last: Int, size: Int)] = [(0, 0, 0)]
  private(set) var values: [Int?]
  private(set) var gradients: [Int?]
  private(set) var kept: [Int] = []
  /// With groups in place of offsets.
  private(set) var inputGradients: [[MemoryPlan.InputGradient]] = []
  /// The times at which each value is read.
  private var valueReads: [[Int]]
  /// The nodes' inputs that contribute to each value's gradient, in the order of the backward pass.
  private var contributions: [[(node: Int, input: Int)]]
  /// The values whose gradients are in a group.
  private var members: [Int: [Int]] = [:]

  init(_ graph: Graph, isTraining: Bool) {
    (self.graph, self.isTraining) = (graph, isTraining)
    values = Array(repeating: nil, count: graph.values.count)
    gradients = values
    valueReads = Array(repeating: [], count: graph.values.count)
    contributions = Array(repeating: [], count: graph.values.count)
  }

  // Time: node i's forward pass, then the loss, then the backward passes in reverse.
  private var lossTime: Int { graph.nodes.count }
  private func backwardTime(_ node: Int) -> Int { 2 * graph.nodes.count - node }

  private mutating func addGroup(_ first: Int, _ last: Int, size: Int) -> Int {
    groups.append((first, last, size))
    return groups.count - 1
  }

  mutating func plan() {
    findReads()
    placeValues()
    if isTraining { placeGradients() }
  }

  private mutating func findReads() {
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs {
        valueReads[input].append(index)
        if isTraining, node.operation.backwardReads.contains(.inputs) { valueReads[input].append(backwardTime(index)) }
      }
      guard isTraining else { continue }
      if node.operation.backwardReads.contains(.output) { valueReads[node.output].append(backwardTime(index)) }
      if let finished = node.finishes {
        let producer = graph.nodes[finished.producer]
        if producer.operation is ActivationOperation, finished.activation.keepsInput {
          valueReads[producer.inputs[0]].append(backwardTime(index))
        } else {
          valueReads[producer.output].append(backwardTime(index))
        }
      }
      if node.activation != nil, !node.isFinished {
        valueReads[node.output].append(backwardTime(index))
      }
    }
    valueReads[graph.output].append(lossTime)
  }

  private mutating func placeValues() {
    values[0] = Self.inputGroup
    for (index, node) in graph.nodes.enumerated() {
      let last = max(valueReads[node.output].max() ?? index, index)
      let size = graph.values[node.output].count
      if node.operation.sharing.isSuperset(of: .view) {
        let input = values[node.inputs[0]]!
        values[node.output] = input
        groups[input].last = max(groups[input].last, last)
      } else if node.operation.sharing.contains(.output), let input = freeInput(of: node, at: index, size: size) {
        values[node.output] = input
        groups[input].last = last
      } else {
        values[node.output] = addGroup(index, last, size: size)
      }
      kept.append(addGroup(index, isTraining ? backwardTime(index) : index, size: graph.keptCounts[index]))
    }
  }

  /// The storage of an input that nothing reads after this node.
  private func freeInput(of node: Graph.Node, at index: Int, size: Int) -> Int? {
    let groups = node.inputs.map { values[$0]! }
    return groups.first { group in
      group != Self.inputGroup && self.groups[group].last <= index && self.groups[group].size == size
        && groups.count(where: { $0 == group }) == 1
    }
  }

  private mutating func placeGradients() {
    for (index, node) in graph.nodes.enumerated().reversed() {
      for (input, value) in node.inputs.enumerated() where graph.needsGradient(value) {
        contributions[value].append((index, input))
      }
    }
    // The loss replaces the output by its gradient, if nothing reads the output later.
    let outputGroup = values[graph.output]!
    if graph.needsGradient(graph.output) {
      if outputGroup != Self.inputGroup, groups[outputGroup].last <= lossTime {
        gradients[graph.output] = outputGroup
      } else {
        gradients[graph.output] = addGroup(lossTime, lossTime, size: graph.values[graph.output].count)
      }
      join(graph.output, gradients[graph.output]!)
    }
    inputGradients = graph.nodes.map { Array(repeating: .none, count: $0.inputs.count) }
    for index in graph.nodes.indices.reversed() {
      for input in graph.nodes[index].inputs.indices { place(input, of: index) }
    }
  }

  /// When the gradient of `value` is read last: by the backward pass of the node that computes the value.
  private func gradientRead(_ value: Int) -> Int { backwardTime(producer(of: value)) }

  private func producer(of value: Int) -> Int { graph.nodes.firstIndex { $0.output == value }! }

  private mutating func join(_ value: Int, _ group: Int) {
    gradients[value] = group
    members[group, default: []].append(value)
    groups[group].last = max(groups[group].last, gradientRead(value))
  }

  /// When the gradient of `value` is written to, once its storage holds the output's gradient of `node`.
  private func gradientWrites(_ value: Int, after node: Int) -> [Int] {
    var times = contributions[value].map { backwardTime($0.node) }.filter { $0 > backwardTime(node) }
    let own = producer(of: value)
    if graph.nodes[own].activation != nil, !graph.nodes[own].isFinished { times.append(backwardTime(own)) }
    return times
  }

  private mutating func place(_ input: Int, of index: Int) {
    let node = graph.nodes[index]
    let value = node.inputs[input]
    guard graph.needsGradient(value) else { return }
    let time = backwardTime(index)
    let size = graph.values[value].count
    let sharing = node.operation.sharing
    let isFirst = contributions[value].first! == (index, input)
    let passesThrough = sharing.contains(.gradientIsOutputGradient)
    guard isFirst else {
      let group = gradients[value]!
      inputGradients[index][input] =
        passesThrough ? .addOutput(to: group) : .add(addGroup(time, time, size: size), to: group)
      return
    }
    let outputGroup = gradients[node.output]!
    let canBeInPlace = passesThrough || (sharing.contains(.gradient) && input == 0)
    if canBeInPlace, canShare(value, outputGroup, at: index, writes: !passesThrough) {
      join(value, outputGroup)
      inputGradients[index][input] = passesThrough ? .shared : .write(outputGroup)
    } else {
      let group = addGroup(time, time, size: size)
      join(value, group)
      inputGradients[index][input] = passesThrough ? .copyOutput(group) : .write(group)
    }
  }

  /// Whether the gradient of `value` can lie in the storage of the output's gradient of `node`: nothing may be written
  /// to it before all others have read it.
  private func canShare(_ value: Int, _ group: Int, at node: Int, writes: Bool) -> Bool {
    let time = backwardTime(node)
    guard graph.nodes[node].inputs.count(where: { $0 == value }) == 1 else { return false }
    let others = members[group]!.filter { $0 != graph.nodes[node].output && gradientRead($0) >= time }
    let ownWrites = gradientWrites(value, after: node) + (writes ? [time] : [])
    for other in others {
      if ownWrites.contains(where: { $0 <= gradientRead(other) }) { return false }
      if gradientWrites(other, after: node).contains(where: { $0 <= gradientRead(value) }) { return false }
    }
    // Another input's gradient may be added from the output's gradient by this node.
    return !writes || graph.nodes[node].inputs.count == 1
  }

  /// The lowest offsets at which no two groups overlap that are in use at the same time; the largest groups first.
  func offsets() -> (ofGroups: [Int], size: Int) {
    var result = [Int](repeating: 0, count: groups.count)
    var placed: [Int] = []
    var size = 0
    let order = groups.indices.dropFirst().sorted { (groups[$1].size, $0) < (groups[$0].size, $1) }
    for group in order where groups[group].size > 0 {
      let (first, last) = (groups[group].first, groups[group].last)
      // A float more for each example: at distances of whole pages, storages would displace each other in the cache.
      let own = groups[group].size + 1
      let neighbours = placed.filter { groups[$0].first <= last && first <= groups[$0].last }
        .map { result[$0]..<result[$0] + groups[$0].size + 1 }.sorted { $0.lowerBound < $1.lowerBound }
      var offset = 0
      for neighbour in neighbours {
        if offset + own <= neighbour.lowerBound { break }
        offset = max(offset, neighbour.upperBound)
      }
      result[group] = offset
      size = max(size, offset + own)
      placed.append(group)
    }
    return (result, size)
  }
}
