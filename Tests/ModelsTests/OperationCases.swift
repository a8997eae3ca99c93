import Kernels

@testable import Models

/// The layers of Fixtures/operations.py, by the names of its cases.
enum OperationCases {
  static let all: [String: Subject] = {
    let cases =
      linear + activations + convolutions + convolutionsWithActivations + pooling + chains + norms + batchNorms
      + embeddings + attention + arithmetic + repeated + matrices + models
    return Dictionary(uniqueKeysWithValues: cases)
  }()

  private typealias Cases = [(String, Subject)]

  private static let activationLayers: [(name: String, layer: any Layer)] = [
    ("relu", ReLU()), ("tanh", Tanh()), ("sigmoid", Sigmoid()), ("gelu", GELU()), ("silu", SiLU()),
    ("gelu-tanh", GELUTanh()),
  ]

  private static func activation(_ name: String) -> any Layer { activationLayers.first { $0.name == name }!.layer }

  private static var linear: Cases {
    [
      ("linear", Subject(Linear(5))),
      ("linear of one example", Subject(Linear(17))),
      ("linear to one", Subject(Linear(1))),
      ("linear without bias", Subject(Linear(5, bias: false))),
      ("linear of positions", Subject(Linear(19))),
      ("linear of positions without bias", Subject(Linear(3, bias: false))),
    ]
  }

  private static var activations: Cases {
    activationLayers.flatMap { name, layer in
      [
        (name, Subject { layer($0[0]) }),
        ("linear, \(name)", sequence(Linear(18), layer)),
        ("linear without bias, \(name)", sequence(Linear(6, bias: false), layer)),
        ("linear of positions, \(name), linear", sequence(Linear(9), layer, Linear(4))),
        ("\(name), linear", sequence(layer, Linear(4))),
        ("\(name), \(name)", sequence(Linear(9), layer, layer)),
      ]
    }
  }

  private static func sequence(_ layers: any Layer...) -> Subject {
    Subject(
      Sequential {
        for layer in layers { layer }
      })
  }

  private static var convolutions: Cases {
    let layers: [(String, Conv2D)] = [
      ("1", Conv2D(4, kernel: 1)),
      ("1 stride 2", Conv2D(3, kernel: 1, stride: 2)),
      ("3", Conv2D(17, kernel: 3)),
      ("3 of one example", Conv2D(2, kernel: 3)),
      ("3 of one channel", Conv2D(5, kernel: 3)),
      ("3 same", Conv2D(5, kernel: 3, padding: .same)),
      ("3 same, wide", Conv2D(33, kernel: 3, padding: .same)),
      ("3 same stride 2", Conv2D(4, kernel: 3, stride: 2, padding: .same)),
      ("2 same", Conv2D(4, kernel: 2, padding: .same)),
      ("4 same stride 3", Conv2D(3, kernel: 4, stride: 3, padding: .same)),
      ("3 padding 2", Conv2D(4, kernel: 3, padding: .pixels(2))),
      ("3 padding 1x2 stride 1x2", Conv2D(4, kernel: 3, stride: [1, 2], padding: .pixels([1, 2]))),
      ("1 padding 2", Conv2D(4, kernel: 1, padding: .pixels(2))),
      ("2 padding 3 stride 2", Conv2D(4, kernel: 2, stride: 2, padding: .pixels(3))),
      ("5", Conv2D(4, kernel: 5)),
      ("5 same of 3x3 pixels", Conv2D(3, kernel: 5, padding: .same)),
      ("5 stride 3 with pixels that none reads", Conv2D(3, kernel: 5, stride: 3)),
      ("3x5", Conv2D(4, kernel: [3, 5])),
      ("3x5 same stride 2", Conv2D(4, kernel: [3, 5], stride: 2, padding: .same)),
      ("2 stride 2 with pixels that none reads", Conv2D(4, kernel: 2, stride: 2)),
      ("1 stride 3 with pixels that none reads", Conv2D(4, kernel: 1, stride: 3)),
      ("3 dilation 2", Conv2D(4, kernel: 3, dilation: 2)),
      ("3 same dilation 2 stride 2", Conv2D(4, kernel: 3, stride: 2, padding: .same, dilation: 2)),
      ("3x2 dilation 1x3", Conv2D(4, kernel: [3, 2], dilation: [1, 3])),
      ("3 groups 2", Conv2D(4, kernel: 3, groups: 2)),
      ("3 same groups 2 stride 2", Conv2D(34, kernel: 3, stride: 2, padding: .same, groups: 2)),
      ("3 depthwise", Conv2D(7, kernel: 3, groups: 7)),
      (
        "3 depthwise same stride 2 without bias",
        Conv2D(3, kernel: 3, stride: 2, padding: .same, groups: 3, bias: false)
      ),
      ("3 depthwise of two outputs each", Conv2D(6, kernel: 3, groups: 3)),
      ("3 depthwise of wide images", Conv2D(19, kernel: 3, padding: .same, groups: 19)),
      ("3 without bias", Conv2D(4, kernel: 3, bias: false)),
      ("of the whole image", Conv2D(5, kernel: [3, 4])),
    ]
    return layers.map { ("conv \($0)", Subject($1)) }
  }

