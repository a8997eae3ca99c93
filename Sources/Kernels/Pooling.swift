internal import CKernels

/// Maxima or averages of the windows of each channel of images, height × width × channels.
package struct Pooling: Sendable {
  /// The largest area of a window.
  package static let mostPlaces = 255

  private let windows: ImageWindows
  private let channels: Int

  /// A window's area is at most ``mostPlaces``, and none lies wholly in the padding.
  package init(_ windows: ImageWindows, channels: Int) {
    precondition(windows.kernel.height * windows.kernel.width <= Pooling.mostPlaces && windows.dilation == (1, 1))
    (self.windows, self.channels) = (windows, channels)
  }

  private var shape: lk_pooling {
    lk_pooling(
      height: windows.size.height, width: windows.size.width, channels: channels,
      out_height: windows.outputSize.height, out_width: windows.outputSize.width,
      kernel_height: windows.kernel.height, kernel_width: windows.kernel.width, stride_y: windows.stride.height,
      stride_x: windows.stride.width, pad_top: windows.padding.top, pad_left: windows.padding.left)
  }

  private func examples(_ inputs: Int, _ outputs: Int) -> Int {
    let input = windows.size.height * windows.size.width * channels
    let output = windows.outputSize.height * windows.outputSize.width * channels
    let examples = inputs / max(input, 1)
    precondition(inputs == examples * input && outputs == examples * output, "\(outputs) windows of \(inputs) values")
    return examples
  }

  /// The floats that take the places of the maxima of `outputs` windows, a byte each.
  package static func placesCount(_ outputs: Int) -> Int { (outputs + 3) / 4 }

  /// `places` takes where in its window each maximum is: ``placesCount(_:)`` floats.
  package func maxima(of inputs: Floats, into outputs: MutableFloats, places: MutableFloats) {
    precondition(places.count >= Pooling.placesCount(outputs.count), "\(places.count) floats of places")
    var shape = shape
    places.base.withMemoryRebound(to: UInt8.self, capacity: outputs.count) { places in
      kernels.max_pool(outputs.base, places, inputs.base, examples(inputs.count, outputs.count), &shape)
    }
  }

  package func maximaGradient(_ outputGradients: Floats, places: Floats, into inputGradients: MutableFloats) {
    precondition(places.count >= Pooling.placesCount(outputGradients.count), "\(places.count) floats of places")
    var shape = shape
    places.base.withMemoryRebound(to: UInt8.self, capacity: outputGradients.count) { places in
      kernels.max_pool_gradient(
        inputGradients.base, outputGradients.base, places, examples(inputGradients.count, outputGradients.count),
        &shape)
    }
  }

  /// - Parameter countsPadding: whether the padding's zeros belong to the average.
  package func averages(of inputs: Floats, into outputs: MutableFloats, countsPadding: Bool) {
    var shape = shape
    kernels.average_pool(
      outputs.base, inputs.base, examples(inputs.count, outputs.count), &shape, countsPadding ? 1 : 0)
  }

  package func averagesGradient(_ outputGradients: Floats, into inputGradients: MutableFloats, countsPadding: Bool) {
    var shape = shape
    kernels.average_pool_gradient(
      inputGradients.base, outputGradients.base, examples(inputGradients.count, outputGradients.count), &shape,
      countsPadding ? 1 : 0)
  }
}

/// `outputs` (examples × channels) = the averages over the pixels of `inputs` (examples × pixels × channels).
package func globalAverages(of inputs: Floats, pixels: Int, channels: Int, into outputs: MutableFloats) {
  let examples = outputs.count / channels
  precondition(outputs.count == examples * channels && inputs.count == examples * pixels * channels)
  kernels.global_average_pool(outputs.base, inputs.base, examples, pixels, channels)
}

package func globalAveragesGradient(
  _ outputGradients: Floats, pixels: Int, channels: Int, into inputGradients: MutableFloats
) {
  let examples = outputGradients.count / channels
  precondition(outputGradients.count == examples * channels && inputGradients.count == examples * pixels * channels)
  kernels.global_average_pool_gradient(inputGradients.base, outputGradients.base, examples, pixels, channels)
}

/// `outputs` = each example's transpose, from `rows` × `columns` to `columns` × `rows`.
package func transposeEach(_ inputs: Floats, rows: Int, columns: Int, into outputs: MutableFloats) {
  precondition(rows * columns > 0 && inputs.count % (rows * columns) == 0 && outputs.count == inputs.count)
  kernels.channels_first(outputs.base, inputs.base, inputs.count / (rows * columns), rows, columns)
}
