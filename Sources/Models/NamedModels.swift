internal import Datasets
internal import Kernels
internal import Schema

/// LeNet-5 with ReLUs and maxima (Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998).
struct LeNet: LayerOfParts {
  private let layers: Sequential
  var parts: [(name: String?, part: Any)] { [(nil, layers)] }

  init(outputs: Int) {
    layers = Sequential {
      Conv2D(6, kernel: 5, padding: .same)
      ReLU()
      MaxPool(2)
      Conv2D(16, kernel: 5)
      ReLU()
      MaxPool(2)
      Flatten()
      Linear(120)
      ReLU()
      Linear(84)
      ReLU()
      Linear(outputs)
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor { layers(x) }

  static let factory = ModelFactory("lenet", layer: { LeNet(outputs: $0.target.outputs) })
}

/// Convolutions of 3×3 pixels, each followed by a ReLU and maxima of 2×2; then hidden linear layers.
struct ConvolutionalNetwork: LayerOfParts {
  private let layers: Sequential
  var parts: [(name: String?, part: Any)] { [(nil, layers)] }

  init(channels: [Int], hidden: [Int], outputs: Int) {
    layers = Sequential {
      for count in channels {
        Conv2D(count, kernel: 3, padding: .same)
        ReLU()
        MaxPool(2)
      }
      Flatten()
      for size in hidden {
        Linear(size)
        ReLU()
      }
      Linear(outputs)
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor { layers(x) }

  static let factory = ModelFactory(
    "cnn",
    options: [
      .sizes("channels", default: [32, 64], 1...1 << 16, "The channels of the convolutions, as in cnn:32,64."),
      .sizes("hidden", default: [128], 1...1 << 20, "The sizes of the hidden linear layers."),
    ], argument: "channels",
    layer: { request in
      ConvolutionalNetwork(
        channels: request.options.sizes("channels"), hidden: request.options.sizes("hidden"),
        outputs: request.target.outputs)
    })
}

/// A residual network (K. He et al., "Deep Residual Learning for Image Recognition", 2016): a convolution, stages of blocks,
/// the average of all pixels and a linear layer. Each stage but the first halves height and width.
struct ResidualNetwork: Layer {
  private let stem: Conv2D
  private let norm: Norm
  private let stages: [[ResidualBlock]]
  private let output: Linear

  init(blocks: [Int], channels: [Int], norm: Norm.Kind, outputs: Int) {
    stem = Conv2D(channels[0], kernel: 3, padding: .same, bias: false)
    self.norm = Norm(norm)
    var width = channels[0]
    stages = zip(blocks, channels).enumerated().map { stage, sizes in
      (0..<sizes.0).map { block in
        let stride = stage > 0 && block == 0 ? 2 : 1
        let hasShortcut = stride > 1 || width != sizes.1
        width = sizes.1
        return ResidualBlock(sizes.1, stride: stride, hasShortcut: hasShortcut, norm: norm)
      }
    }
    output = Linear(outputs)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    var y = relu(norm(stem(x)))
    for block in stages.joined() { y = block(y) }
    return output(globalAveragePool(y))
  }
}

/// y = relu(norm(conv(relu(norm(conv(x))))) + x), where x passes a 1×1 convolution if its size changes.
struct ResidualBlock: Layer {
  private let conv1: Conv2D
  private let norm1: Norm
  private let conv2: Conv2D
  private let norm2: Norm
  private let shortcut: Conv2D?

  init(_ channels: Int, stride: Int, hasShortcut: Bool, norm: Norm.Kind) {
    conv1 = Conv2D(channels, kernel: 3, stride: Size2D(stride), padding: .same, bias: false)
    norm1 = Norm(norm)
    conv2 = Conv2D(channels, kernel: 3, padding: .same, bias: false)
    norm2 = Norm(norm)
    shortcut = hasShortcut ? Conv2D(channels, kernel: 1, stride: Size2D(stride), bias: false) : nil
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = norm2(conv2(relu(norm1(conv1(x)))))
    return relu(y + (shortcut?(x) ?? x))
  }
}

/// A norm of images by name.
struct Norm: LayerOfParts {
  enum Kind: String, CaseIterable, Sendable {
    /// Of 8 groups of channels.
    case group
    /// Of all channels together.
    case layer
    /// Of each channel, over a micro-batch.
    case batch
  }

  private let layer: any Layer
  var parts: [(name: String?, part: Any)] { [(nil, layer)] }

  init(_ kind: Kind) {
    switch kind {
    case .group: layer = GroupNorm(8)
    case .layer: layer = GroupNorm(1)
    case .batch: layer = BatchNorm()
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor { layer(x) }
}

extension ResidualNetwork {
  static let factory = ModelFactory(
    "resnet",
    options: [
      .sizes("blocks", default: [1, 1, 1], 1...1 << 10, "The residual blocks of each stage."),
      .sizes("channels", default: [16, 32, 64], 1...1 << 16, "The channels of each stage."),
      .choice(
        "norm", default: Norm.Kind.group.rawValue, Norm.Kind.allCases.map(\.rawValue),
        "What is normalized together: group for 8 groups of channels, layer for all channels, batch for each channel over a "
          + "micro-batch."),
    ], argument: "blocks",
    layer: { request in
      let (blocks, channels) = (request.options.sizes("blocks"), request.options.sizes("channels"))
      guard blocks.count == channels.count, !blocks.isEmpty else {
        throw ModelError(
          "--blocks has \(blocks.count) stages, and --channels \(channels.count): give both for each stage")
      }
      return ResidualNetwork(
        blocks: blocks, channels: channels, norm: Norm.Kind(rawValue: request.options.text("norm")) ?? .group,
        outputs: request.target.outputs)
    })
}

/// A decoder of GPT-2's shape (A. Radford et al., "Language Models are Unsupervised Multitask Learners", 2019): learned
/// positions, norms before attention and before the two linear layers of each block, GELU.
struct Transformer: Layer {
  private let token: Embedding
  private let positions: LearnedPositions
  private let blocks: [TransformerBlock]
  private let norm = LayerNorm()
  /// Nil if the tokens' vectors are the output layer too.
  private let output: Linear?

  init(layers: Int, heads: Int, width: Int, context: Int, tokens: Int, outputs: Int, isTied: Bool) {
    // Vectors of deviation 1 would begin far above chance as an output layer.
    let deviation = isTied ? 1 / Float(3 * width).squareRoot() : 1
    token = Embedding(tokens, width: width, deviation: deviation)
    positions = LearnedPositions(context, deviation: deviation)
    blocks = (0..<layers).map { _ in TransformerBlock(heads: heads, width: width) }
    output = isTied ? nil : Linear(outputs, bias: false)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = norm(blocks.reduce(positions(token(x))) { $1($0) })
    return output?(y) ?? token.asLinear(y)
  }
}

extension Transformer {
  static let factory = ModelFactory(
    "transformer",
    options: [
      .whole("layers", default: 4, 1...1 << 10, "The blocks of attention and linear layers."),
      .whole("heads", default: 4, 1...1 << 10, "The heads of attention; they divide the width."),
      .whole("width", default: 128, 1...1 << 16, "The size of a position's vector."),
      .flag("tied", default: false, "Whether the tokens' vectors are the output layer too."),
    ],
    layer: { request in
      guard request.shape.count == 1, case .positions(let count, let classes) = request.target,
        count == request.shape[0]
      else {
        throw ModelError(
          "it predicts the next token at each position, so it needs a text, as in --data text:FILE, and has examples of "
            + "\(request.shape.sizes) values")
      }
      let options = request.options
      return Transformer(
        layers: Int(options["layers"]), heads: Int(options["heads"]), width: Int(options["width"]), context: count,
        tokens: classes, outputs: classes, isTied: options.isOn("tied"))
    })
}

struct TransformerBlock: Layer {
  private let norm1 = LayerNorm()
  private let attention: MultiHeadAttention
  private let norm2 = LayerNorm()
  private let up: Linear
  private let down: Linear

  init(heads: Int, width: Int) {
    attention = MultiHeadAttention(heads: heads, causal: true)
    up = Linear(4 * width)
    down = Linear(width)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = x + attention(norm1(x))
    return y + down(gelu(up(norm2(y))))
  }
}
