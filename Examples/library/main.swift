// Training from a program of one's own, without the commands of `lockstep`:
//
//     swift run -c release library-example
import LockstepCore

let trainer = try Trainer(["data": "digits", "epochs": "5", "optimizer": "adam"], workers: 2)
let result = try trainer.run { progress in
  if case .evaluation(let step, let loss, let figures) = progress {
    print("step \(step): test loss \(loss), accuracy \(figures["accuracy"] ?? 0)")
  }
}
print("parameters_sha256: \(result.parametersSHA256)")
