@_exported public import Checkpoints
@_exported public import Datasets
@_exported public import Kernels
@_exported public import Models
@_exported public import Optimizers
@_exported public import Training