  private static var convolutionsWithActivations: Cases {
    ["relu", "gelu", "sigmoid"].flatMap { name in
      [
        ("conv 3, \(name)", sequence(Conv2D(4, kernel: 3), activation(name))),
        ("conv 3 without bias, \(name)", sequence(Conv2D(4, kernel: 3, bias: false), activation(name))),
        (
          "conv 3, \(name), conv 3",
          sequence(Conv2D(4, kernel: 3, padding: .same), activation(name), Conv2D(2, kernel: 3, stride: 2))
        ),
      ]
    } + [
      (
        "conv 3, relu, conv 3 groups 2",
        sequence(Conv2D(4, kernel: 3, padding: .same), ReLU(), Conv2D(2, kernel: 3, groups: 2))
      ),
      (
        "conv 3, silu, conv 3 depthwise",
        sequence(Conv2D(4, kernel: 3, padding: .same), SiLU(), Conv2D(4, kernel: 3, groups: 4))
      ),
      (
        "conv 3, tanh, conv 3 dilation 2",
        sequence(Conv2D(4, kernel: 3, padding: .same), Tanh(), Conv2D(2, kernel: 3, dilation: 2))
      ),
      ("conv 3, gelu-tanh, conv 1", sequence(Conv2D(4, kernel: 3), GELUTanh(), Conv2D(2, kernel: 1))),
    ]
  }

  private static var pooling: Cases {
    [
      ("max pool 2", Subject(MaxPool(2))),
      ("max pool 2 with pixels that none reads", Subject(MaxPool(2))),
      ("max pool 3 stride 2 padding 1", Subject(MaxPool(3, stride: 2, padding: .pixels(1)))),
      ("max pool 3 stride 1", Subject(MaxPool(3, stride: 1))),
      ("max pool 2x3 stride 1x2", Subject(MaxPool([2, 3], stride: [1, 2]))),
      ("max pool 3 same", Subject(MaxPool(3, stride: 1, padding: .same))),
      ("max pool 2 stride 1 same", Subject(MaxPool(2, stride: 1, padding: .same))),
      ("max pool 15x17", Subject(MaxPool([15, 17], stride: 1))),
      ("conv, relu, max pool", sequence(Conv2D(5, kernel: 3), ReLU(), MaxPool(2))),
      ("relu, max pool", sequence(ReLU(), MaxPool(3, stride: 2, padding: .pixels(1)))),
      ("relu, max pool, max pool", sequence(ReLU(), MaxPool(2), MaxPool(2))),
      ("gelu, max pool", sequence(GELU(), MaxPool(2))),
      (
        "relu, max pool and the relu itself",
        Subject { inputs in
          let y = relu(inputs[0])
          return maxPool(y, 3, stride: 1, padding: .pixels(1)) + y
        }
      ),
      ("average pool 2", Subject(AveragePool(2))),
      ("average pool 2 with pixels that none reads", Subject(AveragePool(2))),
      ("average pool 3 stride 2 padding 1", Subject(AveragePool(3, stride: 2, padding: .pixels(1)))),
      (
        "average pool 3 stride 2 padding 1 of the image alone",
        Subject(AveragePool(3, stride: 2, padding: .pixels(1), countsPadding: false))
      ),
      ("average pool 3x2 stride 1", Subject(AveragePool([3, 2], stride: 1))),
      ("average pool 2 stride 1 same", Subject(AveragePool(2, stride: 1, padding: .same))),
      ("global average pool", Subject(GlobalAveragePool())),
      ("global average pool of one pixel", Subject(GlobalAveragePool())),
      ("global max pool", Subject { globalMaxPool($0[0]) }),
      ("flatten", Subject(Flatten())),
      ("flatten one channel", Subject(Flatten())),
      ("flatten one pixel", Subject(Flatten())),
      ("flatten positions", Subject(Flatten())),
    ]
  }

