// The declarations that a user's program needs.

@_exported public import Models

@_exported public import struct Datasets.Batch
@_exported public import struct Datasets.DataParts
@_exported public import struct Datasets.DataRequest
@_exported public import protocol Datasets.DataSource
@_exported public import struct Datasets.DataTable
@_exported public import struct Datasets.DatasetError
@_exported public import enum Datasets.Target
@_exported public import class Kernels.FloatBuffer
@_exported public import struct Kernels.Floats
@_exported public import struct Kernels.Labels
@_exported public import struct Kernels.Matrix
@_exported public import struct Kernels.MutableFloats
@_exported public import struct Kernels.OrderedSum
@_exported public import struct Kernels.Philox
@_exported public import struct Kernels.UpdateVectors
@_exported public import struct Optimizers.OptimizerState
@_exported public import enum Optimizers.RuleSums
@_exported public import struct Optimizers.UpdateRange
@_exported public import protocol Optimizers.UpdateRule
@_exported public import struct Optimizers.UpdateStep
@_exported public import enum Optimizers.WeightDecay
@_exported public import struct Schema.Figure
@_exported public import struct Schema.MetricSchema
@_exported public import struct Schema.Metrics
@_exported public import struct Schema.OptionDeclaration
@_exported public import struct Schema.OptionError
@_exported public import enum Schema.OptionValue
@_exported public import struct Schema.OptionValues
@_exported public import struct Schema.ParameterLayout
@_exported public import enum Schema.RealRange
