internal import CKernels

/// `values`[r][c] += `bias`[c], in place.
package func addBias(_ bias: Floats, to values: MutableFloats) {
  lk_bias_identity(values.base, bias.base, rows(values, bias), bias.count)
}

/// `values`[r][c] = max(0, `values`[r][c] + `bias`[c]), in place.
package func biasReLU(_ bias: Floats, _ values: MutableFloats) {
  lk_bias_relu(values.base, bias.base, rows(values, bias), bias.count)
}

/// `values`[r][c] = tanh(`values`[r][c] + `bias`[c]), in place.
package func biasTanh(_ bias: Floats, _ values: MutableFloats) {
  lk_bias_tanh(values.base, bias.base, rows(values, bias), bias.count)
}

/// `values`[r][c] = 1 / (1 + exp(−(`values`[r][c] + `bias`[c]))), in place.
package func biasSigmoid(_ bias: Floats, _ values: MutableFloats) {
  lk_bias_sigmoid(values.base, bias.base, rows(values, bias), bias.count)
}

/// `values`[r][c] += `bias`[c], and `activated` = GELU(`values`) = x·Φ(x) (Hendrycks & Gimpel 2016, the exact form).
package func biasGELU(_ bias: Floats, _ values: MutableFloats, activated: MutableFloats) {
  precondition(activated.count == values.count)
  lk_bias_gelu(values.base, activated.base, bias.base, rows(values, bias), bias.count)
}

/// `gradient` *= ReLU′, in place, from the activation's output.
package func multiplyByReLUDerivative(_ gradient: MutableFloats, activated: Floats) {
  precondition(activated.count == gradient.count)
  lk_relu_derivative(gradient.base, activated.base, gradient.count)
}

/// `gradient` *= tanh′, in place, from the activation's output.
package func multiplyByTanhDerivative(_ gradient: MutableFloats, activated: Floats) {
  precondition(activated.count == gradient.count)
  lk_tanh_derivative(gradient.base, activated.base, gradient.count)
}

/// `gradient` *= sigmoid′, in place, from the activation's output.
package func multiplyBySigmoidDerivative(_ gradient: MutableFloats, activated: Floats) {
  precondition(activated.count == gradient.count)
  lk_sigmoid_derivative(gradient.base, activated.base, gradient.count)
}

/// `gradient` *= GELU′, in place, from the activation's input.
package func multiplyByGELUDerivative(_ gradient: MutableFloats, input: Floats) {
  precondition(input.count == gradient.count)
  lk_gelu_derivative(gradient.base, input.base, gradient.count)
}

private func rows(_ values: MutableFloats, _ bias: Floats) -> Int {
  precondition(bias.count > 0 && values.count % bias.count == 0, "\(values.count) values in rows of \(bias.count)")
  return values.count / bias.count
}