  private static var chains: Cases {
    [
      ("flatten, linear", sequence(Flatten(), Linear(3))),
      (
        "conv, relu, max pool, flatten, linear",
        sequence(Conv2D(5, kernel: 3), ReLU(), MaxPool(2), Flatten(), Linear(4))
      ),
      (
        "a small LeNet",
        sequence(
          Conv2D(3, kernel: 5, padding: .same), ReLU(), MaxPool(2), Conv2D(4, kernel: 3), ReLU(), MaxPool(2), Flatten(),
          Linear(6), ReLU(), Linear(3))
      ),
      (
        "conv, average pool, gelu, flatten, linear",
        sequence(Conv2D(3, kernel: 3), AveragePool(2), GELU(), Flatten(), Linear(4))
      ),
    ]
  }

  private static var norms: Cases {
    [
      ("layer norm", Subject(LayerNorm())),
      ("layer norm of positions", Subject(LayerNorm())),
      ("layer norm of epsilon 0.1", Subject(LayerNorm(epsilon: 0.1))),
      ("layer norm of two values", Subject(LayerNorm(epsilon: 0.01))),
      ("rms norm", Subject(RMSNorm())),
      ("rms norm of positions", Subject(RMSNorm())),
      ("rms norm of epsilon 0.1", Subject(RMSNorm(epsilon: 0.1))),
      ("group norm 1", Subject(GroupNorm(1))),
      ("group norm 2", Subject(GroupNorm(2))),
      ("group norm 6", Subject(GroupNorm(6))),
      ("group norm 2 of wide images", Subject(GroupNorm(2, epsilon: 0.1))),
      ("group norm 3 of a row", Subject(GroupNorm(3))),
      (
        "linear, layer norm, tanh, rms norm, linear",
        sequence(Linear(9), LayerNorm(), Tanh(), RMSNorm(), Linear(3))
      ),
    ]
  }

  private static var batchNorms: Cases {
    [
      ("batch norm of rows", Subject(BatchNorm())),
      ("batch norm of rows in micro-batches", Subject(BatchNorm())),
      ("batch norm of wide rows of epsilon 0.1", Subject(BatchNorm(epsilon: 0.1))),
      ("batch norm of positions", Subject(Normalized())),
      ("batch norm of images", Subject(BatchNorm())),
      ("batch norm of images in micro-batches", Subject(BatchNorm())),
      ("batch norm of micro-batches of one image", Subject(BatchNorm())),
      ("batch norm of one image", Subject(BatchNorm())),
      ("batch norm of single pixels", Subject(BatchNorm(epsilon: 0.1))),
      ("batch norm of wide images of epsilon 0.1", Subject(BatchNorm(epsilon: 0.1))),
      (
        "linear, batch norm, tanh, batch norm, linear",
        sequence(Linear(9), BatchNorm(), Tanh(), BatchNorm(epsilon: 0.1), Linear(3))
      ),
      (
        "conv, batch norm, relu, max pool",
        sequence(Conv2D(5, kernel: 3, bias: false), BatchNorm(), ReLU(), MaxPool(2))
      ),
    ]
  }

  private static var embeddings: Cases {
    [
      ("embedding", Subject(Embedding(8, width: 5))),
      ("embedding of one example", Subject(Embedding(7, width: 19))),
      ("embedding, tanh and as linear", Subject(TiedEmbedding(count: 9, width: 5, norm: nil))),
      ("embedding, norm and as linear", Subject(TiedEmbedding(count: 7, width: 6, norm: LayerNorm()))),
      ("as linear of inputs", Subject(EmbeddingAsLinear())),
      ("positions", Subject(LearnedPositions(4))),
      ("positions, fewer than the context", Subject(LearnedPositions(7))),
      ("positions of one position", Subject(LearnedPositions(3))),
    ]
  }

  private static var attention: Cases {
    [false, true].flatMap { isCausal in
      let kind = isCausal ? "causal " : ""
      return [
        ("\(kind)attention of 1 positions", Subject(MultiHeadAttention(heads: 2, causal: isCausal))),
        ("\(kind)attention of 5 positions", Subject(MultiHeadAttention(heads: 2, causal: isCausal))),
        ("\(kind)attention of 70 positions", Subject(MultiHeadAttention(heads: 3, causal: isCausal))),
        ("\(kind)attention without bias", Subject(MultiHeadAttention(heads: 1, causal: isCausal, bias: false))),
        ("\(kind)attention of wide heads", Subject(MultiHeadAttention(heads: 1, causal: isCausal))),
        (
          "\(kind)rotary attention",
          Subject(MultiHeadAttention(heads: 2, causal: isCausal, positions: .rotary(base: 10_000)))
        ),
        (
          "\(kind)rotary attention of base 100",
          Subject(MultiHeadAttention(heads: 1, causal: isCausal, positions: .rotary(base: 100), bias: false))
        ),
      ]
    } + [
      ("attention of queries to keys", separate(heads: 2)),
      ("attention of more queries than keys", separate(heads: 1)),
      ("attention of few queries to many keys", separate(heads: 2)),
      ("attention of a head of 70 values", separate(heads: 1)),
      ("causal attention of three inputs", separate(heads: 3, causal: true)),
      (
        "attention of one input thrice",
        Subject { Models.attention(queries: $0[0], keys: $0[0], values: $0[0], heads: 2, causal: false) }
      ),
      ("attention of a projection twice", Subject(SharedProjection())),
    ]
  }

