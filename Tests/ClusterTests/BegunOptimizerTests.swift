import Kernels
import Models
import Optimizers
import Testing

@testable import Cluster
@testable import Protocol
@testable import Runs
@testable import Schema

/// A step that needs the whole gradient begins on the threads that update, once.
@Suite struct BegunOptimizerTests {
  @Test func theCoordinatorsOwnThreadMeasuresNothing() throws {
    var options = JobOptions()
    for (name, value) in [("optimizer", "sgd"), ("learning-rate", "0.5"), ("clip-norm", "2")] {
      try options.set(name, to: value)
    }
    let prepared = try PreparedJob(options, models: ModelFactory.builtIn)
    let count = prepared.model.layout.count
    let chunks = ChunkLayout(prepared.model.layout, size: (count + 2) / 3)
    #expect(chunks.count == 3)
    var store = ParameterStore(chunks, try prepared.optimizer(), isShared: false) {
      prepared.model.initialize($0, seed: 0)
    }
    let gradient = (0..<count).map { Float($0 % 7) - 3 }
    let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() / 4
    for number in 1...2 {
      let before = store.current.array
      let roots = chunks.indices.map { (chunks[$0], FloatBuffer(count: chunks[$0].count)) }
      var asked = 0
      for chunk in chunks.indices {
        store.begin(number, steps: 1, isLast: false, weight: 4) {
          asked += 1
          return roots
        }
        // What is measured is not looked at before the first chunk is updated.
        if chunk == 0 {
          for (range, root) in roots { for index in range { root.all[index - range.lowerBound] = gradient[index] } }
        }
        _ = store.update(chunk, examples: 4)(roots[chunk].1.values)
      }
      #expect(asked == 1 && store.state.updates == number - 1, "the state before the step, until it is over")
      store.advance()
      #expect(store.state.updates == number)
      for (index, after) in store.current.array.enumerated() {
        let expected = Double(before[index]) - 0.5 * 2 / norm * Double(gradient[index]) / 4
        #expect(abs(Double(after) - expected) < 1e-6, "step \(number), parameter \(index)")
      }
    }
  }
}
