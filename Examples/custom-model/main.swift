// A model of one's own is its forward pass. It gets the whole command line:
//
//     swift run -c release custom-model train --data fashion-mnist --model classifier --workers 2
import Lockstep

/// Two convolutions and two linear layers. Parameters are named `conv1.weight`, … as in PyTorch.
struct Classifier: Layer {
  let conv1 = Conv2D(32, kernel: 3, padding: .same), conv2 = Conv2D(64, kernel: 3, padding: .same)
  let hidden = Linear(128), output: Linear

  init(outputs: Int) { output = Linear(outputs) }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = maxPool(relu(conv2(maxPool(relu(conv1(x)), 2))), 2)
    return output(relu(hidden(flatten(y))))
  }
}

LockstepCommands.main(models: [ModelFactory("classifier", layer: { Classifier(outputs: $0.target.outputs) })])
