@testable import Models

// The models of the cases that no built-in layer is: tensors and layers that are used more than once, and the like.

struct TiedEmbedding: Layer {
  let token: Embedding
  let norm: LayerNorm?

  init(count: Int, width: Int, norm: LayerNorm?) {
    token = Embedding(count, width: width)
    self.norm = norm
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = token(x)
    return token.asLinear(norm?(y) ?? tanh(y))
  }
}

struct EmbeddingAsLinear: Layer {
  let token = Embedding(9, width: 5)
  func callAsFunction(_ x: Tensor) -> Tensor { token.asLinear(x) }
}

struct SharedProjection: Layer {
  let query = Linear(6)
  let key = Linear(6)

  func callAsFunction(_ x: Tensor) -> Tensor {
    let keys = key(x)
    return attention(queries: query(x), keys: keys, values: keys, heads: 2, causal: true)
  }
}

struct SoftmaxBetween: LayerOfParts {
  let first = Linear(7)
  let last = Linear(3)
  var parts: [(name: String?, part: Any)] { [("0", first), ("2", last)] }

  func callAsFunction(_ x: Tensor) -> Tensor { last(softmax(first(x))) }
}

struct Residuals: Layer {
  let first = Linear(5)
  let second = Linear(5)

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = x + first(x)
    return y + second(tanh(y))
  }
}

struct UsedThrice: Layer {
  let first = Linear(6)
  let second = Linear(6)

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = first(x)
    let z = relu(y)
    return z + y + second(z * y)
  }
}

struct LayerTwice: Layer {
  let layer = Linear(5)
  func callAsFunction(_ x: Tensor) -> Tensor { layer(tanh(layer(x))) }
}

struct LayersTwiceAndThrice: Layer {
  let layer = Linear(5)
  let norm = LayerNorm()
  func callAsFunction(_ x: Tensor) -> Tensor { norm(layer(norm(x)) + norm(layer(x))) }
}

struct ConvolutionTwice: Layer {
  let layer = Conv2D(3, kernel: 3, padding: .same)
  func callAsFunction(_ x: Tensor) -> Tensor { layer(relu(layer(x))) }
}

struct Concatenated: Layer {
  let hidden = Linear(3)
  let out = Linear(2)

  func callAsFunction(_ x: Tensor) -> Tensor {
    out(x.concatenated(with: relu(hidden(x))).concatenated(with: x))
  }
}

struct Normalized: Layer {
  let norm = BatchNorm()
  func callAsFunction(_ x: Tensor) -> Tensor { norm(x) }
}

struct AttentionByProducts: Layer {
  let query = Linear(3)
  let key = Linear(3)
  let value = Linear(5)

  func callAsFunction(_ x: Tensor) -> Tensor {
    matrixProduct(softmax(matrixProduct(query(x), key(x).transposed())), value(x))
  }
}
