// An operation of one's own, with its gradient: each example's scores are minus the squared distances to prototypes, one
// for each class. `check` proves the gradient:
//
//     swift run -c release custom-operation check --model prototypes
import Lockstep

/// y = −‖x − pₖ‖² for each prototype pₖ; x′ = −2 Σₖ yₖ′·(x − pₖ), pₖ′ = 2 Σ yₖ′·(x − pₖ).
struct DistanceOperation: TensorOperation {
  let prototypes: Int

  let name = "distance"
  var backwardReads: BackwardReads { .inputs }

  func outputShape(_ inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs[0].count == 1 else { throw ShapeError("expects one row of features, got \(inputs[0])") }
    return [prototypes]
  }

  func parameters(_ inputs: [[Int]]) -> [Parameter] {
    [Parameter("weight", [prototypes, inputs[0][0]], initial: .uniform(bound: 0.1))]
  }

  func forward(_ pass: ForwardPass) {
    let (x, p, features) = (pass.input(0), pass.parameter(0), pass.inputShape(0)[0])
    for example in 0..<pass.examples {
      for k in 0..<prototypes {
        var score: Float = 0
        for i in 0..<features {
          let difference = x[example * features + i] - p[k * features + i]
          score -= difference * difference
        }
        pass.output[example * prototypes + k] = score
      }
    }
  }

  func backward(_ pass: BackwardPass) {
    let (x, p, features) = (pass.input(0), pass.parameter(0), pass.inputShape(0)[0])
    let slope = pass.outputGradient
    // A gradient with respect to parameters is summed over each micro-batch, and then along the tree.
    pass.sumMicroBatches(into: pass.parameterGradient(0)) { examples, sum in
      sum.fill(0)
      for example in examples {
        for k in 0..<prototypes {
          for i in 0..<features {
            sum[k * features + i] +=
              2 * slope[example * prototypes + k] * (x[example * features + i] - p[k * features + i])
          }
        }
      }
    }
    // Nothing needs the gradient with respect to the data.
    guard let inputGradient = pass.inputGradient(0) else { return }
    inputGradient.fill(0)
    for example in 0..<pass.examples {
      for k in 0..<prototypes {
        for i in 0..<features {
          inputGradient[example * features + i] -=
            2 * slope[example * prototypes + k] * (x[example * features + i] - p[k * features + i])
        }
      }
    }
  }
}

/// The operation with its parameters.
struct Prototypes: Layer {
  private let identity = LayerIdentity()
  let count: Int

  func callAsFunction(_ x: Tensor) -> Tensor {
    flatten(x).applying(DistanceOperation(prototypes: count), of: identity)
  }
}

LockstepCommands.main(models: [ModelFactory("prototypes", layer: { Prototypes(count: $0.target.outputs) })])