  private static func separate(heads: Int, causal isCausal: Bool = false) -> Subject {
    Subject { Models.attention(queries: $0[0], keys: $0[1], values: $0[2], heads: heads, causal: isCausal) }
  }

  private static var arithmetic: Cases {
    [
      ("softmax", Subject { softmax($0[0]) }),
      ("softmax of positions", Subject { softmax($0[0]) }),
      ("softmax of one value", Subject { softmax($0[0]) }),
      ("linear, softmax, linear", Subject(SoftmaxBetween())),
      ("sum", Subject { $0[0] + $0[1] }),
      ("product", Subject { $0[0] * $0[1] }),
      ("x + x", Subject { $0[0] + $0[0] }),
      ("x * x", Subject { $0[0] * $0[0] }),
      ("x * x * x + x", Subject { $0[0] * $0[0] * $0[0] + $0[0] }),
      (
        "(x + y) * (x + y)",
        Subject {
          let sum = $0[0] + $0[1]
          return sum * sum
        }
      ),
      ("x + tanh(x)", Subject { $0[0] + tanh($0[0]) }),
      ("x * sigmoid(x)", Subject { $0[0] * sigmoid($0[0]) }),
      ("gelu(x) + relu(x) * tanh(x)", Subject { gelu($0[0]) + relu($0[0]) * tanh($0[0]) }),
    ]
  }

  private static var repeated: Cases {
    [
      ("residuals", Subject(Residuals())),
      ("values used thrice", Subject(UsedThrice())),
      ("a layer used twice", Subject(LayerTwice())),
      ("layers used twice and thrice", Subject(LayersTwiceAndThrice())),
      ("a convolution used twice", Subject(ConvolutionTwice())),
    ]
  }

  private static var matrices: Cases {
    [
      ("concatenated", Subject { $0[0].concatenated(with: $0[1]) }),
      ("concatenated, used again", Subject(Concatenated())),
      ("transposed", Subject { $0[0].transposed() }),
      ("transposed with leading axes", Subject { $0[0].transposed() }),
      ("reshaped", Subject { $0[0].reshaped(2, 9) }),
      ("reshaped and used again", Subject { tanh(flatten($0[0])).reshaped(2, 3) * $0[0] }),
      ("matrix product", Subject { matrixProduct($0[0], $0[1]) }),
      ("matrix product with leading axes", Subject { matrixProduct($0[0], $0[1]) }),
      ("matrix product to a number", Subject { matrixProduct($0[0], $0[1]) }),
      ("product with its transpose", Subject { matrixProduct($0[0], $0[0].transposed()) }),
      ("square of a matrix", Subject { matrixProduct($0[0], $0[0]) }),
      ("attention by matrix products", Subject(AttentionByProducts())),
    ]
  }

  private static var models: Cases {
    [
      ("a residual block", Subject(ResidualBlock(8, stride: 1, hasShortcut: false, norm: .layer))),
      ("a residual block of stride 2", Subject(ResidualBlock(8, stride: 2, hasShortcut: true, norm: .group))),
      ("a residual network", Subject(ResidualNetwork(blocks: [1, 2], channels: [8, 8], norm: .group, outputs: 3))),
      ("a residual block of batch norm", Subject(ResidualBlock(8, stride: 2, hasShortcut: true, norm: .batch))),
      (
        "a residual network of batch norm",
        Subject(ResidualNetwork(blocks: [1, 2], channels: [8, 8], norm: .batch, outputs: 3))
      ),
      ("a transformer's block", Subject(TransformerBlock(heads: 2, width: 6))),
      (
        "two transformer's blocks",
        sequence(TransformerBlock(heads: 2, width: 4), TransformerBlock(heads: 1, width: 4))
      ),
      (
        "a transformer",
        Subject(Transformer(layers: 2, heads: 2, width: 6, context: 7, tokens: 9, outputs: 5, isTied: false))
      ),
      (
        "a tied transformer",
        Subject(Transformer(layers: 2, heads: 2, width: 6, context: 5, tokens: 7, outputs: 7, isTied: true))
      ),
    ]
  }
}
